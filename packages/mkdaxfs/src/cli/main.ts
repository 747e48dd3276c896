// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { BuildError } from "../errors.js";
import { addBuildOptions, runBuild } from "./build-command.js";
import { runCheck } from "./check-command.js";

/** Exit status for a command that was used wrongly, as for most tools of Unix. */
const USAGE_ERROR = 2;

function version(): string {
  const manifest = JSON.parse(
    readFileSync(new URL("../package.json", import.meta.url), "utf8"),
  ) as { version: string };
  return manifest.version;
}

function program(): Command {
  const command = new Command("mkdaxfs")
    .description(
      "Build a daxfs image: a read-only filesystem that is mounted straight from memory.",
    )
    .version(version(), "-V, --version")
    .showSuggestionAfterError()
    .configureOutput({ outputError: (text, write) => write(`mkdaxfs: ${oneLine(text)}\n`) })
    .exitOverride();
  addBuildOptions(command);
  command.action(runBuild);
  command
    .command("check")
    .description(
      "hold an image against every rule of the format (./check for a directory called so)",
    )
    .argument("<image>", "image file")
    .option("--json", "print the findings as JSON")
    .action(runCheck);
  command.addHelpText(
    "after",
    `
Examples:
  mkdaxfs rootfs/ -o rootfs.daxfs          build an image
  mkdaxfs rootfs/ -o - | ssh host 'cat > /dev/shm/rootfs.daxfs'
  mkdaxfs check rootfs.daxfs               find out whether an image is sound`,
  );
  return command;
}

/** A message as one line, whatever the names in it hold. */
function oneLine(text: string): string {
  const escaped = (character: string) =>
    `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  return text
    .trim()
    .replace(/^error: /, "")
    .replace(/\n(?=\(Did you mean)/, " ")
    .replace(/\p{Cc}/gu, escaped);
}

/**
 * Runs the command line. The only place, with the commands it calls, that prints or ends.
 * @returns the exit status
 */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    await program().parseAsync([...argv]);
    return process.exitCode === undefined ? 0 : Number(process.exitCode);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE_ERROR;
    if (error instanceof BuildError) {
      process.stderr.write(`mkdaxfs: ${oneLine(error.message)}\n`);
      return 1;
    }
    const detail = error instanceof Error ? error.stack : String(error);
    process.stderr.write(`mkdaxfs: this is a bug, please report it: ${detail}\n`);
    return 70;
  }
}

void main(process.argv).then((status) => {
  process.exitCode = status;
});
