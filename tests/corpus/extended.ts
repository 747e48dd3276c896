// SPDX-License-Identifier: MIT
/** Makes the source directory of the extended base image. Needs root. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  type PathLike,
  readdirSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { LATIN1_NAME, LONG_TARGET, patternBytes } from "./trees.js";

const SIZES = [0, 1, 4095, 4096, 4097, 70000];

/** 2 MiB + 1 byte, all zero except the last byte. */
function largeContent(): Uint8Array {
  const bytes = new Uint8Array(2 * 1024 * 1024 + 1);
  bytes[bytes.length - 1] = 0x7a;
  return bytes;
}

function file(root: string, path: string, content: Uint8Array, mode = 0o644): void {
  writeFileSync(join(root, path), content);
  chmodSync(join(root, path), mode);
}

/** Node can't make a socket file, so this renames that of a server before the server unlinks it. */
async function socket(path: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(`${path}.new`, resolve));
  renameSync(`${path}.new`, path);
  await new Promise((resolve) => server.close(resolve));
  chmodSync(path, 0o700);
}

function run(program: string, ...parameters: string[]): void {
  execFileSync(program, parameters, { stdio: ["ignore", "ignore", "inherit"] });
}

function plainFiles(root: string): void {
  mkdirSync(join(root, "files"));
  for (const size of SIZES) {
    for (let i = 0; i < 6; i++) {
      const name = `${String.fromCharCode(97 + i)}-${size}`;
      // Two of each size are equal, so mkdaxfs stores them once.
      file(root, `files/${name}`, patternBytes(i < 2 ? "equal" : name, size));
    }
  }
  file(root, "large", largeContent(), 0o600);
  mkdirSync(join(root, "many"));
  for (let i = 0; i < 200; i++) {
    const name = `entry-${String(i).padStart(3, "0")}`;
    file(root, `many/${name}`, patternBytes("many", i % 4));
  }
  mkdirSync(join(root, "nested/a/b/c"), { recursive: true });
  file(root, "nested/a/b/c/leaf", patternBytes("leaf", 20));
  file(root, "nested/a/b/other", patternBytes("other", 5000));
  mkdirSync(join(root, "nested/empty"));
  mkdirSync(join(root, "pair"));
  file(root, "pair/one", patternBytes("one", 3));
  file(root, "pair/two", patternBytes("two", 4));
  mkdirSync(join(root, "names"));
  const latin1 = Buffer.concat([
    Buffer.from(join(root, "names/")),
    Buffer.from(LATIN1_NAME, "latin1"),
  ]);
  writeFileSync(latin1, patternBytes("latin1", 12));
  file(root, `names/${"n".repeat(255)}`, patternBytes("long", 7));
  file(root, "names/with space\n", patternBytes("space", 8));
}

function links(root: string): void {
  mkdirSync(join(root, "links"));
  file(root, "links/first", patternBytes("linked", 6000), 0o640);
  chownSync(join(root, "links/first"), 0, 1000);
  linkSync(join(root, "links/first"), join(root, "links/second"));
  linkSync(join(root, "links/first"), join(root, "links/third"));
  symlinkSync("first", join(root, "links/symlink"));
  linkSync(join(root, "links/symlink"), join(root, "links/symlink-again"));
  mkdirSync(join(root, "symlinks"));
  symlinkSync("../files/b-4097", join(root, "symlinks/good"));
  symlinkSync("no/such/target", join(root, "symlinks/dangling"));
  symlinkSync(LONG_TARGET, join(root, "symlinks/long"));
  symlinkSync("zz-last-target", join(root, "symlinks/zz"));
}

async function specials(root: string): Promise<void> {
  mkdirSync(join(root, "devices"));
  run("mknod", "-m", "666", join(root, "devices/null"), "c", "1", "3");
  run("mknod", "-m", "660", join(root, "devices/disk"), "b", "259", "70000");
  run("mknod", "-m", "620", join(root, "devices/fifo"), "p");
  await socket(join(root, "devices/socket"));
}

function xattrs(root: string): void {
  mkdirSync(join(root, "xattrs"));
  const at = (name: string) => join(root, "xattrs", name);
  for (const name of ["acl", "capability", "plain", "shared-1", "shared-2", "trusted"]) {
    file(root, `xattrs/${name}`, patternBytes(name, 9), 0o755);
  }
  mkdirSync(at("directory"));
  run("setfattr", "-n", "user.one", "-v", "first value", at("plain"));
  run("setfattr", "-n", "user.two", "-v", "second", at("plain"));
  for (const name of ["shared-1", "shared-2"]) {
    run("setfattr", "-n", "user.shared", "-v", "x".repeat(100), at(name));
  }
  run("setfattr", "-n", "trusted.only", "-v", "root", at("trusted"));
  run("setcap", "cap_net_raw+ep", at("capability"));
  run("setfacl", "-m", "u:1000:rwx,g:1000:r", at("acl"));
  run("setfacl", "-d", "-m", "u:1000:rx", at("directory"));
  linkSync(at("plain"), at("plain-again"));
}

/** All paths of a tree, parents before children, as bytes because one name is not UTF-8. */
function listTree(path: Buffer): Buffer[] {
  const paths = [path];
  for (const entry of readdirSync(path, { withFileTypes: true, encoding: "buffer" })) {
    const child = Buffer.concat([path, Buffer.from("/"), entry.name as unknown as Uint8Array]);
    if (entry.isDirectory()) paths.push(...listTree(child));
    else paths.push(child);
  }
  return paths;
}

/** Sets mtimes of all kinds that the format has. They depend only on the order of the names. */
function times(root: string): void {
  const stamps = ["@1700000000.123456789", "@0", "@-86400.5", "@4102444800.999999999"];
  const groups: Buffer[][] = stamps.map(() => []);
  const paths = listTree(Buffer.from(root)).sort(Buffer.compare).reverse();
  for (const [index, path] of paths.entries()) groups[index % stamps.length]!.push(path);
  stamps.forEach((stamp, index) => {
    // Names go through stdin, because Node encodes arguments as UTF-8.
    const input = Buffer.concat(groups[index]!.flatMap((path) => [path, Buffer.from([0])]));
    execFileSync("xargs", ["-0", "touch", "-h", "-d", stamp], { input });
  });
}

/** Fills an empty directory with the tree of the extended base image. */
export async function makeExtendedTree(root: string): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error("making devices and owners needs root");
  process.umask(0o022);
  plainFiles(root);
  links(root);
  await specials(root);
  xattrs(root);
  const owned: [PathLike, number, number][] = [
    [join(root, "files/c-4095"), 1000, 1000],
    [join(root, "files/d-1"), 4294967294, 65534],
    [join(root, "nested/a"), 1, 2],
  ];
  for (const [path, uid, gid] of owned) chownSync(path, uid, gid);
  chmodSync(join(root, "files/e-1"), 0o4711);
  chmodSync(join(root, "nested/empty"), 0o1777);
  times(root);
}
