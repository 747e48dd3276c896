// SPDX-License-Identifier: MIT
import type { ByteString } from "@daxfs/format";
import picomatch from "picomatch";
import { BuildError } from "../errors.js";

/** Tells whether a text is what a glob stands for. */
export type Glob = (text: string) => boolean;

const OPTIONS = {
  // A leading dot or "!" is nothing special in the name of a file.
  dot: true,
  nonegate: true,
  posix: true,
  strictBrackets: true,
  strictSlashes: true,
  windows: false,
  // Names may hold newlines.
  flags: "s",
  // Has what can't be compiled thrown, where it would match nothing.
  debug: true,
} as const;

const SPECIAL = /[\\*?[\]{}()!+@|"]/;
const ASCII = /^[\0-\x7f]*$/;

/**
 * Compiles a glob without slashes: `*`, `?`, `[a-z]`, `[[:digit:]]`, `{a,b}`, `!(a|b)`, and `\` in
 * front of what is to stand for itself.
 * @param whole what the user gave, for messages
 * @throws BuildError when its brackets don't pair up.
 */
export function globOf(pattern: string, whole = pattern): Glob {
  if (!SPECIAL.test(pattern)) return (text) => text === pattern;
  // To picomatch quotes are a shell's; here the shell has done with them.
  const quoted = pattern.replace(/\\.|"/gs, (found) => (found === '"' ? '\\"' : found));
  let expression: RegExp;
  try {
    expression = picomatch.makeRe(quoted, OPTIONS);
  } catch {
    throw new BuildError(
      `the glob '${whole}' can't be read (brackets, braces and parentheses must pair up within ` +
        "a name; put \\ before one that stands for itself)",
    );
  }
  // A name like "a (1)" is meant as it is, whatever parentheses mean.
  return (text) => text === pattern || expression.test(text);
}

/** Bytes as globs see them: the text that they are in UTF-8, else a character per byte. */
export function globText(bytes: ByteString): string {
  if (ASCII.test(bytes)) return bytes;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
      Buffer.from(bytes, "latin1"),
    );
  } catch {
    return bytes;
  }
}
