// SPDX-License-Identifier: MIT
// Archives as zip, bsdtar and Python make them, checked against the directories they were made of.
import { createHash } from "node:crypto";
import {
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { byteStringOfText } from "@daxfs/format";
import { beforeAll, describe, expect, it } from "vitest";
import { fsPath, joined } from "../../../src/host/path.js";
import { contentPath, FileRange } from "../../../src/model/content.js";
import { type FileWithContent, hasContent, type Inode } from "../../../src/model/inode.js";
import { scratchDirectory } from "../../support/support.js";
import {
  bash,
  contentOf,
  needs,
  type ReadEntry,
  readZip,
  withSource,
  zipOf,
} from "../../support/zip.js";

const scratch = scratchDirectory();

const TREE = String.raw`
mkdir -p "$1"; cd "$1"
mkdir -p a/b/c empty modes names
echo hello >a/file
: >a/nothing
seq 100000 >a/b/numbers
head -c 700000 /dev/urandom >a/b/c/random
head -c 300 /dev/urandom >a/b/c/small-random
for mode in 0000 0400 0777 4755 2755 1644; do echo $mode >modes/$mode; chmod $mode modes/$mode; done
mkdir modes/sticky modes/closed; chmod 1777 modes/sticky; chmod 0700 modes/closed
ln -s file a/link; ln -s /nowhere/at/all dangling; ln -s "$(printf '%4095s' '' | tr ' ' t)" longest
touch "names/caf$(printf '\xc3\xa9')" names/"$(printf 'caf\xe9')" names/"$(printf 'new\nline')" 'names/ ' 'names/*'
touch -d '2001-02-03 04:05:07 UTC' a/file
touch -d '1955-05-05 05:05:05 UTC' a/nothing
touch -h -d '2011-11-11 11:11:11 UTC' a/link
if [ "$(id -u)" = 0 ]; then chown -h 1234:4000000000 a/file a/link modes; fi
touch -d '2020-02-02 02:02:02 UTC' a
`;

interface Expected {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds, which is what all of these programs store. */
  readonly mtime: number;
  /** SHA-256 of a regular file's content. */
  readonly content: string | undefined;
  readonly target: string | undefined;
}

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

/** What a directory holds: path -> facts. The root is left out, as most programs do. */
function factsOf(root: string, directory = ""): [string, Expected][] {
  const host = directory === "" ? root : joined(root, directory);
  return readdirSync(fsPath(host), "latin1").flatMap((name) => {
    const path = joined(host, name);
    const stats = lstatSync(fsPath(path));
    const expected: Expected = {
      mode: stats.mode,
      uid: stats.uid,
      gid: stats.gid,
      mtime: Math.floor(stats.mtimeMs / 1000),
      content: stats.isFile() ? sha256(readFileSync(fsPath(path))) : undefined,
      target: stats.isSymbolicLink() ? readlinkSync(fsPath(path), "latin1") : undefined,
    };
    const inside = directory === "" ? name : `${directory}/${name}`;
    return [[inside, expected], ...(stats.isDirectory() ? factsOf(root, inside) : [])];
  });
}

function foundFacts({ inode, content }: ReadEntry): Expected {
  const regular = inode.kind === "file";
  return {
    mode: inode.mode,
    uid: inode.uid,
    gid: inode.gid,
    mtime: Number(inode.mtimeNs / 1_000_000_000n) - (inode.mtimeNs % 1_000_000_000n < 0n ? 1 : 0),
    content: regular && content !== undefined ? sha256(content) : undefined,
    target: inode.kind === "symlink" ? inode.target : undefined,
  };
}

async function expectSame(archive: string, tree: string, leftOut: string[] = []): Promise<void> {
  const found = await readZip(archive);
  found.delete("");
  const expected = factsOf(byteStringOfText(tree)).filter(([path]) => !leftOut.includes(path));
  const sorted = (rows: [string, Expected][]) => rows.sort(([a], [b]) => (a < b ? -1 : 1));
  expect(
    sorted([...found].map(([path, entry]): [string, Expected] => [path, foundFacts(entry)])),
  ).toEqual(sorted(expected));
}

describe("a tree", () => {
  let tree: string;
  beforeAll(() => {
    tree = scratch("tree");
    bash(TREE, tree);
  });

  const INFO_ZIP = {
    "in the usual way": 'zip -qry "$2" .',
    "without compression": 'zip -qry0 "$2" .',
    "with zip64 throughout": 'zip -qry -fz "$2" .',
    "with a comment": 'echo "a comment, PK and all" | zip -qryz "$2" .',
  };
  it.for(Object.entries(INFO_ZIP))("comes back from zip %s", async ([name, command], context) => {
    needs(context, "zip");
    const archive = scratch(`info ${name}.zip`);
    bash(`cd "$1"; ${command}`, tree, archive);
    await expectSame(archive, tree);
  });

  // Of symlinks zip makes no stream.
  it("comes back from zip through a pipe, with sizes behind the contents", async (context) => {
    needs(context, "zip");
    const archive = scratch("piped.zip");
    bash('cd "$1"; zip -qr - a/b a/file a/nothing empty modes names | cat >"$2"', tree, archive);
    expect(readFileSync(archive).includes(Buffer.from("PK\x07\x08", "latin1"))).toBe(true);
    await expectSame(archive, tree, ["a", "a/link", "dangling", "longest"]);
  });

  const BSDTAR = {
    "in the usual way": 'bsdtar -c --format zip -f "$2" *',
    "without compression": 'bsdtar -c --format zip --options zip:compression=store -f "$2" *',
    "through a pipe": 'bsdtar -c --format zip -f - * | cat >"$2"',
    "with a root and names that begin with a dot": 'bsdtar -c --format zip -f "$2" .',
  };
  it.for(Object.entries(BSDTAR))("comes back from bsdtar %s", async ([name, command], context) => {
    needs(context, "bsdtar");
    const archive = scratch(`bsdtar ${name}.zip`);
    bash(`cd "$1"; ${command}`, tree, archive);
    await expectSame(archive, tree);
  });

  it("comes back after zip64 through memory and Python", async (context) => {
    needs(context, "python3");
    const archive = scratch("python.zip");
    bash(
      `cd "$1"; python3 - "$2" <<'END'
import os, sys, zipfile
# Not seekable: sizes follow the contents.
class Pipe:
    def __init__(self, path): self.file = open(path, "wb")
    def write(self, data): return self.file.write(data)
    def flush(self): self.file.flush()
with zipfile.ZipFile(Pipe(sys.argv[1]), "w", zipfile.ZIP_DEFLATED) as archive:
    for path in ["a", "a/b", "a/b/numbers", "a/file"]:
        info = zipfile.ZipInfo.from_file(path)
        if os.path.isdir(path):
            archive.writestr(info, b"")
            continue
        info.compress_type = zipfile.ZIP_DEFLATED
        with archive.open(info, "w", force_zip64=True) as out: out.write(open(path, "rb").read())
END`,
      tree,
      archive,
    );
    const found = await readZip(archive);
    expect([...found.keys()]).toEqual(["a", "a/b", "a/b/numbers", "a/file"]);
    const file = found.get("a/file")!;
    expect(file.content?.toString()).toBe("hello\n");
    expect(file.inode.mode).toBe(0o100644);
    // Python stores the time of MS-DOS, local and with even seconds; the zone here is UTC.
    expect(file.inode.mtimeNs).toBe(BigInt(Date.UTC(2001, 1, 3, 4, 5, 6)) * 1_000_000n);
  });

  it("has contents in place where they are stored", async (context) => {
    needs(context, "zip");
    const stored = scratch("stored.zip");
    bash('cd "$1"; zip -qry0 "$2" a', tree, stored);
    const inPlace = [...(await readZip(stored))].flatMap(
      ([name, { inode }]): [string, FileWithContent][] =>
        hasContent(inode) ? [[name, inode]] : [],
    );
    expect(inPlace.map(([name]) => name).sort()).toEqual([
      "a/b/c/random",
      "a/b/c/small-random",
      "a/b/numbers",
      "a/file",
    ]);
    const archive = readFileSync(stored);
    for (const [name, inode] of inPlace) {
      const start = inode.content.offset;
      expect(inode.content).toBeInstanceOf(FileRange);
      const content = readFileSync(scratch(`tree/${name}`));
      expect(archive.subarray(start, start + inode.size).equals(content)).toBe(true);
      expect(contentPath(inode.content)).toMatch(/^\/proc\/self\/fd\/\d+$/);
    }
  });
});

it("takes fifos from zip", async (context) => {
  needs(context, "zip");
  const tree = scratch("fifos");
  const archive = scratch("fifos.zip");
  bash(
    'mkdir "$1"; cd "$1"; mkfifo -m 0620 pipe; : >pipe & cd "$1"; zip -q -FI "$2" pipe',
    tree,
    archive,
  );
  await expectSame(archive, tree);
});

it("takes an archive with nothing in it", async () => {
  const archive = scratch("nothing.zip");
  bash(`printf 'PK\\005\\006%018d' 0 | tr 0 '\\000' >"$1"`, archive);
  expect((await readZip(archive)).size).toBe(0);
});

it("keeps to the file that it opened, whatever becomes of its name", async () => {
  const archive = scratch("replaced.zip");
  writeFileSync(archive, zipOf([{ name: "x", content: "as it was" }]));
  await withSource(archive, {}, async (source) => {
    const inodes: Inode[] = [];
    for await (const batch of source.entries()) {
      for (const entry of batch) if (entry.kind === "inode") inodes.push(entry.inode);
    }
    writeFileSync(scratch("other.zip"), zipOf([{ name: "x", content: "something else" }]));
    renameSync(scratch("other.zip"), archive);
    expect(inodes.map((inode) => contentOf(inode)?.toString())).toEqual(["as it was"]);
  });
  expect((await readZip(archive)).get("x")?.content?.toString()).toBe("something else");
});

it("gives 100,000 entries in batches", async () => {
  const archive = scratch("crowd.zip");
  const entries = Array.from({ length: 100_000 }, (_, index) => ({
    name: `directory/entry-${index}`,
    content: index % 2 === 0 ? `content of ${index}` : "",
  }));
  writeFileSync(archive, zipOf(entries, { zip64: true }));
  const batches: number[] = [];
  await withSource(archive, {}, async (source) => {
    for await (const batch of source.entries()) batches.push(batch.length);
  });
  expect(batches.reduce((sum, length) => sum + length)).toBe(100_000);
  expect(Math.max(...batches)).toBeLessThanOrEqual(512);
});
