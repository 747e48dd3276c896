// SPDX-License-Identifier: MIT
import { byteStringOf } from "@daxfs/format";
import { type Entry, type ExtraField, RandomAccessReader, ZipFile } from "yauzl";
import type { BuildError } from "../../errors.js";
import { type ArchiveFile, FileWindow } from "./archive-file.js";
import {
  type DirectoryPlace,
  ENTRY_SIGNATURE,
  ENTRY_SIZE,
  findDirectory,
  unsound,
} from "./end-record.js";
import { EntryError, entryError } from "./entry-error.js";
import {
  checkLocalHeader,
  ENCRYPTED_TEXT,
  LOCAL_HEADER_SIZE,
  localHeaderLength,
  STRONG_ENCRYPTION,
} from "./headers.js";

/** What may follow the last entry: its end record, that of zip64, its locator, or a signature. */
const AFTER_ENTRIES = [0x06054b50, 0x06064b50, 0x07064b50, 0x05054b50];

/** Where an entry's content begins, and what its own header adds to the archive's directory. */
export interface LocalEntry {
  /** Bytes from the start of the file. */
  readonly start: number;
  readonly extraFields: readonly ExtraField[];
}

/**
 * Lets yauzl read from memory, without a promise or a system call for each of its small reads: its
 * answers come before its functions return.
 */
class WindowReader extends RandomAccessReader {
  constructor(private readonly window: FileWindow) {
    super();
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null, bytesRead?: number) => void,
  ): void {
    const bytes = this.window.bytes(position, length);
    bytes?.copy(buffer, offset);
    // Fewer bytes than asked for are an error to yauzl.
    callback(null, bytes?.length ?? 0);
  }
}

/** The directory of a zip archive, entry by entry, and the headers in front of the contents. */
export class ZipArchive {
  private readonly zip: ZipFile;
  private readonly directoryWindow: FileWindow;
  private readonly place: DirectoryPlace;
  private entry: Entry | undefined;
  private failure: Error | undefined;

  /**
   * @param description for messages
   * @param window for what lies in front of the central directory
   * @throws BuildError when it is not a zip archive.
   */
  constructor(
    file: ArchiveFile,
    private readonly description: string,
    private readonly window: FileWindow,
  ) {
    this.directoryWindow = new FileWindow(file);
    this.place = findDirectory(this.directoryWindow, file.size, description);
    const reader = new WindowReader(this.directoryWindow);
    // The end of the directory is found here. Sizes are compared where encrypted entries have been
    // refused by name.
    const { start } = this.place;
    const many = Number.MAX_SAFE_INTEGER;
    this.zip = new ZipFile(reader, start, file.size, many, "", false, true, false, false);
    this.zip.on("entry", (entry: Entry) => {
      this.entry = entry;
    });
    this.zip.on("error", (error: Error) => {
      this.failure = error;
    });
  }

  /** Bytes behind the archive that are no part of it; 0 where they are zeros. */
  get trailing(): number {
    return this.place.hasJunk ? this.place.behind : 0;
  }

  /** Where the next entry is read; the types have it wrong. */
  private get cursor(): number {
    return Number(this.zip.readEntryCursor);
  }

  /**
   * The next entry as the archive's directory has it.
   * @returns undefined after the last
   * @throws BuildError
   */
  next(): Entry | undefined {
    const start = this.cursor;
    const signature = this.directoryWindow.bytes(start, 4)?.readUInt32LE(0);
    const { count, countIsShort, end } = this.place;
    const counted = this.zip.entriesRead === count;
    if (signature !== ENTRY_SIGNATURE || start >= end || (counted && !countIsShort)) {
      this.checkEnd(signature);
      return undefined;
    }
    this.entry = undefined;
    this.zip.readEntry();
    if (this.failure !== undefined) throw this.refused(start, this.failure);
    // Where nothing follows the header, not even a name, yauzl puts its answer off.
    if (this.entry === undefined) throw this.damaged("an entry has an empty name");
    return this.entry;
  }

  /** Entries that are not counted would be lost in silence. */
  private checkEnd(signature: number | undefined): void {
    const { count, countIsShort } = this.place;
    const read = this.zip.entriesRead;
    const counted = read === count || (countIsShort && read % 0x10000 === count);
    if (counted && signature !== undefined && AFTER_ENTRIES.includes(signature)) return;
    throw this.damaged(`its directory does not end after the ${count} entries that it says it has`);
  }

  /**
   * Finds an entry's content.
   * @throws EntryError when its own header is not there, differs, or the content can't be inside.
   */
  locate(entry: Entry): LocalEntry {
    const offset = this.place.base + entry.relativeOffsetOfLocalHeader;
    const fixed = this.window.bytes(offset, LOCAL_HEADER_SIZE);
    const length = fixed === undefined ? 0 : localHeaderLength(fixed);
    const header = this.window.bytes(offset, length);
    if (fixed === undefined || header === undefined) {
      throw new EntryError("is outside the archive (it was cut short)");
    }
    const extraFields = checkLocalHeader(entry, header);
    const start = offset + length;
    if (entry.compressedSize > this.place.start - start) {
      throw new EntryError("has more bytes than there are before the central directory");
    }
    return { start, extraFields };
  }

  /** The error for the entry at `start` of the central directory, which yauzl does not take. */
  private refused(start: number, { message }: Error): BuildError {
    const header = this.directoryWindow.bytes(start, ENTRY_SIZE);
    if (header?.readUInt32LE(0) !== ENTRY_SIGNATURE) return this.damaged(message);
    const strong = (header.readUInt16LE(8) & STRONG_ENCRYPTION) !== 0;
    const name = this.directoryWindow.bytes(start + ENTRY_SIZE, header.readUInt16LE(28));
    if (name === undefined) return this.damaged(message);
    const error = new EntryError(
      strong ? ENCRYPTED_TEXT : `is damaged: ${message} (zip -FF may repair it, or make it again)`,
    );
    return entryError(this.description, byteStringOf(name), error);
  }

  private damaged(what: string): BuildError {
    return unsound(this.description, what);
  }
}
