// SPDX-License-Identifier: MIT
import { XzReadableStream } from "xz-decompress";
import { BuildError } from "../../errors.js";
import { ChunkQueue } from "./chunk-queue.js";
import { cutShort, damaged, notLoaded } from "./damage.js";
import { MemberChunks } from "./member-end.js";
import { decodeMembers, type MemberFormat } from "./members.js";
import { walkXzStream } from "./xz-end.js";

/** What xz-decompress's WebAssembly module, XZ Embedded, offers; pointers are numbers. */
interface XzExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  create_context(): number;
  destroy_context(context: number): void;
  supply_input(context: number, size: number): void;
  /** Returns a code of XZ Embedded's `enum xz_ret`. */
  get_next_output(context: number): number;
}

/**
 * Only the module of xz-decompress: one of its streams can't begin before the one before it was
 * read to its end, and sources are opened together.
 */
const loader = XzReadableStream as unknown as {
  _getModuleInstance(): Promise<void>;
  readonly _moduleInstance: { readonly exports: XzExports };
};

const FORMAT: MemberFormat = { kind: "xz", magics: ["\xfd7zXZ\0"] };

const OK = 0;
const STREAM_END = 1;
const MEMORY_LIMIT = 4;
const UNSUPPORTED = [2, 6];
const NO_PROGRESS = 8;

/**
 * Unpacks xz data: the .xz file format 1.2.0 with any number of streams and padding between them,
 * CRC-32 or CRC-64 as check, and only LZMA2 as filter.
 * @param what the data, for messages
 * @param warn gets a line about bytes behind the data that belong to no member
 * @throws BuildError
 */
export async function* unxz(
  stream: AsyncIterable<Uint8Array>,
  what: string,
  warn: (text: string) => void,
): AsyncGenerator<Uint8Array> {
  const exports = await newModule(what);
  const input = new ChunkQueue(stream);
  yield* decodeMembers(input, FORMAT, () => decodeStream(input, exports, what), what, warn);
}

/** A new instance of the module, whose memory goes with it. @throws BuildError */
async function newModule(what: string): Promise<XzExports> {
  try {
    await loader._getModuleInstance();
  } catch (error) {
    throw notLoaded(what, FORMAT.kind, error);
  }
  return loader._moduleInstance.exports;
}

/** Unpacks one stream. The decoder gets no byte of what follows, which it may not take for data. */
async function* decodeStream(
  input: ChunkQueue,
  exports: XzExports,
  what: string,
): AsyncGenerator<Uint8Array> {
  const decoder = new XzDecoder(exports, what);
  const chunks = new MemberChunks(input, walkXzStream());
  try {
    for (let chunk = await chunks.next(); chunk !== undefined; chunk = await chunks.next()) {
      yield* decoder.decode(chunk);
    }
    yield* decoder.finish();
  } finally {
    decoder.close();
  }
}

/** Fields of the module's context, as indexes of 32-bit words. */
const BUFFER_SIZE = 0;
const INPUT = 1;
const INPUT_POSITION = 2;
const OUTPUT = 4;
const OUTPUT_POSITION = 5;

class XzDecoder {
  private readonly context: number;
  /** Bytes of the input buffer, and of the output buffer. */
  private readonly bufferSize: number;

  constructor(
    private readonly xz: XzExports,
    private readonly what: string,
  ) {
    this.context = xz.create_context();
    this.bufferSize = this.words()[BUFFER_SIZE]!;
  }

  *decode(chunk: Uint8Array): Generator<Uint8Array> {
    for (let at = 0; at < chunk.length; at += this.bufferSize) {
      const part = chunk.subarray(at, at + this.bufferSize);
      new Uint8Array(this.xz.memory.buffer).set(part, this.words()[INPUT]!);
      this.xz.supply_input(this.context, part.length);
      for (let more = true; more; ) {
        const { output } = this.step();
        if (output.length > 0) yield output;
        // What was full may have left something behind.
        more = this.words()[INPUT_POSITION]! < part.length || output.length === this.bufferSize;
      }
    }
  }

  /** Unpacks what is left at the end of the input. */
  *finish(): Generator<Uint8Array> {
    this.xz.supply_input(this.context, 0);
    for (let code = OK; code !== STREAM_END; ) {
      const step = this.step();
      if (step.output.length > 0) yield step.output;
      code = step.code;
    }
  }

  close(): void {
    this.xz.destroy_context(this.context);
  }

  /** Runs until the input is used up or the output buffer is full. @throws BuildError */
  private step(): { readonly code: number; readonly output: Uint8Array } {
    const code = this.xz.get_next_output(this.context);
    if (code !== OK && code !== STREAM_END) throw this.failure(code);
    // The memory may have grown, which makes views of it useless.
    const words = this.words();
    const start = words[OUTPUT]!;
    const end = start + words[OUTPUT_POSITION]!;
    words[OUTPUT_POSITION] = 0;
    return { code, output: new Uint8Array(this.xz.memory.buffer).slice(start, end) };
  }

  private words(): Uint32Array {
    return new Uint32Array(this.xz.memory.buffer, this.context);
  }

  private failure(code: number): BuildError {
    const { what } = this;
    if (code === NO_PROGRESS) return cutShort(what, "xz");
    if (code === MEMORY_LIMIT) {
      return new BuildError(
        `${what}: its xz data needs a dictionary of more than 64 MiB (compress it with ` +
          "--lzma2=dict=64MiB)",
      );
    }
    if (UNSUPPORTED.includes(code)) {
      return new BuildError(
        `${what}: its xz data has a check or a filter of a rare kind (compress it with ` +
          "--check=crc64 --lzma2)",
      );
    }
    return damaged(what, "xz", "it is corrupt");
  }
}
