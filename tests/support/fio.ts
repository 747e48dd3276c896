// SPDX-License-Identifier: MIT
/** Verify jobs of fio: it writes files on the host, then reads and verifies them in a guest. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";

const KIB = 1024;
const MIB = 1024 * KIB;

/** A file that fio writes. Every block of `interval` bytes begins with a header and its checksum. */
interface VerifyFile {
  size: number;
  verify: string;
  interval: number;
}

const FILES = {
  crc32c: { size: 8 * MIB, verify: "crc32c", interval: 4 * KIB },
  sectors: { size: 2 * MIB, verify: "crc32c", interval: 512 },
  sha256: { size: 2 * MIB, verify: "sha256", interval: 64 * KIB },
  xxhash: { size: 6 * MIB, verify: "xxhash", interval: 4 * KIB },
} satisfies Record<string, VerifyFile>;

/** One job of fio. */
export interface FioJob {
  name: string;
  file: keyof typeof FILES;
  /** Parameters of fio, in addition to those of the file. */
  parameters: Readonly<Record<string, string | number>>;
}

const asynchronous = { iodepth: 16 };

/** The jobs of a wave run in parallel. Together they cover all ways that fio reads a plain file. */
export const FIO_WAVES: readonly (readonly FioJob[])[] = [
  [
    { name: "psync, 4k", file: "crc32c", parameters: { ioengine: "psync", rw: "read", bs: "4k" } },
    {
      name: "psync, random 512",
      file: "sectors",
      parameters: { ioengine: "psync", rw: "randread", bs: 512 },
    },
    {
      name: "mmap, random 4k",
      file: "crc32c",
      parameters: { ioengine: "mmap", rw: "randread", bs: "4k" },
    },
    { name: "mmap, 2m", file: "xxhash", parameters: { ioengine: "mmap", rw: "read", bs: "2m" } },
  ],
  [
    {
      name: "pvsync2, random 64k",
      file: "sha256",
      parameters: { ioengine: "pvsync2", rw: "randread", bs: "64k" },
    },
    {
      name: "pvsync2, 2m",
      file: "xxhash",
      parameters: { ioengine: "pvsync2", rw: "read", bs: "2m" },
    },
    {
      name: "libaio, random 4k to 256k",
      file: "crc32c",
      parameters: { ioengine: "libaio", rw: "randread", bsrange: "4k-256k", ...asynchronous },
    },
    {
      name: "io_uring, random 4k",
      file: "crc32c",
      parameters: { ioengine: "io_uring", rw: "randread", bs: "4k", ...asynchronous },
    },
  ],
  [
    {
      name: "io_uring, registered buffers and files, 128k",
      file: "crc32c",
      parameters: {
        ioengine: "io_uring",
        rw: "read",
        bs: "128k",
        fixedbufs: 1,
        registerfiles: 1,
        ...asynchronous,
      },
    },
    {
      name: "splice, 64k",
      file: "crc32c",
      parameters: { ioengine: "splice", rw: "read", bs: "64k" },
    },
    {
      name: "posixaio, random 16k",
      file: "xxhash",
      parameters: { ioengine: "posixaio", rw: "randread", bs: "16k", ...asynchronous },
    },
    {
      name: "four at once, psync and random 8k",
      file: "crc32c",
      parameters: { ioengine: "psync", rw: "randread", bs: "8k", numjobs: 4 },
    },
  ],
];

/** Jobs with O_DIRECT, for a filesystem that supports it. */
export const FIO_DIRECT_WAVES: readonly (readonly FioJob[])[] = [
  (
    [
      ["psync", "sectors", 512],
      ["libaio", "crc32c", "64k"],
      ["io_uring", "crc32c", "4k"],
    ] as const
  ).map(([ioengine, file, bs]) => ({
    name: `${ioengine}, direct, random ${bs}`,
    file,
    parameters: { ioengine, rw: "randread", bs, direct: 1, ...asynchronous },
  })),
];

/** All engines on one file, which has a wrong byte. */
export const FIO_CONTROL: readonly (readonly FioJob[])[] = [
  ["psync", "pvsync2", "mmap", "splice", "posixaio", "libaio", "io_uring"].map((ioengine) => ({
    name: ioengine,
    file: "crc32c",
    parameters: { ioengine, rw: "read", bs: "64k" },
  })),
];

/** Writes the files of the jobs to a directory on the host. */
export async function layOutFioFiles(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const [name, file] of Object.entries(FILES)) {
    const parameters = {
      ...verifyParameters(file),
      filename: join(directory, name),
      rw: "write",
      bs: "256k",
      do_verify: 0,
      verify_state_save: 0,
      randseed: 1,
    };
    const words = Object.entries(parameters).map(([key, value]) => `--${key}=${value}`);
    await execa("fio", ["--name=layout", "--thread", ...words], { cwd: directory });
  }
}

/** A job file for the files in `directory`. The jobs of a wave run in parallel. */
export function fioJobFile(waves: readonly (readonly FioJob[])[], directory: string): string {
  const section = (name: string, parameters: Readonly<Record<string, string | number>>) =>
    [`[${name}]`, ...Object.entries(parameters).map(([key, value]) => `${key}=${value}`), ""].join(
      "\n",
    );
  // Without verify_fatal, a sequential job continues after an error and reports none at its end.
  const global = { directory, thread: 1, verify_fatal: 1, verify_state_save: 0, randseed: 1 };
  const jobs = waves.flatMap((wave) =>
    wave.map(({ name, file, parameters }, index) => {
      const own = { filename: file, ...verifyParameters(FILES[file]), ...parameters };
      return `${section(name, own)}${index === 0 ? "stonewall\n" : ""}`;
    }),
  );
  return `${section("global", global)}${jobs.join("")}`;
}

function verifyParameters({ size, verify, interval }: VerifyFile): Record<string, string | number> {
  return { size, verify, verify_interval: interval };
}

/** The outcome of a job. With numjobs, the error is that of the first thread that failed. */
export interface FioOutcome {
  name: string;
  /** An errno, or 0. A wrong checksum gives EILSEQ (84). */
  error: number;
  /** Bytes read by all threads of the job. */
  bytes: number;
}

/**
 * Parses the JSON of fio, which follows its error messages. Throws if there is none, because fio did
 * not complete.
 */
export function parseFio(output: string): FioOutcome[] {
  const { jobs } = JSON.parse(output.slice(output.search(/^\{$/m))) as {
    jobs: { jobname: string; error: number; read: { io_bytes: number } }[];
  };
  const outcomes = new Map<string, FioOutcome>();
  for (const { jobname, error, read } of jobs) {
    const before = outcomes.get(jobname);
    outcomes.set(jobname, {
      name: jobname,
      error: before?.error || error,
      bytes: (before?.bytes ?? 0) + read.io_bytes,
    });
  }
  return [...outcomes.values()];
}

/** The outcomes if every job reads its whole file without an error. */
export function successfulFio(waves: readonly (readonly FioJob[])[]): FioOutcome[] {
  return waves.flat().map(({ name, file, parameters }) => ({
    name,
    error: 0,
    bytes: FILES[file].size * Number(parameters.numjobs ?? 1),
  }));
}
