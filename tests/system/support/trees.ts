// SPDX-License-Identifier: MIT
// Directories to build from, made by the shell so that nothing of ours has a part in them.
import { closeSync, ftruncateSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { bash } from "./builder.js";
import { IS_ROOT } from "./workspace.js";

/**
 * Every kind of file, name, owner, time and attribute, but nothing large. What only root can make
 * is there when root makes it.
 */
const SMALL_TREE = `
root=$2
cd "$1"
long=$(printf 'n%.0s' {1..255})
target=$(printf 't%.0s' {1..4095})

mkdir -p plain/deep/er empty modes links devices attributes names "names/$(printf '\\377\\376')"
printf 'x' > plain/1
for size in 4095 4096 4097; do printf '%*d' "$size" "$size" > "plain/$size"; done
: > plain/empty
for name in one two three; do printf 'equal contents' > "plain/deep/$name"; done
cp plain/4097 plain/deep/er/copy
# As large and with the same first page, yet not the same.
{ cat plain/4096; printf a; } > plain/almost-a
{ cat plain/4096; printf b; } > plain/almost-b
head -c 8192 /dev/zero > plain/zeros

for mode in 0000 0644 0777 1777 2755 4755 6711 7777; do
  printf "$mode" > "modes/file-$mode"
  mkdir "modes/directory-$mode"
done

ln -s nowhere links/dangling
ln -s /absolute/path links/absolute
ln -s ../plain/1 links/relative
ln -s "$target" links/long
ln -s . links/self
ln links/dangling links/dangling-again
ln links/dangling dangling-elsewhere
ln plain/1 links/hard
ln plain/1 names/hard
ln plain/deep/two links/equal-but-linked
ln -s ../plain/1 links/equal-target

mkfifo devices/fifo
ln devices/fifo devices/fifo-again
node -e 'require("node:net").createServer().listen(process.argv[1], () => process.exit())' \\
  devices/socket.tmp
[ -S devices/socket.tmp ] && mv devices/socket.tmp devices/socket

odd=$(printf '\\200\\201')
for name in 'with space' 'with"quote' "with'quote" 'back\\slash' $'new\\nline' $'tab\\t' '-dash' \\
  '*' '$HOME' 'a=b' '#hash' 'é' '日本' "$long" "\${long:1}$(printf '\\376')" "file-$odd" \\
  $'\\xff\\n' '...' $'\\x01\\x7f' $'\\xc3' '[' '~'; do
  printf '%s' "$name" > "names/$name"
done
ln "names/file-$odd" "names/$(printf '\\377\\376')/link-$odd"
mkdir "names/directory-$odd" "names/é dir"
printf 'inside' > "names/directory-$odd/inside"
printf 'inside' > "names/é dir/inside-$odd"
ln -s "target-$odd" "names/symlink-$odd"

attribute() { setfattr -h -n "$1" -v "$2" -- "$3"; }
printf 'content' > attributes/file
attribute user.nul 0x00ff0000 attributes/file
attribute user.text '"text"' attributes/file
attribute 'user.odd = "name"' 0x01 attributes/file
attribute user.é 0x02 attributes/file
setfattr -n user.empty attributes/file
attribute user.large "0x$(printf '%.0s00ff' {1..1500})" attributes/file
for name in one two; do
  printf '%s' "$name" > "attributes/shared-$name"
  attribute user.same 0x00 "attributes/shared-$name"
done
: > attributes/linked
attribute user.linked 0x03 attributes/linked
ln attributes/linked attributes/linked-again
attribute user.directory 0x0a attributes
attribute user.root 0x00 .
attribute user.file 0x01 "names/file-$odd"
attribute 'user.odd = "name"' 0x02 "names/file-$odd"
setfattr -n user.empty -- "names/file-$odd"
attribute user.directory 0x03 "names/directory-$odd"
attribute user.inside 0x04 "names/directory-$odd/inside"
attribute user.newline 0x05 "names/"$'\\xff\\n'
printf 'acl' > attributes/acl
setfacl -m u:1234:rwx,g:4321:r-x,m::rwx attributes/acl
mkdir attributes/acl-directory
setfacl -m d:u:1234:rwx,d:g:4321:---,u:99:x attributes/acl-directory

if [ "$root" = 1 ]; then
  mknod devices/null c 1 3
  mknod devices/large-minor c 4095 1048575
  mknod devices/disk b 259 123456
  mknod devices/zero b 0 0
  for name in symlink-file dangling; do ln -s ../plain/1 "attributes/$name"; done
  attribute trusted.symlink 0x00000001 attributes/symlink-file
  attribute trusted.symlink 0x00000002 attributes/dangling
  attribute trusted.symlink 0x00ff "names/symlink-$odd"
  attribute trusted.fifo 0x0000 devices/fifo
  attribute trusted.device 0x0001 devices/null
  attribute trusted.overlay.opaque '"y"' attributes/acl-directory
  attribute user.hidden 0x07 modes/file-0000
  printf '#!' > attributes/capable
  chown -h 12:34 plain/1 plain links/absolute devices/fifo "names/$long"
  chown 4294967294:4294967293 plain/4095
  chown -h 65536:70000 links/relative "names/symlink-$odd"
  setcap cap_net_raw,cap_sys_admin+ep attributes/capable
  cp plain/1 "names/capable-$odd"
  setcap cap_net_bind_service=+eip "names/capable-$odd"
fi
for mode in 0000 0644 0777 1777 2755 4755 6711 7777; do
  chmod "$mode" "modes/file-$mode" "modes/directory-$mode"
done
[ "$root" = 1 ] || chmod 0400 modes/file-0000
[ "$root" = 1 ] || chmod 0500 modes/directory-0000
chmod 1751 .
`;

/** Times that depend on the path alone, to the nanosecond, and a few that are hard. */
const TIMES = `
cd "$1"
find . -depth -print0 | while IFS= read -r -d '' path; do
  sum=$(printf '%s' "$path" | cksum); sum=\${sum%% *}
  printf '@%d.%09d\\0%s\\0' "$((1000000000 + sum % 700000000))" "$((sum % 1000000000))" "$path"
done | while IFS= read -r -d '' time && IFS= read -r -d '' path; do
  touch -h -d "$time" -- "$path"
done
touch -d '1950-01-01T00:00:00.5Z' plain/4095
touch -d '1969-12-31T23:59:59.999999999Z' plain/4096
touch -d '1970-01-01T00:00:00Z' plain/4097
touch -d '2038-01-19T03:14:08.000000001Z' plain/1
touch -h -d '1960-02-29T12:00:00.25Z' links/dangling
touch -d '1955-05-05T05:05:05.123456789Z' empty
`;

/** Sets times of a tree that {@link makeSmallTree} made, after something else was done to it. */
export async function settleTimes(directory: string): Promise<void> {
  await bash(TIMES, directory);
}

/** Makes the tree with everything small in an empty directory. */
export async function makeSmallTree(directory: string): Promise<void> {
  await bash(SMALL_TREE, directory, IS_ROOT ? "1" : "0");
  await settleTimes(directory);
}

const GIB = 2 ** 30;

/** A sparse file with data at some offsets. */
export function makeSparseFile(
  path: string,
  size: number,
  data: Readonly<Record<number, string | Uint8Array>>,
): void {
  const descriptor = openSync(path, "w");
  try {
    ftruncateSync(descriptor, size);
    for (const [offset, bytes] of Object.entries(data)) {
      const buffer = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
      writeSync(descriptor, buffer, 0, buffer.length, Number(offset));
    }
  } finally {
    closeSync(descriptor);
  }
}

/**
 * A tree that takes a build a second or more, and an image of it next to no room: zeros that are
 * written, as known holes would not be read.
 */
export function makeSlowTree(directory: string, files: number): string {
  mkdirSync(directory, { recursive: true });
  const zeros = Buffer.alloc(GIB / 2);
  for (let index = 0; index < files; index++) {
    zeros.write(`number ${index}`);
    writeFileSync(join(directory, `file-${index}`), zeros);
  }
  return directory;
}

/** Many files with little in them, all in one directory. */
export function makeCrowd(directory: string, count: number): void {
  mkdirSync(directory, { recursive: true });
  for (let index = 0; index < count; index++) {
    writeFileSync(join(directory, crowdName(index)), `content of ${index}`);
  }
}

/** Names of a crowd, which don't come in the order of their numbers. */
export const crowdName = (index: number) => `${(index * 7919) % 100_003}-of-the-crowd`;

/** Bytes that don't repeat at any distance that matters, the same for the same seed. */
export function patternBytes(length: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let state = seed | 1;
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}
