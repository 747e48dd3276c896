// SPDX-License-Identifier: MIT
import { crc32, createInflateRaw, inflateRawSync } from "node:zlib";
import { ChunkQueue } from "./chunk-queue.js";
import { cutShort, damaged } from "./damage.js";
import { decodeMembers, type MemberFormat } from "./members.js";
import { decodeMember, ZLIB_OPTIONS } from "./zlib-member.js";

// Headers and trailers are read here, since node:zlib's own decoder loses data of a member when
// bytes follow that are not another one.

const FORMAT: MemberFormat = { kind: "gzip", magics: ["\x1f\x8b"] };

/** Bytes of a header without its optional fields, and of what follows the data. */
const HEADER_SIZE = 10;
const TRAILER_SIZE = 8;
/** Bytes that a header may have. */
const HEADER_MAX = 1024 * 1024;
const DEFLATE = 8;
const HEADER_CRC = 2;
const EXTRA = 4;
const NAME = 8;
const COMMENT = 16;
const RESERVED = 0xe0;

/** Bytes that a member may unpack to, to be unpacked in one piece. */
const SMALL_MAX = 1024 * 1024;

/**
 * Unpacks gzip data: RFC 1952, any number of members.
 * @param what the stream, for messages
 * @param warn gets a line about bytes behind the data that belong to no member
 * @throws BuildError
 */
export function gunzip(
  stream: AsyncIterable<Uint8Array>,
  what: string,
  warn: (text: string) => void,
): AsyncGenerator<Uint8Array> {
  const input = new ChunkQueue(stream);
  const decoder = new MemberDecoder(input, what);
  return decodeMembers(input, FORMAT, () => decoder.decode(), what, warn);
}

class MemberDecoder {
  /** Bytes that the last member unpacked to. */
  private lastSize = Number.POSITIVE_INFINITY;
  private checksum = 0;
  private size = 0;

  constructor(
    private readonly input: ChunkQueue,
    private readonly what: string,
  ) {}

  /** Unpacks a member. */
  async *decode(): AsyncGenerator<Uint8Array> {
    const { input, what } = this;
    await this.skipHeader();
    this.checksum = 0;
    this.size = 0;
    const small = this.lastSize <= SMALL_MAX ? unpackedSmall(await input.peek(1)) : undefined;
    if (small !== undefined) {
      input.skip(small.consumed);
      this.count(small.bytes);
      if (small.bytes.length > 0) yield small.bytes;
    } else {
      try {
        for await (const chunk of decodeMember(createInflateRaw(ZLIB_OPTIONS), input)) {
          this.count(chunk);
          yield chunk;
        }
      } catch (error) {
        throw described(error, what);
      }
    }
    this.lastSize = this.size;
    const trailer = await input.peek(TRAILER_SIZE);
    if (trailer.length < TRAILER_SIZE) throw cutShort(what, FORMAT.kind);
    if (uint32(trailer, 0) !== this.checksum) throw this.damage("its checksum is wrong");
    if (uint32(trailer, 4) !== this.size % 2 ** 32) throw this.damage("its length is wrong");
    input.skip(TRAILER_SIZE);
  }

  private count(bytes: Uint8Array): void {
    this.checksum = crc32(bytes, this.checksum);
    this.size += bytes.length;
  }

  private async skipHeader(): Promise<void> {
    for (let wanted = HEADER_SIZE; ; ) {
      const bytes = await this.input.peek(wanted);
      const length = this.headerLength(bytes);
      if (length !== undefined) {
        this.input.skip(length);
        return;
      }
      if (bytes.length < wanted) throw cutShort(this.what, FORMAT.kind);
      if (bytes.length > HEADER_MAX) throw this.damage("its header has no end");
      wanted = bytes.length + 1;
    }
  }

  /** @returns undefined where there is not all of it @throws BuildError */
  private headerLength(bytes: Uint8Array): number | undefined {
    if (bytes.length < HEADER_SIZE) return undefined;
    const flags = bytes[3]!;
    if (bytes[2] !== DEFLATE) throw this.damage(`its method is ${bytes[2]}, not ${DEFLATE}`);
    if ((flags & RESERVED) !== 0) throw this.damage("its header has unknown flags");
    let end = HEADER_SIZE;
    if ((flags & EXTRA) !== 0) {
      if (bytes.length < end + 2) return undefined;
      end += 2 + bytes[end]! + bytes[end + 1]! * 256;
    }
    for (const field of [NAME, COMMENT]) {
      if ((flags & field) === 0) continue;
      const zero = bytes.indexOf(0, end);
      if (zero < 0) return undefined;
      end = zero + 1;
    }
    if ((flags & HEADER_CRC) !== 0) {
      if (bytes.length < end + 2) return undefined;
      const found = bytes[end]! + bytes[end + 1]! * 256;
      if (found !== (crc32(bytes.subarray(0, end)) & 0xffff)) {
        throw this.damage("the checksum of its header is wrong");
      }
      end += 2;
    }
    return bytes.length < end ? undefined : end;
  }

  private damage(reason: string): Error {
    return damaged(this.what, FORMAT.kind, reason);
  }
}

/** What node:zlib gives with the option `info`, which its types lack. */
interface Unpacked {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

/**
 * Unpacks a small member, if `bytes` has all its deflated data. Archives of some tools have a member
 * for each file, and a stream of node:zlib for each takes far longer than its data.
 * @returns undefined if it is not small, not complete, or damaged
 */
function unpackedSmall(
  bytes: Uint8Array,
): { readonly bytes: Uint8Array; readonly consumed: number } | undefined {
  try {
    const options = { info: true, maxOutputLength: SMALL_MAX };
    const { buffer, engine } = inflateRawSync(bytes, options) as unknown as Unpacked;
    return { bytes: buffer, consumed: engine.bytesWritten };
  } catch {
    return undefined;
  }
}

function uint32(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);
}

function described(error: unknown, what: string): unknown {
  if (!(error instanceof Error) || !("code" in error)) return error;
  if (error.code === "Z_BUF_ERROR") return cutShort(what, "gzip");
  return String(error.code).startsWith("Z_") ? damaged(what, "gzip", error.message) : error;
}
