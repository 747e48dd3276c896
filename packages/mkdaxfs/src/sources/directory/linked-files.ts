// SPDX-License-Identifier: MIT
import type { Inode } from "../../model/inode.js";

/** Inode number; a bigint where a number would not be exact. */
export type InodeNumber = number | bigint;

/** What lstat(2) said of one name of a file. */
export interface FoundFile {
  readonly dev: number;
  readonly ino: InodeNumber;
  /** Whether the link count says that the file has other names. */
  readonly linked: boolean;
}

/**
 * The files of a directory source by device and inode number. Link counts can't be trusted: some
 * filesystems, such as fuse-overlayfs, count only the names that somebody has looked up. Inode
 * numbers alone can't be either: some network filesystems give one to several files. So names with
 * equal numbers belong to one file where the link count says so for both, or where everything else
 * that is known of them is equal too.
 */
export class LinkedFiles {
  private readonly linked = new FileTable();
  private readonly single = new FileTable();

  /**
   * The file that a name belongs to.
   * @param make makes it, where this is its first name
   * @param isSame whether all that is known of the name fits a file
   */
  fileOf(
    { dev, ino, linked }: FoundFile,
    make: () => Inode,
    isSame: (file: Inode) => boolean,
  ): Inode {
    const known = this.linked.get(dev, ino);
    if (known !== undefined && (linked || isSame(known))) return known;
    const single = this.single.get(dev, ino);
    const file = single !== undefined && isSame(single) ? single : make();
    if (linked) this.linked.set(dev, ino, file);
    else if (single === undefined) this.single.set(dev, ino, file);
    return file;
  }
}

class FileTable {
  private readonly devices = new Map<number, Map<InodeNumber, Inode>>();

  get(dev: number, ino: InodeNumber): Inode | undefined {
    return this.devices.get(dev)?.get(ino);
  }

  set(dev: number, ino: InodeNumber, file: Inode): void {
    const files = this.devices.get(dev);
    if (files === undefined) this.devices.set(dev, new Map([[ino, file]]));
    else files.set(ino, file);
  }
}
