// SPDX-License-Identifier: MIT
/**
 * The stressors of stress-ng that put a read-only filesystem to work. It runs from the mount, so that
 * its own text, data and libraries, 25 MB of them, are mappings of the filesystem.
 *
 * Left out are those that can't meet it:
 * - what makes the file or directory that it works on, and takes no other. On a read-only filesystem
 *   they end at once: access aio aiol chattr chmod chown chdir chroot close copy-file dentry dir
 *   dirdeep dirmany dup fallocate fcntl fiemap file-ioctl filename flock fpunch fsize hdd inode-flags
 *   io-uring iomix lease link locka lockf lockofd madvise mincore mknod mmapaddr msync open readahead
 *   rename revio rmap seek sendfile stackmmap symlink sync-file tlb-shootdown touch utime verity xattr.
 *   fio and helpers/ do to files that exist what these do to their own;
 * - mmap, mmapfork, mmapmany, mremap, mprotect, remap, prefetch, vm, vm-rw, memfd and their like:
 *   their memory is anonymous, and they meet the filesystem no more than any program does;
 * - splice, vm-splice, tee and full: between /dev/zero, /dev/null and pipes; handle: of /dev/zero;
 * - bind-mount and mlockmany: of the class that stress-ng itself holds to be able to hang a machine;
 * - opcode: it runs random instructions, and QEMU's emulation lets one of them, a far return it seems,
 *   read the user's stack with the kernel's rights, which ends in a panic, whatever the filesystem;
 * - uprobe: the kernel puts probes into files with a page cache only, here as on ext4 in DAX mode.
 */

/** A stressor: its name, what it is told, and what of the filesystem it puts to work. */
export interface Stressor {
  name: string;
  /** It ends after so many bogo operations: the same work on a fast machine and a slow one. */
  operations: number;
  options?: readonly string[];
  /** Runs as an ordinary user: as root it refuses to. */
  asUser?: boolean;
  purpose: string;
}

const STRESSORS: readonly Stressor[] = [
  {
    name: "dynlib",
    operations: 100,
    purpose: "dlopen and dlclose of libraries: private mappings come and go",
  },
  {
    name: "exec",
    operations: 64,
    options: ["--exec-max", "16"],
    asUser: true,
    purpose: "execve and execveat of itself, from processes and threads",
  },
  { name: "fault", operations: 500, purpose: "faults of a file on tmpfs, by text in the mount" },
  {
    name: "fork",
    operations: 20,
    options: ["--fork-vm"],
    purpose: "fork; the child advises all its mappings, text as well: MERGEABLE, PAGEOUT, COLD",
  },
  {
    name: "fstat",
    operations: 200,
    options: ["--fstat-dir", "/usr/lib/x86_64-linux-gnu"],
    purpose: "stat, lstat, fstat and statx of a directory's files, from threads",
  },
  { name: "getdent", operations: 2000, purpose: "getdents and getdents64 down from the root" },
  {
    name: "icache",
    operations: 20,
    purpose: "makes a page of its text writable, writes and runs it: copies on write",
  },
  { name: "mlock", operations: 5, purpose: "mlockall and munlockall of everything, with ONFAULT" },
  { name: "munmap", operations: 5000, purpose: "unmaps the pages of libraries in strides" },
  {
    name: "spawn",
    operations: 20,
    asUser: true,
    purpose: "posix_spawn of itself",
  },
  { name: "vm-segv", operations: 60, purpose: "unmaps its own address space, text as well" },
];

/** The stressors that run as root, or those that run as a user. */
export function stressorsOf(asUser: boolean): Stressor[] {
  return STRESSORS.filter((stressor) => (stressor.asUser ?? false) === asUser);
}

/** Far more than it takes. */
const TIMEOUT_SECONDS = 300;

/** A command that runs all stressors of root, or of a user, at once, and leaves its metrics in `yaml`. */
export function stressCommand(asUser: boolean, yaml: string): string {
  const words = stressorsOf(asUser).flatMap(({ name, operations, options = [] }) => [
    ...[`--${name}`, "1", `--${name}-ops`, operations],
    ...options,
  ]);
  return [
    "stress-ng --temp-path /tmp --verify --metrics",
    `--timeout ${TIMEOUT_SECONDS} --yaml ${yaml}`,
    ...words,
  ].join(" ");
}

/** Bogo operations by stressor, from what stress-ng wrote with --yaml. */
export function parseStressMetrics(yaml: string): Map<string, number> {
  const found = yaml.matchAll(/- stressor: (\S+)\n\s+bogo-ops: (\d+)\n/g);
  return new Map([...found].map(([, name = "", operations]) => [name, Number(operations)]));
}
