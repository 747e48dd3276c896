// SPDX-License-Identifier: MIT
import { byteStringOf } from "@daxfs/format";
import {
  type Entry,
  type ExtraField,
  fromRandomAccessReader,
  RandomAccessReader,
  type ZipFile,
} from "yauzl";
import { BuildError } from "../../errors.js";
import { type ArchiveFile, FileWindow, WINDOW_SIZE } from "./archive-file.js";
import { EntryError, entryError } from "./entry-error.js";
import {
  checkLocalHeader,
  ENCRYPTED_TEXT,
  LOCAL_HEADER_SIZE,
  localHeaderLength,
  STRONG_ENCRYPTION,
} from "./headers.js";

/** Header of an entry in the archive's directory without its variable parts, APPNOTE 4.3.12. */
const ENTRY_SIZE = 46;
const ENTRY_SIGNATURE = 0x02014b50;
/** What may follow the last entry: its end record, that of zip64, or a signature. */
const AFTER_ENTRIES = [0x06054b50, 0x06064b50, 0x05054b50];
/** The end record without its comment, APPNOTE 4.3.16. */
const END_SIZE = 22;
const END_SIGNATURE = Buffer.from("PK\x05\x06", "latin1");

const HINT = "(zip -FF may repair it, or make it again)";

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
  private readonly directoryStart: number;
  private entry: Entry | undefined;
  private failure: Error | undefined;

  /**
   * @param description for messages
   * @param window for what lies in front of the archive's directory
   * @throws BuildError when it is no zip archive.
   */
  constructor(
    private readonly file: ArchiveFile,
    private readonly description: string,
    private readonly window: FileWindow,
  ) {
    this.directoryWindow = new FileWindow(file);
    this.zip = this.open();
    this.directoryStart = this.cursor;
    this.zip.on("entry", (entry: Entry) => {
      this.entry = entry;
    });
    this.zip.on("error", (error: Error) => {
      this.failure = error;
    });
  }

  private open(): ZipFile {
    const size = this.findEnd();
    let opened: ZipFile | undefined;
    let failure: Error | null = null;
    const options = { lazyEntries: true, autoClose: false, decodeStrings: false };
    fromRandomAccessReader(
      new WindowReader(this.directoryWindow),
      size,
      // Sizes are compared where encrypted entries have been refused by name.
      { ...options, validateEntrySizes: false },
      (error, zip) => {
        failure = error;
        opened = zip;
      },
    );
    if (opened === undefined) throw this.damaged(String(failure));
    return opened;
  }

  /**
   * Where the archive ends: with its end record and comment. Zeros may follow, with which bsdtar
   * fills the last block that it writes to a pipe, and which yauzl does not take.
   */
  private findEnd(): number {
    const length = Math.min(this.file.size, WINDOW_SIZE);
    const tail = this.directoryWindow.bytes(this.file.size - length, length)!;
    const start = tail.lastIndexOf(END_SIGNATURE);
    if (start < 0 || start + END_SIZE > length) {
      throw this.damaged("it has no end record, so it was cut short, or is something else");
    }
    const end = start + END_SIZE + tail.readUInt16LE(start + 20);
    if (end > length) throw this.damaged("its comment was cut short");
    if (tail.subarray(end).some((byte) => byte !== 0)) {
      throw this.damaged("bytes follow its end record, or its comment holds another one");
    }
    return this.file.size - length + end;
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
    if (this.zip.entriesRead === this.zip.entryCount) {
      this.checkEnd();
      return undefined;
    }
    const start = this.cursor;
    this.entry = undefined;
    this.zip.readEntry();
    if (this.failure !== undefined) throw this.refused(start, this.failure);
    // Where nothing follows the header, not even a name, yauzl puts its answer off.
    if (this.entry === undefined) throw this.damaged("an entry has an empty name");
    return this.entry;
  }

  /** Entries that are not counted would be lost in silence. */
  private checkEnd(): void {
    const signature = this.directoryWindow.bytes(this.cursor, 4)?.readUInt32LE(0);
    if (signature !== undefined && AFTER_ENTRIES.includes(signature)) return;
    throw this.damaged(
      `its directory does not end after the ${this.zip.entryCount} entries that it says it has`,
    );
  }

  /**
   * Finds an entry's content.
   * @throws EntryError when its own header is not there, differs, or the content can't be inside.
   */
  locate(entry: Entry): LocalEntry {
    const offset = entry.relativeOffsetOfLocalHeader;
    const fixed = this.window.bytes(offset, LOCAL_HEADER_SIZE);
    const length = fixed === undefined ? 0 : localHeaderLength(fixed);
    const header = this.window.bytes(offset, length);
    if (fixed === undefined || header === undefined) {
      throw new EntryError("lies outside of the archive (it was cut short)");
    }
    const extraFields = checkLocalHeader(entry, header);
    const start = offset + length;
    if (entry.compressedSize > this.directoryStart - start) {
      throw new EntryError("has more bytes than there are in front of the archive's directory");
    }
    return { start, extraFields };
  }

  /** The error for the entry at `start` of the archive's directory, which yauzl does not take. */
  private refused(start: number, { message }: Error): BuildError {
    const header = this.directoryWindow.bytes(start, ENTRY_SIZE);
    if (header?.readUInt32LE(0) !== ENTRY_SIGNATURE) return this.damaged(message);
    const strong = (header.readUInt16LE(8) & STRONG_ENCRYPTION) !== 0;
    const name = this.directoryWindow.bytes(start + ENTRY_SIZE, header.readUInt16LE(28));
    if (name === undefined) return this.damaged(message);
    const error = new EntryError(strong ? ENCRYPTED_TEXT : `is damaged: ${message} ${HINT}`);
    return entryError(this.description, byteStringOf(name), error);
  }

  private damaged(what: string): BuildError {
    const text = what.replace(/\.$/, "");
    return new BuildError(`${this.description}: not a sound zip archive: ${text} ${HINT}`);
  }
}
