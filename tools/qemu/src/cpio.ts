// SPDX-License-Identifier: MIT

const TYPE_DIRECTORY = 0o040000;
const TYPE_CHARACTER_DEVICE = 0o020000;
const TYPE_FILE = 0o100000;
const TYPE_SYMLINK = 0o120000;

interface Entry {
  mode: number;
  content: Buffer;
  device: { major: number; minor: number };
}

const NO_DEVICE = { major: 0, minor: 0 };

/**
 * Builds an archive in the "newc" format, the one an initramfs takes. Everything belongs to root
 * and device nodes are only entries, so that no privilege is needed. Missing parent directories
 * are added. A later entry replaces an earlier one of the same path.
 */
export class CpioArchive {
  readonly #entries = new Map<string, Entry>();

  /** Adds a regular file. */
  addFile(path: string, content: Buffer | string, mode = 0o644): void {
    this.#add(path, {
      mode: TYPE_FILE | mode,
      content: Buffer.isBuffer(content) ? content : Buffer.from(content),
      device: NO_DEVICE,
    });
  }

  /** Adds a directory. */
  addDirectory(path: string, mode = 0o755): void {
    this.#add(path, { mode: TYPE_DIRECTORY | mode, content: Buffer.alloc(0), device: NO_DEVICE });
  }

  /** Adds a symbolic link. */
  addSymlink(path: string, target: string): void {
    this.#add(path, {
      mode: TYPE_SYMLINK | 0o777,
      content: Buffer.from(target),
      device: NO_DEVICE,
    });
  }

  /** Adds a character device node. */
  addCharacterDevice(path: string, major: number, minor: number, mode = 0o600): void {
    this.#add(path, {
      mode: TYPE_CHARACTER_DEVICE | mode,
      content: Buffer.alloc(0),
      device: { major, minor },
    });
  }

  /** The finished archive. */
  toBuffer(): Buffer {
    const parts: Buffer[] = [];
    let inode = 1;
    // Sorted, a directory comes before what is in it, which the kernel's unpacker relies on.
    for (const [path, entry] of [...this.#entries].sort(([a], [b]) => (a < b ? -1 : 1))) {
      parts.push(...encode(path, entry, inode++));
    }
    const trailer = { mode: 0, content: Buffer.alloc(0), device: NO_DEVICE };
    parts.push(...encode("TRAILER!!!", trailer, 0));
    return Buffer.concat(parts);
  }

  #add(path: string, entry: Entry): void {
    const names = path.split("/").filter((name) => name !== "" && name !== ".");
    if (names.length === 0 || names.includes("..")) throw new Error(`bad guest path: "${path}"`);
    for (let length = 1; length < names.length; length++) {
      const parent = names.slice(0, length).join("/");
      if (!this.#entries.has(parent)) this.addDirectory(parent);
    }
    this.#entries.set(names.join("/"), entry);
  }
}

function encode(path: string, { mode, content, device }: Entry, inode: number): Buffer[] {
  const name = Buffer.from(`${path}\0`);
  const links = (mode & TYPE_DIRECTORY) === TYPE_DIRECTORY ? 2 : 1;
  const [user, group, time, fileDevice, checksum] = [0, 0, 0, NO_DEVICE, 0];
  const fields = [
    inode,
    mode,
    user,
    group,
    links,
    time,
    content.length,
    fileDevice.major,
    fileDevice.minor,
    device.major,
    device.minor,
    name.length,
    checksum,
  ];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`;
  return [
    Buffer.from(header),
    name,
    padding(header.length + name.length),
    content,
    padding(content.length),
  ];
}

function padding(length: number): Buffer {
  return Buffer.alloc((4 - (length % 4)) % 4);
}
