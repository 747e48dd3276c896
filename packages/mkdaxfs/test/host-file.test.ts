// SPDX-License-Identifier: MIT
// Opening files that may have been replaced since they were found.
import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readSync, writeFileSync } from "node:fs";
import { byteStringOfText } from "@daxfs/format";
import { describe, expect, it } from "vitest";
import { FileSequence, withFile } from "../src/host-file.js";
import { fileStream } from "../src/sources/decompress.js";
import { FileTarInput } from "../src/sources/tar/input.js";
import { ArchiveFile } from "../src/sources/zip/archive-file.js";
import { scratchDirectory } from "./support.js";

const scratch = scratchDirectory();
let made = 0;

function fifo(): string {
  const path = scratch(`fifo${made++}`);
  execFileSync("mkfifo", [path]);
  return byteStringOfText(path);
}

async function drained(stream: AsyncIterable<Uint8Array>): Promise<number> {
  let length = 0;
  for await (const chunk of stream) length += chunk.length;
  return length;
}

describe("a fifo in the place of a file", () => {
  const NOT_REGULAR = /was a regular file when it was found, and is not one now \(build again\)$/;

  it("is refused and not waited for, whoever opens it", async () => {
    const nothing = () => 0;
    expect(() => withFile(fifo(), nothing)).toThrow(NOT_REGULAR);
    expect(() => new FileSequence().with(fifo(), nothing)).toThrow(NOT_REGULAR);
    expect(() => new FileTarInput(fifo(), 0, 512)).toThrow(NOT_REGULAR);
    expect(() => new ArchiveFile(fifo(), "test.zip")).toThrow("test.zip is not a regular file");
    await expect(drained(fileStream(fifo(), 0, 512))).rejects.toThrow(NOT_REGULAR);
  });

  it("is refused where another file was open before, which is closed once", () => {
    const path = scratch("before");
    writeFileSync(path, "content");
    const files = new FileSequence();
    expect(files.with(byteStringOfText(path), (file) => readSync(file, Buffer.alloc(9)))).toBe(7);
    expect(() => files.with(fifo(), () => 0)).toThrow(NOT_REGULAR);
    // A second close would hit this one, which has the number now.
    const other = openSync(path, "r");
    files.close();
    expect(readSync(other, Buffer.alloc(9))).toBe(7);
    closeSync(other);
  });
});

describe("a directory", () => {
  it("can be opened for the names in it", () => {
    mkdirSync(scratch("directory"));
    expect(withFile(byteStringOfText(scratch("directory")), (file) => file >= 0)).toBe(true);
  });
});
