// SPDX-License-Identifier: MIT

import { BLOCK_SIZE, HUGE_SIZE } from "@daxfs/format";
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
  const given: { readonly [Key in keyof RequestedOptions]: RequestedOptions[Key] | undefined } = {
    sources: [...(flags.references ?? []), ...sources],
    output: flags.output,
    dryRun: flags.dryRun,
    include: flags.include,
    exclude: flags.exclude,
    whiteouts: flags.whiteouts,
    owner: flags.allRoot ? 0 : flags.owner,
    group: flags.allRoot ? 0 : flags.group,
    uidMap: flags.uidMap,
    gidMap: flags.gidMap,
    mode: flags.mode,
    mtimeNs: flags.mtime,
    // What is said on the command line goes before what the environment says.
    clampMtimeNs: flags.mtime === undefined ? epoch : undefined,
    xattrs: flags.xattrs,
    xattrsInclude: flags.xattrsInclude,
    xattrsExclude: flags.xattrsExclude,
    label: flags.label,
    uuid: flags.uuid,
    buildTimeNs: epoch,
    digest: flags.digest,
    align: flags.align === "4k" ? BLOCK_SIZE : HUGE_SIZE,
    dedupe: flags.dedupe,
    size: flags.size,
    jobs: flags.jobs,
    maxSize: flags.maxSize,
    maxRatio: flags.maxRatio,
    platform: flags.platform === undefined ? undefined : parsePlatform(flags.platform),
    tlsVerify: flags.tlsVerify,
  };
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  return Object.fromEntries(set) as unknown as RequestedOptions;
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
