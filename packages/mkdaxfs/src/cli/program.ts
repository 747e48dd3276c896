// SPDX-License-Identifier: MIT
import { Command } from "commander";
import { addBuildOptions, type Flags } from "./build-flags.js";
import { type Paint, PLAIN } from "./colors.js";
import { oneLine } from "./one-line.js";
import { UsageError } from "./usage-error.js";

/** What is done for a command line that is right. */
export interface Actions {
  build(sources: readonly string[], flags: Flags): Promise<void> | void;
  check(image: string, flags: { readonly json?: true }): Promise<void> | void;
}

const AFTER_HELP = `
Environment:
  SOURCE_DATE_EPOCH   seconds since 1970: clamp times of files, and record it as build time
  NO_COLOR, CI        no colours; no progress bar

Examples:
  mkdaxfs rootfs/ -o rootfs.daxfs                   a directory
  mkdaxfs base.tar.zst overrides/ -o rootfs.daxfs   an archive, and a directory over it
  mkdaxfs --from-docker debian:12 -o debian.daxfs   an image of docker, podman or a registry
  ssh host cat rootfs.tar.gz | mkdaxfs - -o rootfs.daxfs
  mkdaxfs rootfs/ --exclude '/var/cache/*' --all-root --mtime 2024-01-01 -o rootfs.daxfs
  mkdaxfs check rootfs.daxfs                        check an image for corruption`;

/** The command line. @param paint colours the name in front of an error */
export function createProgram(
  { build, check }: Actions,
  version: string,
  paint: Paint = PLAIN.error,
): Command {
  const command = new Command("mkdaxfs")
    .usage("SOURCE... -o IMAGE [options]\n       mkdaxfs check IMAGE [--json]")
    .description(
      "Build a daxfs image: a read-only filesystem that is mounted straight from memory.\n" +
        "Sources are merged from left to right, over the images that are named by reference.",
    )
    .showSuggestionAfterError()
    .configureOutput({
      outputError: (text, write) => write(`${paint("mkdaxfs:")} ${commandError(text)}\n`),
    })
    .exitOverride()
    // What follows "check" is for it.
    .enablePositionalOptions();
  addBuildOptions(command);
  command
    .optionsGroup("Other:")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this");
  command.action(build);
  command
    .command("check")
    .description("check an image for corruption (use ./check for a directory named 'check')")
    .argument("<image>", "image file")
    .option("--json", "print the findings as JSON")
    .action((image: string, flags: { readonly json?: true }) => {
      refuseBuildOptions(command);
      return check(image, flags);
    });
  command.addHelpText("after", AFTER_HELP);
  return command;
}

/** @throws UsageError for options of a build, which would not be heeded */
function refuseBuildOptions(command: Command): void {
  for (const option of command.options) {
    if (command.getOptionValueSource(option.attributeName()) !== "cli") continue;
    // Some options share an attribute, and the command line does not tell which of them it had.
    const names = command.options
      .filter((other) => other.attributeName() === option.attributeName())
      .map(({ long }) => `'${long}'`);
    throw new UsageError(
      `option ${names.join(" or ")} before 'check' is an option of a build (give options of check after it)`,
    );
  }
}

/** What Commander says of a command line that is wrong, in one line. */
function commandError(text: string): string {
  return oneLine(
    text
      .trim()
      .replace(/^error: /, "")
      .replace(/\n(?=\(Did you mean)/, " "),
  );
}
