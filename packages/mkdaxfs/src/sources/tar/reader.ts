// SPDX-License-Identifier: MIT
import { type ByteString, byteStringOf, printable } from "@daxfs/format";
import { BuildError } from "../../errors.js";
import { checkGlobals, checkNames, checkPaxSize, DISAGREEMENT } from "./disagreement.js";
import { isIncrement } from "./dumpdir.js";
import { entryOf, type LongNames, type TarEntry } from "./entry.js";
import { Extended, type XattrVerdicts } from "./extended.js";
import {
  gnuSparseExtension,
  gnuSparseHeader,
  isEntry,
  looksLikeTar,
  parseHeader,
  TAR_BLOCK,
  TarError,
  type TarHeader,
} from "./header.js";
import type { TarInput } from "./input.js";
import { PATH_MAX, type PaxRecord, parsePaxRecords } from "./pax.js";
import { SPARSE_PAIRS_MAX, SparseTextMap, sparseMap, tooManyStretches } from "./sparse.js";

/** Given where the input's `more` has to be awaited before the next step. */
export const WAIT = undefined;
export type Wait = typeof WAIT;

/** Bytes of a path in an extra header of GNU tar. */
const LONG_PATH_MAX = PATH_MAX;
/** Bytes of PAX headers: attributes of up to 64 KiB each, maps of sparse files. */
const PAX_HEADERS_MAX = 16 * 1024 * 1024;
/** Bytes of those that count for all entries that follow, which each of them has. */
const GLOBAL_HEADERS_MAX = 64 * 1024;

/** Bytes of a list of names that are looked at. */
const DUMPDIR_MAX = 1024 * 1024;

/** Headers that say something of entries to come; "X" is what Sun's tar has for "x", "V" a label. */
const EXTRA_TYPES = "xXgLKV";

/** What extra headers said of the next entry. */
interface Pending {
  readonly records: PaxRecord[];
  readonly longNames: LongNames;
  /** Types of the extra headers, "x" for both kinds of PAX. */
  readonly types: Set<string>;
}

function newPending(): Pending {
  return {
    records: [],
    longNames: { path: undefined, linkPath: undefined },
    types: new Set(),
  };
}

// Most entries of most archives have none.
const NOTHING_PENDING = newPending();
const NO_EXTENDED = new Extended(() => "kept");

/** What the header of a sparse entry of old GNU tar's format says. */
interface SparseHeader {
  readonly numbers: readonly number[];
  readonly realSize: number;
}

/** Reads an uncompressed tar archive: ustar, PAX, GNU tar's format, and what came before them. */
export class TarReader {
  /** Whether the archive had an end marker; known at the end. */
  endMarker = false;
  /** Position of a byte other than zero behind the end marker, if there is one. */
  dataBehindEnd: number | undefined;
  /** Whether a directory was seen whose list of names builds on an earlier archive. */
  isIncrement = false;

  /** What PAX headers said of all entries that follow, and their bytes. */
  private globals: Extended | undefined;
  private globalsSize = 0;
  /**
   * Whether PAX headers were seen and no entry of another format since, which settles what the size of a
   * hard link means.
   */
  private isPax = false;
  /** Where the header begins that is being read, and the entry's path as far as it is known. */
  private start = 0;
  private path: ByteString = "";

  /**
   * @param description of the archive, for messages
   * @param xattrVerdict attributes that it does not keep are not parsed
   */
  constructor(
    private readonly input: TarInput,
    private readonly description: string,
    private readonly xattrVerdict: XattrVerdicts,
  ) {}

  /**
   * The entries in their order, and `WAIT` wherever more bytes are needed. While an entry is at hand
   * its content may be read from the input, all or part of it. All of the input was passed over when
   * there are no more.
   * @throws BuildError
   */
  // A generator for every step would take most of the time, so those that may have to wait are
  // called only where it comes to that.
  *entries(): Generator<TarEntry | Wait, void> {
    const { input } = this;
    let pending = NOTHING_PENDING;
    for (;;) {
      this.start = input.position;
      this.path = "";
      while (input.available < TAR_BLOCK && !input.ended) yield WAIT;
      const block = this.take(TAR_BLOCK);
      const header = this.header(block);
      if (header === undefined) {
        this.checkEnd(block.length, pending);
        yield* this.passRest();
        return;
      }
      if (EXTRA_TYPES.includes(header.type)) {
        if (pending === NOTHING_PENDING) pending = newPending();
        yield* this.extraHeader(header, pending);
        continue;
      }
      if (header.format !== "ustar") this.isPax = false;
      const extended = this.extended(header, pending);
      const entry = this.checked(() => entryOf(header, extended, pending.longNames));
      this.path = entry.path;
      const sparseHeader = header.type === "S" ? yield* this.gnuSparse(block) : undefined;
      if (mayBeFollowedByHeader(entry)) {
        while (input.available < TAR_BLOCK && !input.ended) yield WAIT;
      }
      const size = this.contentSize(header, entry, extended.size);
      const end = input.position + wholeBlocks(size);
      if (extended.isIncrement) this.isIncrement = true;
      else if (header.type === "D" && !this.isIncrement) yield* this.dumpdir(size);
      if (entry.kind !== "file") entry.storedSize = 0;
      else if (sparseHeader !== undefined) this.setGnuMap(entry, extended, sparseHeader);
      else if (extended.isSparse) yield* this.setPaxMap(entry, extended);
      yield entry;
      pending = NOTHING_PENDING;
      const left = end - input.position;
      const skipped = input.skip(left);
      if (skipped < left) yield* this.skip(left - skipped, wholeBlocks(size) - size);
    }
  }

  /** The error for what is wrong with the entry at hand. */
  failure(text: string): BuildError {
    const at = this.path === "" ? `the entry at byte ${this.start}` : printable(this.path);
    return new BuildError(`${this.description}: ${at}: ${text}`);
  }

  /** The error for an archive that ends inside the entry at hand. */
  cutShort(missing: number): BuildError {
    const at = this.path === "" ? `the entry at byte ${this.start}` : printable(this.path);
    return new BuildError(
      `${this.description}: ends inside ${at}: ${missing} bytes are missing (get the archive again)`,
    );
  }

  /** A header; undefined where the archive ends. */
  private header(block: Uint8Array): TarHeader | undefined {
    if (block.length < TAR_BLOCK) return undefined;
    try {
      return parseHeader(block);
    } catch (error) {
      if (!(error instanceof TarError)) throw error;
      if (this.start === 0 && !looksLikeTar(block)) {
        throw new BuildError(`${this.description}: is not a tar archive`);
      }
      const at = `at byte ${this.start} of the archive`;
      throw new BuildError(
        `${this.description}: is damaged: ${at}, ${error.message} (get it again)`,
      );
    }
  }

  /** @param length bytes that came where a header should be: a block of zeros, or too few */
  private checkEnd(length: number, pending: Pending): void {
    this.endMarker = length === TAR_BLOCK;
    if (pending.types.size > 0) {
      throw this.failure("ends where an entry should follow its extra header (get it again)");
    }
    // GNU tar, too, takes an archive without an end marker, but not without anything.
    if (this.endMarker || (length === 0 && this.start > 0)) return;
    if (this.start > 0) throw this.cutShort(TAR_BLOCK - length);
    throw new BuildError(`${this.description}: is not a tar archive: it has only ${length} bytes`);
  }

  /** Passes over what is behind the end: zeros, up to a whole record of the tape of old. */
  private *passRest(): Generator<Wait, void> {
    while (this.input.available > 0 || !this.input.ended) {
      const bytes = this.input.peekSome(Number.MAX_SAFE_INTEGER);
      if (bytes.length === 0) yield WAIT;
      if (this.dataBehindEnd === undefined) {
        const at = bytes.findIndex((byte) => byte !== 0);
        if (at >= 0) this.dataBehindEnd = this.input.position + at;
      }
      this.input.skip(this.dataBehindEnd === undefined ? bytes.length : this.input.available);
    }
  }

  /** Reads a header that says something of entries to come. */
  private *extraHeader(header: TarHeader, pending: Pending): Generator<Wait, void> {
    switch (header.type) {
      case "g":
        if (pending.types.has("x")) {
          throw this.failure(`has a global PAX header behind its own one, ${DISAGREEMENT}`);
        }
        yield* this.globalHeader(header);
        break;
      case "L":
        pending.longNames.path = yield* this.longPath(header, pending);
        break;
      case "K":
        pending.longNames.linkPath = yield* this.longPath(header, pending);
        break;
      case "V":
        yield* this.skip(wholeBlocks(header.size));
        break;
      default:
        yield* this.localHeader(header, pending);
    }
  }

  private *localHeader({ size }: TarHeader, pending: Pending): Generator<Wait, void> {
    this.isPax = true;
    this.onlyOne(pending, "x", "PAX header");
    const content = yield* this.extraContent(size, size, PAX_HEADERS_MAX);
    for (const record of this.checked(() => parsePaxRecords(content))) {
      pending.records.push(record);
    }
  }

  /** Notes an extra header. @throws BuildError when the entry has one of the type already */
  private onlyOne({ types }: Pending, type: string, what: string): void {
    if (types.has(type)) throw this.failure(`has more than one ${what}, ${DISAGREEMENT}`);
    types.add(type);
  }

  private *globalHeader({ size }: TarHeader): Generator<Wait, void> {
    this.isPax = true;
    this.globalsSize += size;
    const content = yield* this.extraContent(size, this.globalsSize, GLOBAL_HEADERS_MAX);
    this.globals ??= new Extended(this.xattrVerdict);
    const { globals } = this;
    const records = this.checked(() => parsePaxRecords(content));
    this.checked(() => {
      checkGlobals(records);
      globals.addPax(records);
    });
  }

  private *longPath({ type, size }: TarHeader, pending: Pending): Generator<Wait, ByteString> {
    this.onlyOne(pending, type, type === "L" ? "long name" : "long link target");
    const text = byteStringOf(yield* this.extraContent(size, size, LONG_PATH_MAX));
    const end = text.indexOf("\0");
    return end < 0 ? text : text.slice(0, end);
  }

  /** @param total bytes that headers of the kind have together, checked against `max` */
  private *extraContent(size: number, total: number, max: number): Generator<Wait, Uint8Array> {
    if (total > max) {
      throw this.failure(`its extra header has ${total} bytes (at most ${max} are read)`);
    }
    const content = yield* this.read(size);
    if (content.length < size) throw this.cutShort(size - content.length);
    yield* this.skip(wholeBlocks(size) - size);
    return content;
  }

  /** What extra headers say of an entry. */
  private extended(header: TarHeader, { records, longNames }: Pending): Extended {
    this.path = longNames.path ?? header.path;
    if (records.length === 0) return this.globals ?? NO_EXTENDED;
    const extended = this.globals?.copy() ?? new Extended(this.xattrVerdict);
    this.checked(() => {
      extended.addPax(records);
      checkNames(longNames, extended);
    });
    return extended;
  }

  /**
   * Bytes that follow the headers of an entry.
   * @param paxSize what its PAX header says
   */
  private contentSize(header: TarHeader, entry: TarEntry, paxSize = 0): number {
    this.checked(() => checkPaxSize(paxSize, header.type, entry.kind));
    switch (entry.kind) {
      case "file":
        return entry.storedSize;
      case "directory":
        return this.directoryHasContent(header, entry.storedSize, paxSize > 0)
          ? entry.storedSize
          : 0;
      case "link":
        return this.linkHasContent(header, entry.storedSize, paxSize > 0) ? entry.storedSize : 0;
      default:
        return 0;
    }
  }

  /**
   * Whether a directory's content follows. POSIX has the size of a directory as a quota, and old
   * programs, which write it as a file with a slash at the end of its name, give one without any
   * content. Where a later program does so, look whether a header follows. @throws BuildError
   */
  private directoryHasContent({ type }: TarHeader, size: number, isPaxSize: boolean): boolean {
    switch (type) {
      case "5":
      case "\0":
        return false;
      case "0": {
        if (size === 0) return false;
        const next = this.input.peek(TAR_BLOCK);
        if (!looksLikeTar(next)) return true;
        if (isPaxSize && isEntry(next)) {
          throw this.failure(
            `is a directory with a size of ${size} bytes, which a header follows, ${DISAGREEMENT}`,
          );
        }
        return false;
      }
      default:
        return true;
    }
  }

  /**
   * Whether the content of the file follows a hard link. POSIX allows it in PAX archives, and libarchive
   * expects it there; GNU tar and Python never do. Before PAX some programs gave the size and no content:
   * as libarchive does, look whether a header follows in ustar. In PAX a header there is content to
   * some readers and an entry to others, so that either choice may lose something.
   * @param isPaxSize whether a PAX header of the entry's own gives the size
   * @throws BuildError
   */
  private linkHasContent({ format }: TarHeader, size: number, isPaxSize: boolean): boolean {
    if (size === 0 || (format !== "ustar" && !isPaxSize)) return false;
    const next = this.input.peek(TAR_BLOCK);
    if (!this.isPax && !isPaxSize) return !looksLikeTar(next);
    if (isEntry(next)) {
      throw this.failure(
        `is a hard link with a size of ${size} bytes, a header follows where its content should be, ` +
          DISAGREEMENT,
      );
    }
    return true;
  }

  /** Looks at the list of names that is the content of a directory in a dump of GNU tar. */
  private *dumpdir(size: number): Generator<Wait, void> {
    const list = yield* this.read(Math.min(size, DUMPDIR_MAX));
    this.isIncrement = isIncrement(byteStringOf(list));
  }

  /** The map of a sparse entry in old GNU tar's format: in its header and blocks behind that. */
  private *gnuSparse(header: Uint8Array): Generator<Wait, SparseHeader> {
    const first = this.checked(() => gnuSparseHeader(header));
    const numbers = [...first.pairs];
    for (let { more } = first; more; ) {
      const block = yield* this.read(TAR_BLOCK);
      if (block.length < TAR_BLOCK) throw this.cutShort(TAR_BLOCK - block.length);
      const next = this.checked(() => gnuSparseExtension(block));
      numbers.push(...next.pairs);
      if (numbers.length > SPARSE_PAIRS_MAX * 2) throw this.failure(tooManyStretches().message);
      more = next.more;
    }
    return { numbers, realSize: first.realSize };
  }

  private setGnuMap(entry: TarEntry, extended: Extended, header: SparseHeader): void {
    const realSize = extended.realSize ?? header.realSize;
    entry.sparse = this.checked(() => sparseMap(header.numbers, realSize, entry.storedSize));
  }

  private *setPaxMap(entry: TarEntry, extended: Extended): Generator<Wait, void> {
    const { sparseMajor = 0, sparseMinor = 0, realSize } = extended;
    if (sparseMajor > 1 || (sparseMajor === 1 && sparseMinor > 0)) {
      throw this.failure(
        `is sparse in a format of version ${sparseMajor}.${sparseMinor}, which is not supported`,
      );
    }
    const start = this.input.position;
    const numbers =
      sparseMajor === 1 ? yield* this.sparseText(entry.storedSize) : extended.sparseNumbers;
    if (numbers === undefined || realSize === undefined) {
      throw this.failure("its sparse map is incomplete");
    }
    entry.storedSize -= this.input.position - start;
    entry.sparse = this.checked(() => sparseMap(numbers, realSize, entry.storedSize));
  }

  /** The map of a sparse entry at the start of its content. */
  private *sparseText(size: number): Generator<Wait, readonly number[]> {
    const map = new SparseTextMap();
    for (let left = size, more = true; more; left -= TAR_BLOCK) {
      if (left < TAR_BLOCK) throw this.failure("its sparse map is incomplete");
      const block = yield* this.read(TAR_BLOCK);
      if (block.length < TAR_BLOCK) throw this.cutShort(left - block.length);
      more = this.checked(() => map.addBlock(block));
    }
    return map.numbers;
  }

  /** Reads `length` bytes, fewer only at the input's end. Valid until the next read. */
  private *read(length: number): Generator<Wait, Uint8Array> {
    while (this.input.available < length && !this.input.ended) yield WAIT;
    return this.take(length);
  }

  /** Takes `length` bytes that are at hand, fewer at the input's end. */
  private take(length: number): Uint8Array {
    const bytes = this.input.peek(length);
    this.input.skip(bytes.length);
    return bytes;
  }

  /**
   * @param padding how many of these bytes are no part of the content: an archive may end without
   *   them, as the layers do that "umoci insert" writes
   */
  private *skip(length: number, padding = 0): Generator<Wait, void> {
    for (let left = length - this.input.skip(length); left > 0; left -= this.input.skip(left)) {
      if (this.input.ended) {
        if (left <= padding) return;
        throw this.cutShort(left - padding);
      }
      yield WAIT;
    }
  }

  /** Runs what knows nothing of the archive around it. */
  private checked<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw error instanceof TarError ? this.failure(error.message) : error;
    }
  }
}

/** Whether the size of an entry may be one of a content that is not there. */
function mayBeFollowedByHeader({ kind, storedSize }: TarEntry): boolean {
  return storedSize > 0 && (kind === "link" || kind === "directory");
}

/** Bytes that a content of `size` bytes takes in an archive. */
function wholeBlocks(size: number): number {
  return Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
}
