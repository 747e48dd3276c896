// SPDX-License-Identifier: MIT
// Random zip archives with every field that programs write.
import type { ByteString } from "@daxfs/format";
import type { ContentDescription, ZipDescription, ZipExtra, ZipMember } from "./description.js";
import type { Dice } from "./dice.js";
import { freeTarget, Names } from "./names.js";
import { EXTRA } from "./zip-writer.js";

const UNIX = 3;
const DOS = 0;
const NTFS_HOST = 10;
const DARWIN = 19;

const TYPE = { regular: 0o100000, directory: 0o040000, symlink: 0o120000, fifo: 0o010000 } as const;
const MODES = [0o644, 0o755, 0o600, 0o4755, 0o1777, 0o777, 0o444];
/** Of an archive: most peers know deflate only, and refuse all of an archive with another method. */
const METHODS: readonly (readonly [number, readonly number[]])[] = [
  [10, [0, 8]],
  [2, [0, 8, 12]],
  [1, [8, 14]],
  [1, [95]],
  [1, [93]],
];
/** Few, so that what programs pack is packed once. */
const PACKED = Array.from({ length: 8 }, (_, seed) => ({ seed, size: 50 + seed * 700 }));
/** 1970 in units of 100 ns since 1601. */
const NTFS_EPOCH = 116_444_736_000_000_000n;
const CP437_NAMES: readonly ByteString[] = ["caf\x82", "\x80\x81\x82", "gr\x81\xe1e", "plain"];

export class ZipGenerator {
  private readonly names: Names;
  private readonly leaves: ByteString[] = [];

  private readonly methods: readonly number[];

  constructor(private readonly dice: Dice) {
    this.names = new Names(dice, { odd: false, long: true });
    this.methods = dice.weighted(METHODS);
  }

  archive(): ZipDescription {
    const { dice } = this;
    const members = Array.from({ length: dice.between(1, 8) }, () => this.member());
    const stub = dice.weighted<ByteString | undefined>([
      [8, undefined],
      [1, "#!/usr/bin/env python3\n"],
      [1, `MZ${"\x90".repeat(dice.between(60, 600))}`],
    ]);
    return {
      kind: "zip",
      members,
      ...(stub !== undefined && { stub, ...(dice.once(2) && { counted: true }) }),
      ...(dice.once(12) && { behind: dice.pick(["\0".repeat(100), "junk behind it\n"]) }),
      ...(dice.once(8) && { comment: "a comment\r\nof two lines" }),
      ...(dice.once(6) && { zip64End: true }),
    };
  }

  private member(): ZipMember {
    const { dice } = this;
    const host = dice.weighted([
      [8, UNIX],
      [2, DOS],
      [1, NTFS_HOST],
      [1, DARWIN],
    ]);
    const isUnix = host === UNIX || host === DARWIN;
    const make = dice.weighted<() => ZipMember>([
      [10, () => this.file(isUnix)],
      [4, () => this.directory(isUnix)],
      [isUnix ? 2 : 0, () => this.symlink()],
      [isUnix && dice.once(3) ? 1 : 0, () => this.special()],
    ]);
    const member = make();
    const extras = this.extras(member.name ?? "f");
    // Which of the two counts nobody agrees about.
    const hasUnicodePath = extras.some(({ id }) => id === EXTRA.unicodePath);
    const zip64 = dice.shuffled(["size", "compressed", "offset"] as const);
    return {
      ...member,
      ...(host !== UNIX && { host }),
      ...(hasUnicodePath && { utf8: false }),
      dosTime: this.dosTime(),
      ...(extras.length > 0 && { extras }),
      ...(dice.once(5) && { descriptor: dice.pick(["signed", "bare"] as const) }),
      ...(dice.once(8) && { zip64: zip64.slice(0, dice.between(1, 3)) }),
      ...(dice.once(10) && { localZip64: true }),
      ...(dice.once(15) && { comment: "of the member" }),
    };
  }

  private file(isUnix: boolean): ZipMember {
    const { dice } = this;
    const method = dice.pick(this.methods);
    const content: ContentDescription =
      method > 8
        ? dice.pick(PACKED)
        : dice.pick([
            { text: "text" },
            {},
            { seed: dice.below(99), size: dice.between(1, 20_000) },
          ]);
    const name = this.leaf(isUnix);
    const facts = isUnix
      ? { mode: (dice.once(10) ? 0 : TYPE.regular) | dice.pick(MODES) }
      : { dos: dice.pick([0, 0x20, 0x01, 0x21]) };
    const isText = /^[\0-\x7f]*$/.test(name);
    return { name, method, content, ...facts, ...(isText && dice.once(3) && { utf8: true }) };
  }

  private leaf(isUnix: boolean): ByteString {
    const { dice } = this;
    if (this.leaves.length > 0 && dice.once(12)) return dice.pick(this.leaves);
    const path =
      !isUnix && dice.once(3)
        ? dice.pick(CP437_NAMES)
        : dice.once(12)
          ? `./${this.names.leaf()}`
          : this.names.leaf();
    this.leaves.push(path);
    return path;
  }

  private directory(isUnix: boolean): ZipMember {
    const { dice } = this;
    const name = `${this.names.directory(1)}/`;
    if (!isUnix) return { name, dos: 0x10 };
    // Some programs write the mode of a file.
    return {
      name,
      mode: (dice.once(8) ? TYPE.regular : TYPE.directory) | dice.pick(MODES),
      dos: 0x10,
    };
  }

  private symlink(): ZipMember {
    const { dice } = this;
    const method = dice.pick([0, 0, 8]);
    return {
      name: this.leaf(true),
      mode: TYPE.symlink | 0o777,
      method,
      content: { text: freeTarget(dice) },
    };
  }

  private special(): ZipMember {
    const { dice } = this;
    return { name: this.leaf(true), mode: dice.pick([TYPE.fifo, 0o140000, 0o020000]) | 0o644 };
  }

  private dosTime(): number {
    const { dice } = this;
    const year = dice.pick([1980, 1999, 2017, 2025, 2037, 2050, 2107]);
    const date = ((year - 1980) << 9) | (dice.between(1, 12) << 5) | dice.between(1, 28);
    const time = (dice.below(24) << 11) | (dice.below(60) << 5) | dice.below(30);
    return ((date << 16) | time) >>> 0;
  }

  private extras(name: ByteString): ZipExtra[] {
    const { dice } = this;
    if (dice.once(3)) return [];
    const mtime = dice.pick([0, 1, 1_000_000_000, 1_600_000_001, 2 ** 31 - 1, -1000]);
    const uid = dice.pick([0, 1, 1000, 65535]);
    const gid = dice.pick([0, 5, 100]);
    const ntfsTime = NTFS_EPOCH + BigInt(dice.between(0, 1_700_000_000)) * 10_000_000n + 1234567n;
    const all: readonly ZipExtra[] = [
      { id: EXTRA.extendedTimes, mtime, ...(dice.once(2) && { atime: mtime + 5 }) },
      { id: EXTRA.unixTimes, mtime, atime: 5, uid, gid },
      { id: EXTRA.unixOwners16, uid, gid },
      { id: EXTRA.unixOwners, uid: dice.pick([uid, 3_000_000]), gid, width: 4 },
      { id: EXTRA.unixOwners, uid, gid, width: dice.pick([2, 8]) },
      { id: EXTRA.pkwareUnix, mtime, atime: 5, uid, gid },
      { id: EXTRA.ntfs, ntfs: String(ntfsTime) },
      {
        id: EXTRA.unicodePath,
        name: `${name.replace(/\/$/, "").replace(/[^\0-\x7f]/g, "u")}\xc3\xa9${/\/$/.test(name) ? "/" : ""}`,
        ...(dice.once(3) && { stale: true }),
      },
      { id: dice.pick([0x9901, 0x4b46, 0xa220, 0x6375]), data: "\x01\x02\x03\x04\x05\x06" },
    ];
    const fields = all.map((extra) =>
      dice.once(12) && extra.id !== EXTRA.unicodePath
        ? { ...extra, only: dice.pick(["local", "central"] as const) }
        : extra,
    );
    const count = dice.weighted([
      [6, 1],
      [4, 2],
      [1, 3],
    ]);
    const chosen = dice.shuffled(fields).slice(0, count);
    const [first] = chosen;
    if (first === undefined || first.id === EXTRA.unicodePath || !dice.once(15)) return chosen;
    // The two headers say different things.
    const other = { mtime: dice.between(1, 1_600_000_000), uid: dice.pick([3, 4]), gid: 6 };
    return [
      { ...first, only: "local" },
      { ...first, ...other, only: "central" },
    ];
  }
}
