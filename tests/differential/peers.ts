// SPDX-License-Identifier: MIT
// Real programs that read the same archives. They run as root in a mount namespace of their own, in
// which all but the scratch directory is read-only, and devices can't be opened: no archive leads them
// astray.
import { type ChildProcessByStdio, spawn, spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import type { Facts, Tree } from "./facts.js";

/** What a peer made of an archive. */
export interface PeerAnswer {
  /** Undefined where it refused the archive. */
  readonly tree?: Tree;
  readonly refused?: string;
  readonly said?: string;
}

export type PeerAnswers = ReadonlyMap<string, PeerAnswer>;

type Row = [
  type: number,
  mode: number | null,
  uid: number | null,
  gid: number | null,
  mtime: string | null,
  size: number | null,
  content: string | null,
  target: string | null,
  device: string | null,
  identity: number | null,
  xattrs: Record<string, string> | null,
];

interface RawAnswer {
  readonly peers: Readonly<
    Record<
      string,
      { readonly tree?: Readonly<Record<string, Row>>; refused?: string; said?: string }
    >
  >;
}

/** Sets an attribute of users in a directory: filesystems in memory have these since Linux 6.6. */
const PROBE = `import os, sys, tempfile
with tempfile.NamedTemporaryFile(dir=sys.argv[1]) as file:
    os.setxattr(file.name, "user.probe", b"")
`;

/** Where scratch directories may be made: memory if it serves, since very many files come and go. */
export function scratchBase(): string {
  const memory = "/dev/shm";
  const serves = spawnSync("python3", ["-c", PROBE, memory], { stdio: "ignore" }).status === 0;
  return serves ? memory : tmpdir();
}

const ISOLATION = `set -e
mount --bind "$1" "$1"
mount -o remount,bind,nodev,nosuid "$1"
mount -o remount,bind,ro /
exec python3 -B "$2" "$1"`;

/** A process that extracts archives with all peers, one after the other. */
export class Peers {
  private readonly process: ChildProcessByStdio<Writable, Readable, null>;
  private readonly waiting: { resolve(line: string): void; reject(error: Error): void }[] = [];
  private failure: Error | undefined;

  /** @param scratch an empty directory; it may be gone only after `close` */
  constructor(directory: string, scratch: string) {
    const words = ["--mount", "--propagation", "private", "sh", "-c", ISOLATION, "sh", scratch];
    this.process = spawn("unshare", [...words, join(directory, "peers", "serve.py")], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    createInterface({ input: this.process.stdout }).on("line", (line) => {
      this.waiting.shift()?.resolve(line);
    });
    const fail = (reason: string) => {
      this.failure ??= new Error(`the peers can't be asked: ${reason}`);
      for (const { reject } of this.waiting.splice(0)) reject(this.failure);
    };
    this.process.on("error", ({ message }) => fail(message));
    this.process.on("close", (status) => fail(`their process ended with ${status}`));
    this.process.stdin.on("error", ({ message }) => fail(message));
  }

  /** @param archive path of the archive, or of a layout's directory */
  async ask(kind: string, archive: string): Promise<PeerAnswers> {
    if (this.failure !== undefined) throw this.failure;
    const line = await new Promise<string>((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.process.stdin.write(`${JSON.stringify({ kind, archive })}\n`);
    });
    const { peers } = JSON.parse(line) as RawAnswer;
    return new Map(
      Object.entries(peers).map(([name, { tree, refused, said }]) => [
        name,
        {
          ...(tree && { tree: treeOf(tree) }),
          ...(refused !== undefined && { refused }),
          ...(said && { said }),
        },
      ]),
    );
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.process.once("close", resolve));
    this.process.stdin.end();
    if (this.process.exitCode === null && this.failure === undefined) await closed;
  }
}

function treeOf(rows: Readonly<Record<string, Row>>): Tree {
  const names = new Map<number, string[]>();
  for (const [path, row] of Object.entries(rows)) {
    const identity = row[9];
    if (identity !== null) names.set(identity, [...(names.get(identity) ?? []), path]);
  }
  return new Map(Object.entries(rows).map(([path, row]) => [path, factsOf(row, names)]));
}

function factsOf(row: Row, names: ReadonlyMap<number, readonly string[]>): Facts {
  const [type, mode, uid, gid, mtime, size, content, target, device, identity, xattrs] = row;
  const group = identity === null ? undefined : [...names.get(identity)!].sort();
  const octal = (number: number) => `0${number.toString(8)}`;
  const all: Record<string, string | number | null | undefined> = {
    type: octal(type),
    mode: mode === null ? undefined : octal(mode),
    ...{ uid, gid, mtime, size, content, target, device },
    names: group && JSON.stringify(group),
    xattrs: xattrs === null ? undefined : xattrText(xattrs),
  };
  const known = Object.entries(all).filter(([, value]) => value !== null && value !== undefined);
  return new Map(known.map(([field, value]) => [field, String(value)] as const));
}

/** Attributes as one text, in the order of their names. */
export function xattrText(xattrs: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(xattrs).sort(([a], [b]) => (a < b ? -1 : 1)));
}
