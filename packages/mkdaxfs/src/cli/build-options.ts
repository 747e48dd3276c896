// SPDX-License-Identifier: MIT
import { BuildError } from "../errors.js";
import { TIME_MAX } from "../model/limits.js";
import type { BuildOptions } from "../options.js";
import { parsePlatform } from "../platform.js";
import type { Flags } from "./build-flags.js";
import { UsageError } from "./usage-error.js";

/** What options of the command line and the environment ask for, as a build takes it. */
type RequestedOptions = Omit<BuildOptions, "signal" | "onProgress" | "onWarning">;

/**
 * Turns a command line into what a build takes.
 * @param sources in the order given; they go on top of images named by reference
 * @throws UsageError when parts of it don't go together, BuildError for the environment.
 */
export function buildOptions(
  sources: readonly string[],
  flags: Flags,
  environment: Readonly<Record<string, string | undefined>>,
): RequestedOptions {
  if (sources.length === 0 && flags.references === undefined) {
    throw new UsageError(
      "missing required argument 'source' (name a directory, an archive or an image)",
    );
  }
  if (flags.output === undefined && !flags.dryRun) {
    throw new UsageError("no output given (name the image with -o IMAGE, or -o - for a pipe)");
  }
  if (flags.json && flags.output === "-" && !flags.dryRun) {
    throw new UsageError("the image and --json can't both go to standard output (give -o FILE)");
  }
  const epoch = sourceDateEpoch(environment.SOURCE_DATE_EPOCH);
  const { references = [], platform, allRoot, json, quiet, verbose, ...others } = flags;
  return {
    ...others,
    ...(allRoot ? { owner: 0, group: 0 } : {}),
    ...(platform === undefined ? {} : { platform: parsePlatform(platform) }),
    ...(epoch === undefined ? {} : { buildTimeNs: epoch }),
    // The command line takes precedence over the environment.
    ...(epoch === undefined || flags.mtimeNs !== undefined ? {} : { clampMtimeNs: epoch }),
    sources: [...references, ...sources],
  };
}

/**
 * Reads SOURCE_DATE_EPOCH, as reproducible-builds.org defines it: whole seconds since 1970.
 * @returns nanoseconds, undefined where it is not set
 */
function sourceDateEpoch(text: string | undefined): bigint | undefined {
  if (text === undefined || text === "") return undefined;
  const time = /^\d{1,10}$/.test(text) ? BigInt(text) * 1_000_000_000n : undefined;
  if (time === undefined || time > TIME_MAX) {
    throw new BuildError(
      `SOURCE_DATE_EPOCH is '${text}' (set it to whole seconds since 1970, before the year 2262)`,
    );
  }
  return time;
}
