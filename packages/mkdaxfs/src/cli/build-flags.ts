// SPDX-License-Identifier: MIT
import { type Command, Option } from "commander";
import type { IdMapping, SourceSpec } from "../options.js";
import { readPatterns } from "./patterns-file.js";
import { asValue } from "./usage-error.js";
import {
  parseBoolean,
  parseId,
  parseIdMapping,
  parseJobs,
  parseRatio,
  parseSize,
  parseTime,
} from "./values.js";

/** The options of a build as the command line has them. */
export interface Flags {
  readonly output?: string;
  readonly dryRun?: true;
  /** Of both kinds, in the order given. */
  readonly references?: readonly SourceSpec[];
  readonly platform?: string;
  readonly tlsVerify?: boolean;
  readonly whiteouts?: "apply" | "overlay";
  readonly include?: readonly string[];
  /** Those from files among them. */
  readonly exclude?: readonly string[];
  readonly owner?: number;
  readonly group?: number;
  readonly allRoot?: true;
  readonly uidMap?: readonly IdMapping[];
  readonly gidMap?: readonly IdMapping[];
  readonly mode?: string;
  /** Nanoseconds since 1970. */
  readonly mtime?: bigint;
  readonly xattrs?: boolean;
  readonly xattrsInclude?: readonly string[];
  readonly xattrsExclude?: readonly string[];
  readonly label?: string;
  readonly uuid?: string;
  readonly digest?: true;
  readonly align?: "4k" | "2m";
  readonly dedupe?: boolean;
  readonly size?: number;
  readonly maxSize?: number;
  readonly maxRatio?: number;
  readonly jobs?: number;
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
    .option("--mtime <time>", "time of everything: @SECONDS or a date", asValue(parseTime))
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
        .choices(["4k", "2m"])
        .default("2m"),
    )
    .option("--no-dedupe", "store equal contents each time")
    .option("--size <size>", "length of the image, a multiple of 4096", asValue(parseSize));
}
