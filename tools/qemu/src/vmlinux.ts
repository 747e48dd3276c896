// SPDX-License-Identifier: MIT
import { readFile } from "node:fs/promises";
import { execa } from "execa";
import { findProgram } from "./programs.js";

/**
 * Offsets in the header of a bzImage, and the oldest version of it that has them all
 * (https://docs.kernel.org/arch/x86/boot.html).
 */
const SETUP_SECTORS = 0x1f1;
const MAGIC = 0x202;
const VERSION = 0x206;
const PAYLOAD_OFFSET = 0x248;
const PAYLOAD_LENGTH = 0x24c;
const OLDEST_VERSION = 0x0208;

const SECTOR = 512;
/** Behind what is compressed, the kernel's build puts its size, as 32 bits. */
const SIZE_LENGTH = 4;
/** No kernel is larger, decompressed. */
const LIMIT = 512 * 1024 * 1024;

/** The programs that decompress kernels, by how the compressed data begins. */
const DECOMPRESSORS: readonly { magic: Buffer; program: string }[] = [
  { magic: Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]), program: "xz" },
  { magic: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), program: "zstd" },
  { magic: Buffer.from([0x1f, 0x8b]), program: "gzip" },
];

/**
 * Decompresses the kernel in a bzImage and returns its ELF file, which QEMU boots by the PVH entry
 * point: a kernel that decompresses itself in the emulation takes longer for that than for all the
 * rest of its boot. Throws if the file is not a bzImage, or compressed in a way not known here.
 */
export async function extractVmlinux(bzImage: string): Promise<Buffer> {
  const file = await readFile(bzImage);
  if (file.length < PAYLOAD_LENGTH + 4 || file.toString("latin1", MAGIC, MAGIC + 4) !== "HdrS") {
    throw new Error(`${bzImage} is not a bzImage`);
  }
  if (file.readUInt16LE(VERSION) < OLDEST_VERSION) {
    throw new Error(`${bzImage} does not say where its compressed kernel is`);
  }
  // 0 means 4, from times when nothing was written there.
  const setup = ((file[SETUP_SECTORS] || 4) + 1) * SECTOR;
  const start = setup + file.readUInt32LE(PAYLOAD_OFFSET);
  const payload = file.subarray(start, start + file.readUInt32LE(PAYLOAD_LENGTH) - SIZE_LENGTH);
  const decompressor = DECOMPRESSORS.find(({ magic }) =>
    payload.subarray(0, magic.length).equals(magic),
  );
  if (decompressor === undefined) {
    const begin = payload.toString("hex", 0, 6);
    throw new Error(`${bzImage}: unknown compression, its data begins with ${begin}`);
  }
  const { stdout } = await execa(await findProgram(decompressor.program), ["-dc"], {
    input: payload,
    encoding: "buffer",
    maxBuffer: LIMIT,
    stripFinalNewline: false,
  });
  const elf = Buffer.from(stdout);
  if (elf.toString("latin1", 0, 4) !== "\x7fELF") throw new Error(`${bzImage}: no ELF file inside`);
  return elf;
}
