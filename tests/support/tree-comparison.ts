// SPDX-License-Identifier: MIT
/**
 * Compares a tree on the host, the source of an image, with the mounted image in a guest. The same
 * script and the same programs list both as text, a manifest, without any code of the project.
 */
import { findProgram, type GuestFile, type GuestResult } from "@daxfs/qemu";
import { execa } from "execa";

/** Programs of the host that the guest needs for a comparison. */
export const MANIFEST_PROGRAMS = [
  "awk",
  "cat",
  "diff",
  "find",
  "getfattr",
  "head",
  "paste",
  "sed",
  "sha256sum",
  "sort",
  "stat",
  "tr",
  "wc",
  "xargs",
] as const;

const SCRIPT_PATH = "/manifest/manifest.sh";

/** Maximum number of lines of a diff that are sent to the host. */
const DIFFERENCE_LINES = 200;

/**
 * `sh manifest.sh TREE PREFIX`. PREFIX precedes the name of every program, because the shell of the
 * guest would otherwise run applets of busybox.
 *
 * Prints one line for each fact, sorted by bytes:
 *
 *     path TAB S type mode uid gid nlink size mtime TAB link target
 *     path TAB D device number
 *     path TAB L first path of the same file
 *     path TAB H SHA-256
 *     path TAB X attribute=value
 *
 * nlink and size of directories are omitted, because they depend on the filesystem. Names may have
 * any byte: programs separate them with NULs. In a line a backslash is doubled, a newline is "\n" and
 * a TAB "\t". (getfattr escapes with octal numbers, so its lines have "\011" for a TAB.)
 */
const SCRIPT = String.raw`
set -e
cd "$1"
P=$2
LC_ALL=C TZ=UTC
export LC_ALL TZ
# Escapes NUL-terminated fields, and joins as many of them to a line as there are parameters.
lines() {
  "$P"sed -z 's/\\/\\\\/g; s/\n/\\n/g; s/\t/\\t/g' | "$P"tr '\0' '\n' | "$P"paste "$@"
}
{
  "$P"find . \( -type d -printf '%p\0S %y %#m %U %G - - %T@\0\0' \) -o \
    -printf '%p\0S %y %#m %U %G %n %s %T@\0%l\0' | lines - - -
  "$P"find . \( -type b -o -type c \) -print0 |
    "$P"xargs -0 -r "$P"stat --printf='%n\0D %t:%T\0' | lines - -
  "$P"find . ! -type d -links +1 -printf '%i %p\0' | lines - | "$P"sort -k 2 |
    "$P"awk '{
      path = substr($0, length($1) + 2)
      if (!($1 in first)) first[$1] = path
      print path "\tL " first[$1]
    }'
  # -z: sha256sum ends lines with NUL and does not escape names.
  "$P"find . -type f -print0 | "$P"xargs -0 -r "$P"sha256sum -z |
    "$P"sed -z -E 's/^([0-9a-f]{64})  (.*)$/\2\x00H \1/' | lines - -
  "$P"getfattr -R -P -h -d -m - -e hex . | "$P"awk '
    /^# file: / { path = substr($0, 9); if (path != ".") path = "./" path; next }
    /./ { print path "\tX " $0 }'
} | "$P"sort
`;

/** The manifest of a tree on the host. Needs root to read everything. */
export async function hostManifest(tree: string): Promise<string> {
  // Not UTF-8, because names are bytes.
  const { stdout } = await execa("bash", ["-o", "pipefail", "-c", SCRIPT, "manifest", tree, ""], {
    encoding: "latin1",
    maxBuffer: 256 * 1024 * 1024,
    stripFinalNewline: false,
    stderr: ["pipe", "inherit"],
  });
  return stdout;
}

/** Files and programs that `compareInGuest` needs. The key of a manifest is its comparison. */
export async function manifestSetup(
  manifests: Readonly<Record<string, string>>,
): Promise<{ files: GuestFile[]; programs: string[] }> {
  const programs = await Promise.all(MANIFEST_PROGRAMS.map((name) => findProgram(name)));
  const expected = Object.entries(manifests).map(([name, manifest]) => ({
    guestPath: expectedPath(name),
    content: Buffer.from(manifest, "latin1"),
  }));
  return { files: [{ guestPath: SCRIPT_PATH, content: SCRIPT }, ...expected], programs };
}

function expectedPath(name: string): string {
  return `/manifest/${name}.expected`;
}

/**
 * A part of a guest script: makes the manifest of `tree` and compares it with that of the host.
 * `comparison` reads the outcome.
 */
export function compareInGuest(name: string, tree: string): string {
  const actual = `/tmp/${name}.actual`;
  return `
begin=$(cut -d. -f1 /proc/uptime)
sh -o pipefail ${SCRIPT_PATH} ${tree} /usr/local/bin/ >${actual} 2>/tmp/${name}.errors
value "${name} status" $?
value "${name} seconds" $(($(cut -d. -f1 /proc/uptime) - begin))
value "${name} lines" "$(wc -l <${actual})"
attach "${name} errors" /tmp/${name}.errors
${diffInGuest(name, actual)}`;
}

/** A part of a guest script: compares an existing manifest with one of the host. */
export function diffInGuest(name: string, actual: string): string {
  return `
/usr/local/bin/diff -a -U 0 --label host --label guest ${expectedPath(name)} ${actual} >/tmp/${name}.diff
value "${name} diff status" $?
head -n ${DIFFERENCE_LINES} /tmp/${name}.diff >/tmp/${name}.diff.head
attach "${name} diff" /tmp/${name}.diff.head
`;
}

/** Path of the manifest that `compareInGuest` made, for the rest of the script. */
export function actualManifest(name: string): string {
  return `/tmp/${name}.actual`;
}

/** The outcome of a comparison in the guest. */
export interface Comparison {
  /** Lines that only one side has: "-" for the host, "+" for the guest. */
  difference: string[];
  /** Standard error of the programs in the guest. */
  errors: string;
  /** 0 if the script and all its programs succeeded. */
  status: number;
  lines: number;
  seconds: number;
}

/** Reads the outcome of `compareInGuest`. Throws if there is none. */
export function comparison(result: GuestResult, name: string): Comparison {
  return {
    difference: difference(result, name),
    errors: attachment(result, `${name} errors`),
    status: numberValue(result, `${name} status`),
    lines: numberValue(result, `${name} lines`),
    seconds: numberValue(result, `${name} seconds`),
  };
}

/** Reads the outcome of `diffInGuest`. Throws if there is none. */
export function difference(result: GuestResult, name: string): string[] {
  const lines = attachment(result, `${name} diff`)
    .split("\n")
    .filter((line) => /^[-+]/.test(line) && !/^(?:---|\+\+\+) (?:host|guest)$/.test(line));
  // diff exits with 0 for no difference, 1 for differences, 2 for errors.
  const status = numberValue(result, `${name} diff status`);
  if (status !== (lines.length > 0 ? 1 : 0)) {
    throw new Error(`diff of ${name} ended with ${status}, and ${lines.length} lines`);
  }
  return lines;
}

function attachment(result: GuestResult, name: string): string {
  const content = result.attachments[name];
  if (content === undefined) throw new Error(`the guest sent no "${name}"`);
  return content.toString("latin1");
}

function numberValue(result: GuestResult, name: string): number {
  const text = result.values[name];
  if (text === undefined || !/^\d+$/.test(text)) {
    throw new Error(`the guest sent "${text}" for "${name}"`);
  }
  return Number(text);
}
