// SPDX-License-Identifier: MIT
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { byteStringOfText, type Xattr } from "@daxfs/format";
import { describe, expect, it, type TestContext } from "vitest";
import { BuildError } from "../../src/errors.js";
import { readXattrs } from "../../src/host/xattrs.js";
import { scratchDirectory } from "../support/support.js";

const scratch = scratchDirectory();

/** Runs a script; bytes that are no text are spelled in octal in it, which printf(1) reads. */
function shell(script: string): { readonly status: number | null; readonly stderr: string } {
  const run = spawnSync("/bin/sh", ["-c", `set -e\n${script}`], { encoding: "latin1" });
  return { status: run.status, stderr: run.stderr };
}

/** Skips a test where attributes can't be set, for want of a tool, a right or a filesystem. */
function set(context: TestContext, script: string): void {
  const { status, stderr } = shell(script);
  if (status !== 0) context.skip(`attributes can't be set here: ${stderr.trim()}`);
}

function onlyRow(paths: readonly string[]): [string, string][] {
  const rows = readXattrs(paths);
  expect(rows.map(([index]) => index)).toEqual([0]);
  return shown(rows[0]![1]);
}

const shown = (xattrs: readonly Xattr[]) =>
  xattrs
    .map<[string, string]>(({ name, value }) => [name, Buffer.from(value).toString("hex")])
    .sort(([a], [b]) => (a < b ? -1 : 1));

describe("attributes", () => {
  it("are read as bytes", (context) => {
    const path = scratch("file");
    writeFileSync(path, "");
    set(context, `setfattr -n user.nul -v 0x00ff0000 '${path}'; setfattr -n user.empty '${path}'`);
    expect(onlyRow([byteStringOfText(path)])).toEqual([
      ["user.empty", ""],
      ["user.nul", "00ff0000"],
    ]);
  });

  it("give no row where there are none", () => {
    const path = scratch("bare");
    writeFileSync(path, "");
    expect(readXattrs([byteStringOfText(path), byteStringOfText(path)])).toEqual([]);
  });

  it("of a name in UTF-8 are read", (context) => {
    const path = scratch("größe");
    writeFileSync(path, "");
    set(context, `setfattr -n user.größe -v 0x01 '${path}'`);
    expect(onlyRow([byteStringOfText(path)])).toEqual([[byteStringOfText("user.größe"), "01"]]);
  });

  /** Names that getfattr(1) spells in its own way, as printf(1) reads them, and as they are. */
  const oddNames: [string, string][] = [
    ['user."g"', 'user."g"'],
    ["user.# f", "user.# f"],
    ["user.=x=", "user.=x="],
    ["user.c\\nd", "user.c\nd"],
    // setfattr(1) reads octal itself.
    ["user.e\\\\134101", "user.e\\101"],
  ];

  it("with names that look like syntax are read", (context) => {
    const path = scratch("odd names");
    writeFileSync(path, "");
    const commands = oddNames.map(
      ([name]) => `setfattr -n "$(printf '${name}')" -v 0x01 '${path}'`,
    );
    set(context, commands.join("\n"));
    expect(onlyRow([byteStringOfText(path)])).toEqual(oddNames.map(([, name]) => [name, "01"]));
  });

  it("with names that are no text are read", (context) => {
    const path = scratch("odd bytes");
    writeFileSync(path, "");
    set(
      context,
      `setfattr -n "$(printf 'user.\\377')" -v 0x01 '${path}'; setfattr -n user.z '${path}'`,
    );
    expect(onlyRow([byteStringOfText(path)])).toEqual([
      ["user.z", ""],
      ["user.\xff", "01"],
    ]);
  });

  it("with odd names, of a file whose name is no text, are read", (context) => {
    const directory = scratch("odd both");
    mkdirSync(directory);
    const commands = [...oddNames, ["user.\\377", "user.\xff"]].map(
      ([name]) => `setfattr -n "$(printf '${name}')" -v 0x01 -- "$file"`,
    );
    set(context, `cd '${directory}'; file=$(printf '\\376'); : > "$file"\n${commands.join("\n")}`);
    expect(onlyRow([`${byteStringOfText(directory)}/\xfe`])).toEqual([
      ...oddNames.map(([, name]) => [name, "01"]),
      ["user.\xff", "01"],
    ]);
  });

  it("of a file whose name is no text are read", (context) => {
    const directory = scratch("bytes");
    mkdirSync(directory);
    // The name ends in a newline and has what a shell or printf would take for its own.
    const odd = "\\377 $(x)%%s\\134n\\n";
    set(
      context,
      `cd '${directory}'; name=$(printf '${odd}.'); name=\${name%.}; : > "$name"
       setfattr -n user.nul -v 0x0001ff00 -- "$name"; setfattr -n user.empty -- "$name"`,
    );
    const path = `${byteStringOfText(directory)}/\xff $(x)%s\\n\n`;
    expect(onlyRow([path])).toEqual([
      ["user.empty", ""],
      ["user.nul", "0001ff00"],
    ]);
  });

  it("of a symlink whose name is no text are its own", (context) => {
    if (process.getuid?.() !== 0) context.skip("attributes of symlinks need root");
    const directory = scratch("links");
    mkdirSync(directory);
    set(
      context,
      `cd '${directory}'; : > target; setfattr -n user.of -v 0x02 target
       name=$(printf '\\376'); ln -s target "$name"; setfattr -h -n trusted.own -v 0x01 "$name"`,
    );
    expect(onlyRow([`${byteStringOfText(directory)}/\xfe`])).toEqual([["trusted.own", "01"]]);
  });

  it("of a file that is gone are refused by its name", () => {
    const path = byteStringOfText(scratch("gone"));
    for (const gone of [path, `${path}\xff`]) {
      expect(() => readXattrs([gone])).toThrow(BuildError);
      expect(() => readXattrs([gone])).toThrow(scratch("gone"));
    }
  });
});
