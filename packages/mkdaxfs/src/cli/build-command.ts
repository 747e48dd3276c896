// SPDX-License-Identifier: MIT
import { BLOCK_SIZE, HUGE_SIZE } from "@daxfs/format";
import { type Command, Option } from "commander";
import { type BuildOptions, type BuildReport, buildImage } from "../build.js";
import { BuildError } from "../errors.js";

interface Flags {
  readonly output?: string;
  readonly label?: string;
  readonly digest?: true;
  readonly align: "4k" | "2m";
  readonly quiet?: true;
}

/** Adds what a build takes to the command line. */
export function addBuildOptions(command: Command): void {
  command
    .argument("<directory>", "tree that becomes the image")
    .option("-o, --output <image>", "file for the image; - for standard output")
    .option("--label <text>", "name for the image, at most 32 bytes")
    .option("--digest", "store a SHA-256 digest of the data, which check verifies")
    .addOption(
      new Option("--align <size>", "where files of 2 MiB and more begin: 2m for huge mappings")
        .choices(["4k", "2m"])
        .default("2m"),
    )
    .option("-q, --quiet", "print only errors and what was left out");
}

/** Builds, and prints what was built. @throws BuildError */
export async function runBuild(directory: string, flags: Flags): Promise<void> {
  if (flags.output === undefined) {
    throw new BuildError("no output given (name the image with -o IMAGE, or -o - for a pipe)");
  }
  const options: BuildOptions = {
    source: directory,
    output: flags.output,
    digest: flags.digest ?? false,
    align: flags.align === "4k" ? BLOCK_SIZE : HUGE_SIZE,
    buildTimeNs: buildTime(process.env.SOURCE_DATE_EPOCH),
    ...(flags.label === undefined ? {} : { label: flags.label }),
  };
  const report = await buildImage(options);
  for (const [name, files] of report.omittedXattrs) {
    process.stderr.write(
      `mkdaxfs: left out ${name} of ${files} file${files === 1 ? "" : "s"}: the build host's own\n`,
    );
  }
  // The image itself may be on standard output.
  if (flags.quiet) return;
  process.stderr.write(`${summary(flags.output, report)}\n`);
}

/** Reads SOURCE_DATE_EPOCH, as reproducible-builds.org defines it: seconds since 1970. */
function buildTime(text: string | undefined): bigint {
  if (text === undefined || text === "") return 0n;
  if (!/^\d{1,10}$/.test(text)) {
    throw new BuildError(`SOURCE_DATE_EPOCH is '${text}' (set it to whole seconds since 1970)`);
  }
  return BigInt(text) * 1_000_000_000n;
}

function summary(output: string, report: BuildReport): string {
  const name = output === "-" ? "standard output" : output;
  const saved = report.contentSize - report.storedSize;
  const shared = saved > 0 ? `, ${size(saved)} saved by storing equal files once` : "";
  return (
    `${name}: ${report.inodes} inodes, ${size(report.storedSize)} of content in ` +
    `${size(report.totalSize)}${shared}, UUID ${report.uuid}`
  );
}

function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
