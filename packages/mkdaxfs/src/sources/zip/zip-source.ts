// SPDX-License-Identifier: MIT
import { setImmediate as eventTurn } from "node:timers/promises";
import { type ByteString, byteStringOf, SYMLINK_MAX } from "@daxfs/format";
import type { Entry } from "yauzl";
import type { HostPath } from "../../host/path.js";
import type { Content } from "../../model/content.js";
import { entryPath } from "../../model/entry-path.js";
import {
  DirectoryInode,
  type Inode,
  RegularInode,
  SpecialInode,
  SymlinkInode,
} from "../../model/inode.js";
import type { Source, SourceEntry } from "../../model/source.js";
import type { SourceContext } from "../context.js";
import { ZipArchive } from "./archive.js";
import { ArchiveFile, FileWindow, WINDOW_SIZE } from "./archive-file.js";
import { mtimeOf, ownersOf, typeAndPermissions } from "./attributes.js";
import { ContentReader } from "./contents.js";
import { EntryError, entryError } from "./entry-error.js";
import { checkMethod } from "./headers.js";
import { ClaimedSizes } from "./limits.js";
import { entryName, whyNameRefused } from "./names.js";

/** Cost of a batch, in bytes that are unpacked in the same time: no signal is heard meanwhile. */
const BATCH_COST = 8 * 1024 * 1024;
/** Cost of an entry without its content. */
const ENTRY_COST = 16 * 1024;

export interface ZipSourceOptions {
  /** For messages. */
  readonly description: string;
  /** The archive. It is read from its end, so it has to be a regular file. */
  readonly path: HostPath;
  readonly context: SourceContext;
}

/**
 * A zip archive (APPNOTE 6.3.10, with zip64). Contents that are stored as they are stay in it, the
 * others are unpacked into a spool; all have their sizes and checksums verified. Of entries with
 * the same path the last wins, as it does when they are unpacked one over the other.
 */
export class ZipSource implements Source {
  readonly description: string;
  readonly isLayer = false;
  private readonly path: HostPath;
  private readonly context: SourceContext;
  private file: ArchiveFile | undefined;

  constructor({ description, path, context }: ZipSourceOptions) {
    this.description = description;
    this.path = path;
    this.context = context;
  }

  async *entries(): AsyncGenerator<readonly SourceEntry[]> {
    const file = new ArchiveFile(this.path, this.description);
    this.file = file;
    const window = new FileWindow(file);
    const archive = new ZipArchive(file, this.description, window);
    if (archive.trailing > 0) {
      this.context.warn(
        `${this.description}: what follows the archive, ${archive.trailing} bytes, was left out`,
      );
    }
    const contents = new ContentReader(file, window, this.context);
    const sizes = new ClaimedSizes(this.context.limits, file.size, this.description);
    const reader = new EntryReader(archive, contents, sizes);
    let batch: SourceEntry[] = [];
    let cost = 0;
    for (let entry = archive.next(); entry !== undefined; entry = archive.next()) {
      try {
        const found = reader.read(entry);
        batch.push(found instanceof Promise ? await found : found);
      } catch (error) {
        throw entryError(this.description, entryName(entry), error);
      }
      cost += ENTRY_COST + entry.uncompressedSize;
      if (cost < BATCH_COST) continue;
      yield batch;
      batch = [];
      cost = 0;
      await eventTurn();
      this.context.signal.throwIfAborted();
    }
    contents.flush();
    yield batch;
  }

  /** Names of all entries, with nothing unpacked. @throws BuildError */
  names(): ByteString[] {
    const file = new ArchiveFile(this.path, this.description);
    try {
      const archive = new ZipArchive(file, this.description, new FileWindow(file));
      const names: ByteString[] = [];
      for (let entry = archive.next(); entry !== undefined; entry = archive.next()) {
        names.push(entryName(entry));
      }
      return names;
    } finally {
      file.close();
    }
  }

  close(): void {
    this.file?.close();
    this.file = undefined;
  }
}

/** Turns entries of an archive into those of a tree. */
class EntryReader {
  constructor(
    private readonly archive: ZipArchive,
    private readonly contents: ContentReader,
    private readonly sizes: ClaimedSizes,
  ) {}

  /**
   * Reads an entry with its content, whether that is wanted or not: its path is the final one only
   * when the tree has no symlink on the way.
   * @returns a promise only for an entry with a large content
   * @throws EntryError or BuildError
   */
  read(entry: Entry): SourceEntry | Promise<SourceEntry> {
    const path = entryName(entry);
    const refused = whyNameRefused(entry, path);
    if (refused !== undefined) throw new EntryError(refused);
    checkMethod(entry);
    const { kind, permissions } = typeAndPermissions(entry, path);
    const { start, extraFields } = this.archive.locate(entry);
    const fields = [...entry.extraFields, ...extraFields];
    const attributes = { permissions, ...ownersOf(fields), mtimeNs: mtimeOf(entry, fields) };
    const found = (inode: Inode): SourceEntry => ({ kind: "inode", ...entryPath(path), inode });
    const regular = (content: Content | undefined) =>
      found(new RegularInode(attributes, entry.uncompressedSize, content));
    const symlink = (target: Uint8Array) =>
      found(new SymlinkInode(attributes, byteStringOf(target)));

    switch (kind) {
      case "file":
        this.sizes.add(entry);
        return ContentReader.isSmall(entry)
          ? regular(this.contents.place(entry, start))
          : this.contents.placeLarge(entry, start).then(regular);
      case "symlink":
        if (entry.uncompressedSize > SYMLINK_MAX || entry.compressedSize > WINDOW_SIZE) {
          throw new EntryError(`is a symlink, and its target takes more than ${SYMLINK_MAX} bytes`);
        }
        return ContentReader.isSmall(entry)
          ? symlink(this.contents.whole(entry, start))
          : this.contents.wholeLarge(entry, start).then(symlink);
      default:
        if (entry.uncompressedSize !== 0) {
          throw new EntryError("has content, and is not a regular file (it is damaged)");
        }
        return found(
          kind === "directory"
            ? new DirectoryInode(attributes)
            : new SpecialInode(kind, attributes),
        );
    }
  }
}
