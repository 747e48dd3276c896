// SPDX-License-Identifier: MIT

import { contentPath, HoledFile } from "../model/content.js";
import { dataRuns } from "../model/data-runs.js";
import type { FileWithContent } from "../model/inode.js";

// Node has no lseek(2), whose SEEK_DATA and SEEK_HOLE tell where the holes of a file are. Perl and
// Python have it, and nearly every system has one of them: Debian can't be without Perl. Where there
// is neither, holes are read like anything else, which takes longer and gives the same image.
//
// Both programs get paths on standard input, each ended by a NUL, and print a line for each: offsets
// where data begins and ends, in turn, or "?" where nothing can be said. They open files without
// waiting, since a fifo may have taken the place of one.

const PERL = String.raw`
$/ = "\0";
while (my $path = <STDIN>) {
  chomp $path;
  my @runs = ();
  my $file;
  if (sysopen($file, $path, O_RDONLY | O_NONBLOCK) && -f $file) {
    for (my $end = 0; ; ) {
      my $start = sysseek($file, $end, 3);
      if (!$start) { @runs = ("?") unless $!{ENXIO}; last }
      $end = sysseek($file, $start, 4);
      if (!$end || @runs > 2000000) { @runs = ("?"); last }
      push @runs, $start + 0, $end + 0;
    }
  } else { @runs = ("?") }
  print "@runs\n";
}
`;

const PYTHON = String.raw`
import errno, os, stat, sys
for path in sys.stdin.buffer.read().split(b"\0")[:-1]:
    runs = []
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode): raise OSError
            end = 0
            while len(runs) < 2000000:
                start = os.lseek(file, end, os.SEEK_DATA)
                end = os.lseek(file, start, os.SEEK_HOLE)
                runs += [start, end]
            runs = ["?"]
        except OSError as error:
            if error.errno != errno.ENXIO: runs = ["?"]
        finally:
            os.close(file)
    except OSError:
        runs = ["?"]
    print(*runs)
`;

/** Programs that can tell, in the order in which they are tried. */
const HELPERS: readonly (readonly [program: string, ...args: readonly string[]])[] = [
  ["perl", "-e", `use Errno; use Fcntl; ${PERL}`],
  ["python3", "-I", "-S", "-c", PYTHON],
];

/** Bytes that a helper may print; more would mean that it never ends. */
const OUTPUT_MAX = 256 * 1024 * 1024;

/**
 * Finds the holes of files, so that these are not read. Files whose holes can't be found
 * stay as they are.
 * @param files regular files
 * @throws the reason of the signal when it is aborted
 */
export async function findHoles(
  files: readonly Pick<FileWithContent, "content" | "size">[],
  signal: AbortSignal,
): Promise<void> {
  const holed: { readonly content: HoledFile; readonly size: number }[] = [];
  for (const { content, size } of files) {
    if (content instanceof HoledFile) holed.push({ content, size });
  }
  if (holed.length === 0) return;
  const paths = Buffer.from(
    holed.map(({ content }) => `${contentPath(content)}\0`).join(""),
    "latin1",
  );
  for (const helper of HELPERS) {
    const output = await outputOf(helper, paths, signal);
    signal.throwIfAborted();
    const lines = output?.split("\n") ?? [];
    if (lines.length !== holed.length + 1) continue;
    for (const [index, { content, size }] of holed.entries()) {
      const runs = runsOf(lines[index]!, size);
      if (runs !== undefined) content.data = dataRuns(runs, size);
    }
    return;
  }
}

/** Offset and length of each run that a line tells of; undefined where it tells nothing. */
function runsOf(line: string, size: number): number[] | undefined {
  if (!/^(\d+( \d+)*)?$/.test(line)) return undefined;
  const numbers = line === "" ? [] : line.split(" ").map(Number);
  const pairs: number[] = [];
  for (let i = 0, end = 0; i < numbers.length; i += 2) {
    const start = numbers[i]!;
    const next = numbers[i + 1] ?? -1;
    // Of a file that has grown since, the size is noticed when it is copied.
    if (start < end || next <= start || next > size) return undefined;
    pairs.push(start, next - start);
    end = next;
  }
  return pairs;
}

/** What a helper prints; undefined where it is not there or fails. */
async function outputOf(
  [program, ...args]: (typeof HELPERS)[number],
  input: Buffer,
  signal: AbortSignal,
): Promise<string | undefined> {
  // Loaded where it is used: it takes some milliseconds.
  const { spawn } = await import("node:child_process");
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const child = spawn(program, args, {
      stdio: ["pipe", "pipe", "ignore"],
      // Neither options nor modules that the user has set for programs of their own.
      env: { PATH: process.env.PATH, LC_ALL: "C" },
      signal,
    });
    child.on("error", () => resolve(undefined));
    child.on("close", (code) =>
      resolve(code === 0 ? Buffer.concat(chunks).toString("latin1") : undefined),
    );
    child.stdout.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length > OUTPUT_MAX) child.kill();
      else chunks.push(chunk);
    });
    // A helper that fails does not read all.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}
