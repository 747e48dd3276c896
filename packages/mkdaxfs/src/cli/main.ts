// SPDX-License-Identifier: MIT
import { defaultJobs, startThreads } from "../jobs/threads.js";

/** Words of command lines that build nothing, or say themselves how many threads there are to be. */
const OTHERWISE = /^(check|--help|-h|--version|-V|--jobs.*)$/;

const words = process.argv.slice(2);
// A guess: a thread too many does no harm, and one too few is started later.
const builds = words.length > 0 && !words.some((word) => OTHERWISE.test(word));
const threads = builds ? startThreads(defaultJobs() - 1) : [];

// A file of its own, so that the threads start while it is read and compiled.
void import("./command.js").then(({ run }) => run(process.argv, threads));
