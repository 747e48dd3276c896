// SPDX-License-Identifier: MIT
/** What the command does before it loads anything else. */
import { defaultJobs, startSpareThreads } from "../jobs/threads.js";

/** Words of command lines that build nothing, or say themselves how many threads there are to be. */
const OTHERWISE = /^(check|--help|-h|--version|-V|--jobs.*)$/;

const words = process.argv.slice(2);
// A guess: a thread too many does no harm, and one too few is started later.
if (words.length > 0 && !words.some((word) => OTHERWISE.test(word))) {
  startSpareThreads(defaultJobs() - 1);
}
