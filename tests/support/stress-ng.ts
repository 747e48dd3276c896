// SPDX-License-Identifier: MIT
/**
 * The stressors of stress-ng that exercise a read-only filesystem. stress-ng runs from the mount, so
 * that its own text, data and libraries, 25 MB of them, are mappings of the filesystem.
 *
 * Not used are:
 * - stressors that always create the file or directory that they work on. On a read-only filesystem
 *   they end at once: access aio aiol chattr chmod chown chdir chroot close copy-file dentry dir
 *   dirdeep dirmany dup fallocate fcntl fiemap file-ioctl filename flock fpunch fsize hdd inode-flags
 *   io-uring iomix lease link locka lockf lockofd madvise mincore mknod mmapaddr msync open readahead
 *   rename revio rmap seek sendfile stackmmap symlink sync-file tlb-shootdown touch utime verity xattr.
 *   fio and helpers/ do the same to existing files;
 * - mmap, mmapfork, mmapmany, mremap, mprotect, remap, prefetch, vm, vm-rw, memfd and their like:
 *   their memory is anonymous, so they use the filesystem no more than any program does;
 * - splice, vm-splice, tee and full, which use /dev/zero, /dev/null and pipes; handle, which uses
 *   /dev/zero;
 * - bind-mount and mlockmany: stress-ng classifies them as able to hang a machine;
 * - opcode: it runs random instructions. In QEMU's emulation one of them, apparently a far return,
 *   reads the stack of the user with the rights of the kernel, which panics on any filesystem;
 * - uprobe: the kernel supports probes only in files with a page cache, as on ext4 in DAX mode.
 */

/** A stressor: its name, its options, and what it exercises in the filesystem. */
export interface Stressor {
  name: string;
  /** Number of bogo operations, so that the work does not depend on the speed of the machine. */
  operations: number;
  options?: readonly string[];
  /** Whether it must run as an ordinary user, because it refuses to run as root. */
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

/** Far more than the stressors need. */
const TIMEOUT_SECONDS = 300;

/** A command that runs the stressors of root or of a user in parallel and writes metrics to `yaml`. */
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

/** Bogo operations by stressor, from the --yaml output of stress-ng. */
export function parseStressMetrics(yaml: string): Map<string, number> {
  const found = yaml.matchAll(/- stressor: (\S+)\n\s+bogo-ops: (\d+)\n/g);
  return new Map([...found].map(([, name = "", operations]) => [name, Number(operations)]));
}
