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
    .option("--dry-run", "do all but write an image")
    .option("--json", "tell what was built on standard output, as JSON")
    .addOption(new Option("-q, --quiet", "print errors and warnings only").conflicts("verbose"))
    .option("-v, --verbose", "print sources, stages and how long they took");
}

function addSourceOptions(command: Command): void {
  const references = adding<SourceSpec>;
  command
    .optionsGroup("Sources:")
    .addOption(
      new OptionFor(
        "references",
        "--from-docker <image>",
        "an image of the local engine, else of its registry",
      ).argParser(references((docker) => [{ docker }])),
    )
    .addOption(
      new OptionFor("references", "--from-oci <image>", "an image of its registry").argParser(
        references((oci) => [{ oci }]),
      ),
    )
    .option("--platform <os/arch>", "which of an image's platforms to take, such as linux/arm64")
    .option(
      "--tls-verify <boolean>",
      "false accepts plain http, and any certificate",
      asValue(parseBoolean),
    )
    .addOption(new Option("--no-tls-verify").hideHelp())
    .addOption(
      new Option("--whiteouts <how>", "apply those of layers, or keep them for overlayfs").choices([
        "apply",
        "overlay",
      ]),
    )
    .option("--max-size <size>", "limit on the bytes of all contents together", asValue(parseSize))
    .option(
      "--max-ratio <number>",
      "how many times its length an archive may unpack to (default: 200)",
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
    .option("--include <glob>", "take these only (repeatable)", list)
    .option("--exclude <glob>", "leave these out (repeatable)", list)
    .addOption(
      new OptionFor("exclude", "--exclude-from <file>", "leave out by a file of globs").argParser(
        adding(readPatterns),
      ),
    )
    .addOption(
      new Option("--owner <uid>", "owner of everything")
        .argParser(asValue(parseId))
        .conflicts("uidMap"),
    )
    .addOption(
      new Option("--group <gid>", "group of everything")
        .argParser(asValue(parseId))
        .conflicts("gidMap"),
    )
    .addOption(
      new Option("--all-root", "owner and group 0 of everything").conflicts([
        "owner",
        "group",
        "uidMap",
        "gidMap",
      ]),
    )
    .option("--uid-map <from:to:count>", "change owners by range (repeatable)", mappings)
    .option("--gid-map <from:to:count>", "change groups by range (repeatable)", mappings)
    .option("--mode <changes>", "change permissions as chmod does")
    .addOption(
      new OptionFor(
        "mtimeNs",
        "--mtime <time>",
        "time of everything: @SECONDS or a date",
      ).argParser(asValue(parseTime)),
    )
    .addOption(
      new Option("--no-xattrs", "leave extended attributes out").conflicts([
        "xattrsInclude",
        "xattrsExclude",
      ]),
    )
    .option("--xattrs-include <glob>", "attributes to keep (repeatable)", list)
    .option("--xattrs-exclude <glob>", "attributes to leave out (repeatable)", list);
}

function addImageOptions(command: Command): void {
  command
    .optionsGroup("Image:")
    .option("--label <text>", "name for the image, at most 32 bytes")
    .option("--uuid <uuid>", "in place of the one made from the content")
    .option("--digest", "store a SHA-256 digest of the data, which check verifies")
    .addOption(
      new Option("--align <size>", "where files of 2 MiB and more begin: 2m for huge mappings")
        .argParser(asValue(parseAlignment))
        .default(HUGE_SIZE, "2m"),
    )
    .option("--no-dedupe", "store equal contents each time")
    .option("--size <size>", "length of the image, a multiple of 4096", asValue(parseSize));
}
