// SPDX-License-Identifier: MIT
import { byteStringOf } from "@daxfs/format";
import { ZSTDDecoder } from "zstddec/stream";
import type { ChunkQueue } from "./chunk-queue.js";
import { cutShort, damaged, notLoaded, windowTooLarge } from "./damage.js";
import { FRAME_MAGIC_SIZE, FRAME_MAGICS } from "./zstd-magics.js";

/** What zstddec's WebAssembly module offers: functions of zstd.h, pointers as numbers. */
interface ZstdExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  malloc(size: number): number;
  free(pointer: number): void;
  ZSTD_createDCtx(): number;
  ZSTD_freeDCtx(context: number): number;
  ZSTD_decompressStream(context: number, output: number, input: number): number;
}

let loaded: ZstdExports | undefined;

/**
 * zstddec's decoder, only for its WebAssembly module: its own loop over a stream takes no notice
 * of errors, and so never ends with damaged data.
 */
class ModuleLoader extends ZSTDDecoder {
  override _init(result: Parameters<ZSTDDecoder["_init"]>[0]): void {
    loaded = result.instance.exports as unknown as ZstdExports;
    super._init(result);
  }
}

/**
 * Starts the loader while there is no fetch(). With it, the loader would decode its own text through
 * Node's HTTP parser, which is WebAssembly too: where that can't be loaded, the error can't be caught.
 */
function withoutFetch<T>(start: () => T): T {
  const descriptor = Object.getOwnPropertyDescriptor(globalThis, "fetch");
  if (descriptor === undefined) return start();
  Object.defineProperty(globalThis, "fetch", { value: undefined, configurable: true });
  try {
    return start();
  } finally {
    Object.defineProperty(globalThis, "fetch", descriptor);
  }
}

/** Bytes that are handed to the decoder, and got from it, at a time. */
const INPUT_SIZE = 128 * 1024;
const OUTPUT_SIZE = 256 * 1024;

/** Values from here on, as unsigned 32-bit numbers, are errors: zstd's ZSTD_isError. */
const FIRST_ERROR = 0x1_0000_0000 - 120;

/** Codes of zstd_errors.h. */
const ERRORS: Readonly<Record<number, string>> = {
  14: "it has an unsupported feature",
  20: "it is corrupt",
  22: "its checksum is wrong",
  32: "it needs a dictionary",
};
const WINDOW_TOO_LARGE = 16;
const NO_MEMORY = 64;

/** Unpacks Zstandard frames one after the other. */
export interface ZstdFrames {
  /**
   * Unpacks frames until something else follows, which stays in the queue.
   * @throws BuildError
   */
  decode(input: ChunkQueue): AsyncGenerator<Uint8Array>;
  close(): void;
}

/** @param what the data, for messages @throws BuildError */
export async function openFrames(what: string): Promise<ZstdFrames> {
  try {
    await withoutFetch(() => new ModuleLoader().init());
  } catch (error) {
    throw notLoaded(what, "zstd", error);
  }
  if (loaded === undefined) throw new Error("zstddec was loaded by someone else");
  return new FrameDecoder(loaded, what);
}

/** Memory of the module, by byte offsets from where it was given: two buffers and their structs. */
const INPUT_STRUCT = 0;
const OUTPUT_STRUCT = 12;
const INPUT_START = 32;
const OUTPUT_START = INPUT_START + INPUT_SIZE;
const TOTAL_SIZE = OUTPUT_START + OUTPUT_SIZE;

class FrameDecoder implements ZstdFrames {
  private readonly context: number;
  private readonly base: number;
  /** Whether a frame has begun and not ended. */
  private inFrame = false;

  constructor(
    private readonly zstd: ZstdExports,
    private readonly what: string,
  ) {
    this.context = zstd.ZSTD_createDCtx();
    this.base = zstd.malloc(TOTAL_SIZE);
    if (this.context === 0 || this.base === 0) throw this.failure(NO_MEMORY);
  }

  async *decode(input: ChunkQueue): AsyncGenerator<Uint8Array> {
    for (;;) {
      const bytes = await input.peek(this.inFrame ? 1 : FRAME_MAGIC_SIZE);
      if (bytes.length === 0) break;
      const consumed = yield* this.decodePart(bytes.subarray(0, INPUT_SIZE));
      if (consumed === 0) break;
      input.skip(consumed);
    }
    if (this.inFrame) throw cutShort(this.what, "zstd");
  }

  /**
   * Unpacks what surely belongs to frames.
   * @param bytes at most `INPUT_SIZE`
   * @returns how many of them that were
   */
  private *decodePart(bytes: Uint8Array): Generator<Uint8Array, number> {
    const { zstd, base } = this;
    if (!this.inFrame && !beginsFrame(bytes, 0)) return 0;
    new Uint8Array(zstd.memory.buffer).set(bytes, base + INPUT_START);
    this.setBuffer(base + INPUT_STRUCT, base + INPUT_START, bytes.length);
    let consumed = 0;
    // What was full may have left something behind.
    for (let full = false; consumed < bytes.length || full; ) {
      if (!this.inFrame && !beginsFrame(bytes, consumed)) break;
      this.setBuffer(base + OUTPUT_STRUCT, base + OUTPUT_START, OUTPUT_SIZE);
      const result =
        zstd.ZSTD_decompressStream(this.context, base + OUTPUT_STRUCT, base + INPUT_STRUCT) >>> 0;
      if (result >= FIRST_ERROR) throw this.failure(0x1_0000_0000 - result);
      consumed = this.positionIn(base + INPUT_STRUCT);
      const produced = this.positionIn(base + OUTPUT_STRUCT);
      this.inFrame = result !== 0;
      full = produced === OUTPUT_SIZE && this.inFrame;
      if (produced === 0) continue;
      const start = base + OUTPUT_START;
      yield new Uint8Array(zstd.memory.buffer).slice(start, start + produced);
    }
    return consumed;
  }

  close(): void {
    this.zstd.ZSTD_freeDCtx(this.context);
    this.zstd.free(this.base);
  }

  /** Fills in a ZSTD_inBuffer or ZSTD_outBuffer: where it is, its size, and a position of 0. */
  private setBuffer(struct: number, start: number, size: number): void {
    const view = new DataView(this.zstd.memory.buffer);
    view.setUint32(struct, start, true);
    view.setUint32(struct + 4, size, true);
    view.setUint32(struct + 8, 0, true);
  }

  private positionIn(struct: number): number {
    return new DataView(this.zstd.memory.buffer).getUint32(struct + 8, true);
  }

  private failure(code: number): Error {
    if (code === WINDOW_TOO_LARGE || code === NO_MEMORY) return windowTooLarge(this.what);
    return damaged(this.what, "zstd", ERRORS[code] ?? `error ${code}`);
  }
}

function beginsFrame(bytes: Uint8Array, at: number): boolean {
  return FRAME_MAGICS.includes(byteStringOf(bytes.subarray(at, at + FRAME_MAGIC_SIZE)));
}
