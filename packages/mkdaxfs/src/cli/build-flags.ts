// SPDX-License-Identifier: MIT
import { HUGE_SIZE } from "@daxfs/format";
import { type Command, Option } from "commander";
import type { BuildOptions, SourceSpec } from "../options.js";
import { readPatterns } from "./patterns-file.js";
import { asValue } from "./usage-error.js";
import {
  parseAlignment,
  parseBoolean,
  parseId,
  parseIdMapping,
  parseJobs,
  parseRatio,
  parseSize,
  parseTime,
} from "./values.js";

/** Options of a build that the command line has otherwise, or not at all. */
type OtherwiseGiven =
  | "sources"
  | "platform"
  | "clampMtimeNs"
  | "buildTimeNs"
  | "signal"
  | "onProgress"
  | "onWarning";

/**
 * What the command line says about a build. Options that are named like a member of BuildOptions have
 * its type, and go to the build as they are.
 */
export interface Flags extends Omit<Partial<BuildOptions>, OtherwiseGiven> {
  /** Of both kinds, in the order given. */
  readonly references?: readonly SourceSpec[];
  readonly platform?: string;
  readonly allRoot?: true;
  readonly json?: true;
  readonly quiet?: true;
  readonly verbose?: true;
}

/** An option whose values go where another option's go, in the order given. */
class OptionFor extends Option {
  constructor(
    private readonly attribute: keyof Flags,
    flags: string,
    description: string,
  ) {
    super(flags, description);
  }

  override attributeName(): string {
    return this.attribute;
  }
}

/** A parser that adds to the values given so far. */
function adding<T>(parse: (text: string) => readonly T[]) {
  return (text: string, before: readonly T[] = []): readonly T[] => [...before, ...parse(text)];
}

const list = adding((text) => [text]);

/** Adds what a build takes to the command line. */
export function addBuildOptions(command: Command): void {
  command.argument("[source...]", "directories, tar and zip archives, container images as files");
  addOutputOptions(command);
  addSourceOptions(command);
  addFileOptions(command);
  addImageOptions(command);
}

function addOutputOptions(command: Command): void {
  command
    .optionsGroup("Output:")
    .option("-o, --output <image>", "file for the image; - for standard output")
    .option("--dry-run", "do everything except write the image")
    .option("--json", "print a JSON report to standard output")
    .addOption(new Option("-q, --quiet", "print only errors and warnings").conflicts("verbose"))
    .option("-v, --verbose", "print sources, stages and their duration");
}

function addSourceOptions(command: Command): void {
  const references = adding<SourceSpec>;
  command
    .optionsGroup("Sources:")
    .addOption(
      new OptionFor(
        "references",
        "--from-docker <image>",
        "an image from the local engine, or else from its registry",
      ).argParser(references((docker) => [{ docker }])),
    )
    .addOption(
      new OptionFor("references", "--from-oci <image>", "an image from its registry").argParser(
        references((oci) => [{ oci }]),
      ),
    )
    .option("--platform <os/arch>", "platform of a multi-platform image, such as linux/arm64")
    .option(
      "--tls-verify <boolean>",
      "false allows plain http and any certificate",
      asValue(parseBoolean),
    )
    .addOption(new Option("--no-tls-verify").hideHelp())
    .addOption(
      new Option(
        "--whiteouts <how>",
        "apply the whiteouts of layers, or keep them for overlayfs",
      ).choices(["apply", "overlay"]),
    )
    .option("--max-size <size>", "limit for the total size of all files", asValue(parseSize))
    .option(
      "--max-ratio <number>",
      "highest compression ratio of an archive (default: 200)",
      asValue(parseRatio),
    )
    .option(
      "--jobs <number>",
      "threads to use (default: as many as cores, at most 4)",
      asValue(parseJobs),
    );
}

function addFileOptions(command: Command): void {
  const mappings = adding((text) => [asValue(parseIdMapping)(text)]);
  command
    .optionsGroup("Files:")
    .option("--include <glob>", "include only matching files (repeatable)", list)
    .option("--exclude <glob>", "exclude matching files (repeatable)", list)
    .addOption(
      new OptionFor(
        "exclude",
        "--exclude-from <file>",
        "read exclude patterns from a file",
      ).argParser(adding(readPatterns)),
    )
    .addOption(
      new Option("--owner <uid>", "set the owner of everything")
        .argParser(asValue(parseId))
        .conflicts("uidMap"),
    )
    .addOption(
      new Option("--group <gid>", "set the group of everything")
        .argParser(asValue(parseId))
        .conflicts("gidMap"),
    )
    .addOption(
      new Option("--all-root", "set owner and group of everything to 0").conflicts([
        "owner",
        "group",
        "uidMap",
        "gidMap",
      ]),
    )
    .option("--uid-map <from:to:count>", "map a range of owners (repeatable)", mappings)
    .option("--gid-map <from:to:count>", "map a range of groups (repeatable)", mappings)
    .option("--mode <changes>", "change permissions as chmod does")
    .addOption(
      new OptionFor(
        "mtimeNs",
        "--mtime <time>",
        "set the time of everything: @SECONDS or a date",
      ).argParser(asValue(parseTime)),
    )
    .addOption(
      new Option("--no-xattrs", "drop extended attributes").conflicts([
        "xattrsInclude",
        "xattrsExclude",
      ]),
    )
    .option("--xattrs-include <glob>", "attributes to keep (repeatable)", list)
    .option("--xattrs-exclude <glob>", "attributes to drop (repeatable)", list);
}

function addImageOptions(command: Command): void {
  command
    .optionsGroup("Image:")
    .option("--label <text>", "name for the image, at most 32 bytes")
    .option("--uuid <uuid>", "instead of the one derived from the content")
    .option("--digest", "store a SHA-256 digest of the data, for check to verify")
    .addOption(
      new Option(
        "--align <size>",
        "alignment of files of 2 MiB and more: 4k, or 2m for huge mappings",
      )
        .argParser(asValue(parseAlignment))
        .default(HUGE_SIZE, "2m"),
    )
    .option("--no-dedupe", "store duplicate files separately")
    .option("--size <size>", "length of the image, a multiple of 4096", asValue(parseSize));
}
