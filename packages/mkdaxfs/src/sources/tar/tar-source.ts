// SPDX-License-Identifier: MIT
import { readSync } from "node:fs";
import { setImmediate as eventTurn } from "node:timers/promises";
import { BuildError } from "../../errors.js";
import { withFile } from "../../host/file.js";
import { cleanPath, entryPath } from "../../model/entry-path.js";
import {
  DeviceInode,
  DirectoryInode,
  type Inode,
  RegularInode,
  SpecialInode,
  SymlinkInode,
} from "../../model/inode.js";
import type { Source, SourceEntry } from "../../model/source.js";
import type { ByteInput } from "../byte-input.js";
import type { SourceContext } from "../context.js";
import {
  decompress,
  detectCompression,
  fileStream,
  MAGIC_SIZE,
  withFirstBytes,
} from "../decompress/decompress.js";
import type { Digest } from "../digest.js";
import { type ArchiveFile, Contents } from "./contents.js";
import type { TarEntry } from "./entry.js";
import { FileTarInput, StreamTarInput, type TarInput } from "./input.js";
import { TarReader, WAIT, type Wait } from "./reader.js";
import { knownDigest, verified } from "./verify.js";

export interface TarSourceOptions {
  /** For messages: the archive's path, or an image and a layer's digest. */
  readonly description: string;
  /** Whether it is a layer of a container image, whose whiteouts have a meaning. */
  readonly isLayer: boolean;
  readonly context: SourceContext;
  /** "sha256:…" or "sha512:…" of the bytes that `open` gives. */
  readonly digest?: string | undefined;
  /** The same of the uncompressed archive. */
  readonly diffId?: string | undefined;
  /** Whether the bytes that `open` gives have been checked against a digest already. */
  readonly isVerified?: boolean;
  /** Called once, when the entries are read. */
  readonly open: () => Promise<ByteInput>;
}

/** Entries in a batch. */
const BATCH_SIZE = 512;

/** An archive that was opened: its uncompressed bytes, and the file that has them, if one does. */
interface OpenArchive {
  readonly input: TarInput;
  readonly file: ArchiveFile | undefined;
}

/**
 * A tar archive, plain or compressed; the compression is told by the first bytes, whatever a media
 * type or a file name says of it.
 *
 * Contents of a plain archive in a file are read there when the image is written. All others go to
 * a spool, whether they are wanted or not: a hard link further on may name any of them.
 */
export class TarSource implements Source {
  readonly description: string;
  readonly isLayer: boolean;
  /** Bytes of all contents so far, and entries. */
  private contentSize = 0;
  private entryCount = 0;
  /** Entries with an NFSv4 ACL. */
  private nfs4Acls = 0;

  constructor(private readonly options: TarSourceOptions) {
    this.description = options.description;
    this.isLayer = options.isLayer;
  }

  /** @throws BuildError */
  async *entries(): AsyncGenerator<readonly SourceEntry[]> {
    const { context } = this.options;
    const { input, file } = await this.openArchive();
    try {
      const reader = new TarReader(input, this.description, context.xattrVerdict);
      const contents = new Contents(input, reader, file, context.newSpool);
      let batch: SourceEntry[] = [];
      for (const entry of this.readEntries(reader, contents)) {
        if (entry === WAIT) {
          await input.more();
          context.signal.throwIfAborted();
          continue;
        }
        batch.push(entry);
        if (batch.length < BATCH_SIZE) continue;
        yield this.done(batch, contents);
        batch = [];
        // A plain archive is read without a promise, and signals want to be heard.
        await eventTurn();
        context.signal.throwIfAborted();
      }
      this.checkEnd(reader, this.entryCount + batch.length > 0);
      this.warnOfAcls();
      this.warnOfIncrement(reader);
      yield this.done(batch, contents);
    } finally {
      await input.close();
    }
  }

  /** Nothing: what spools hold is given back by the build. */
  close(): void {}

  private done(batch: SourceEntry[], contents: Contents): readonly SourceEntry[] {
    contents.flush();
    this.entryCount += batch.length;
    this.options.context.report({ stage: "read", done: this.entryCount, total: undefined });
    return batch;
  }

  private async openArchive(): Promise<OpenArchive> {
    const { options, description } = this;
    const check = (text: string | undefined) =>
      text === undefined ? undefined : knownDigest(text, description);
    let digest = check(options.digest);
    const diffId = check(options.diffId);
    const opened = await options.open();
    let file: ArchiveFile | undefined;
    if (opened.kind === "file" && isPlain(opened)) {
      file = archiveFile(opened);
      if (digest === undefined && diffId === undefined) {
        return { input: new FileTarInput(opened.path, opened.offset, opened.size), file };
      }
      // The same bytes need no second look.
      if (options.digest === options.diffId) digest = undefined;
    }
    // With two digests, the first one has been found to be right when the second is looked at.
    const isUnpacked = options.isVerified === true || digest !== undefined;
    const passing = (
      stream: AsyncIterable<Uint8Array>,
      expected: Digest | undefined,
      ofUnpacked = false,
    ) => (expected === undefined ? stream : verified(stream, expected, description, ofUnpacked));
    const whole =
      opened.kind === "file" ? fileStream(opened.path, opened.offset, opened.size) : opened.stream;
    const { first, stream } = await withFirstBytes(passing(whole, digest), MAGIC_SIZE);
    const { limits, warn } = options.context;
    const tar = decompress(stream, detectCompression(first), description, limits, warn);
    return { input: new StreamTarInput(passing(tar, diffId, isUnpacked)), file };
  }

  private *readEntries(reader: TarReader, contents: Contents): Generator<SourceEntry | Wait, void> {
    for (const member of reader.entries()) {
      yield member === WAIT ? WAIT : yield* this.entry(member, reader, contents);
    }
  }

  private *entry(
    member: TarEntry,
    reader: TarReader,
    contents: Contents,
  ): Generator<Wait, SourceEntry> {
    const { directory, name } = entryPath(member.path);
    if (name === "" && member.kind !== "directory") throw reader.failure(notTheRoot(member));
    if (member.kind === "link") {
      if (member.linkPath === "") throw reader.failure("is a hard link without a target");
      const target = cleanPath(member.linkPath);
      return { kind: "link", directory, name, target, mtimeNs: member.mtimeNs };
    }
    const inode = yield* this.inode(member, member.kind, contents);
    if (member.hasNfs4Acl) this.nfs4Acls++;
    return { kind: "inode", directory, name, inode };
  }

  private *inode(
    member: TarEntry,
    kind: Exclude<TarEntry["kind"], "link">,
    contents: Contents,
  ): Generator<Wait, Inode> {
    const { mode, uid, gid, mtimeNs, xattrs } = member;
    // Without any it takes those that all such inodes share.
    const attributes = {
      ...{ permissions: mode, uid, gid, mtimeNs },
      xattrs: xattrs.length > 0 ? xattrs : undefined,
    };
    switch (kind) {
      case "directory":
        return new DirectoryInode(attributes);
      case "file": {
        const size = member.sparse?.realSize ?? member.storedSize;
        this.addSize(size);
        const content = size > 0 ? yield* contents.place(member) : undefined;
        return new RegularInode(attributes, size, content);
      }
      case "symlink":
        return new SymlinkInode(attributes, member.linkPath);
      case "character-device":
      case "block-device": {
        const device = { major: member.deviceMajor, minor: member.deviceMinor };
        return new DeviceInode(kind, attributes, device);
      }
      case "fifo":
        return new SpecialInode(kind, attributes);
    }
  }

  private addSize(size: number): void {
    this.contentSize += size;
    const { maxSize } = this.options.context.limits;
    if (maxSize === undefined || this.contentSize <= maxSize) return;
    throw new BuildError(
      `${this.description}: its files have more than ${maxSize} bytes (raise --max-size if that ` +
        "is right)",
    );
  }

  private warnOfAcls(): void {
    if (this.nfs4Acls === 0) return;
    const files = this.nfs4Acls === 1 ? "1 file" : `${this.nfs4Acls} files`;
    this.options.context.warn(
      `${this.description}: left out the NFSv4 ACLs of ${files}: Linux shows POSIX ACLs only`,
    );
  }

  private warnOfIncrement({ isIncrement }: TarReader): void {
    if (!isIncrement) return;
    this.options.context.warn(
      `${this.description}: is an incremental archive of GNU tar: files that were removed or renamed ` +
        "since the archive before it are not (extract them with tar -xG, and build from that)",
    );
  }

  /** @param hasEntries what has none, and yet data, is some other kind of file @throws BuildError */
  private checkEnd({ endMarker, dataBehindEnd }: TarReader, hasEntries: boolean): void {
    const { context, digest, diffId } = this.options;
    if (!endMarker && digest === undefined && diffId === undefined) {
      context.warn(`${this.description}: has no end marker, perhaps it was cut short`);
    }
    if (dataBehindEnd !== undefined && !hasEntries) {
      throw new BuildError(
        `${this.description}: is not a tar archive: it begins with zeros, and has data from byte ` +
          `${dataBehindEnd} on (make the image again)`,
      );
    }
    if (dataBehindEnd !== undefined) {
      context.warn(
        `${this.description}: what follows its end at byte ${dataBehindEnd} was left out ` +
          "(archives put together with cat are separate sources)",
      );
    }
  }
}

const KIND_NAMES: Readonly<Record<TarEntry["kind"], string>> = {
  file: "a file",
  link: "a hard link",
  symlink: "a symlink",
  "character-device": "a character device",
  "block-device": "a block device",
  directory: "a directory",
  fifo: "a fifo",
};

/** What is wrong with an entry that is not a directory and has the path of the root. */
function notTheRoot({ kind, path }: TarEntry): string {
  const what = path === "" ? "has no name" : "has a name that stands for the root of the tree";
  return `is ${KIND_NAMES[kind]} and ${what} (it is damaged: make the archive again)`;
}

type FileInput = Extract<ByteInput, { kind: "file" }>;

function isPlain({ path, offset, size }: FileInput): boolean {
  const first = Buffer.alloc(Math.min(MAGIC_SIZE, size));
  withFile(path, (descriptor) => readSync(descriptor, first, 0, first.length, offset));
  return detectCompression(first) === "none";
}

function archiveFile({ path, offset }: FileInput): ArchiveFile {
  const slash = path.lastIndexOf("/");
  if (slash < 0) return { directory: ".", name: path, offset };
  return { directory: path.slice(0, slash + 1), name: path.slice(slash + 1), offset };
}
