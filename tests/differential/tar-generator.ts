// SPDX-License-Identifier: MIT
// Random tar archives of all dialects.
import type { ByteString } from "@daxfs/format";
import type {
  ContentDescription,
  SparseDescription,
  TarDescription,
  TarDialect,
  TarMember,
} from "./description.js";
import type { Dice } from "./dice.js";
import { freeTarget, Names } from "./names.js";

/** A CAP_NET_RAW capability of version 2, which the kernel takes. */
const CAPABILITY =
  "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";

/** Records that say nothing of what an image holds, or what the header says already. */
const IDLE_RECORDS: readonly (readonly [ByteString, ByteString])[] = [
  ["comment", "some text\nin lines"],
  ["hdrcharset", "BINARY"],
  ["atime", "1234567890.123456789"],
  ["ctime", "1234567890"],
  ["uname", "no such user"],
  ["gname", "no such group"],
  ["SCHILY.dev", "2049"],
  ["SCHILY.nlink", "3"],
  ["VENDOR.any=thing", "a=b=c"],
  ["LIBARCHIVE.creationtime", "1000000000"],
];

const MODES = [0o644, 0o755, 0o600, 0o4755, 0o2755, 0o1777, 0, 0o7777, 0o444];
const IDS = [0, 0, 1, 1000, 65534, 2097151, 2097152, 2147483647, 4294967294];

export class TarGenerator {
  private readonly names: Names;
  private readonly leaves: ByteString[] = [];
  private readonly dialects: readonly TarDialect[];

  constructor(
    private readonly dice: Dice,
    odd = true,
  ) {
    this.names = new Names(dice, { odd, long: true });
    const all: readonly TarDialect[] = ["v7", "ustar", "gnu", "pax", "star"];
    // Most archives have one dialect.
    this.dialects = dice.once(6) ? all : [dice.pick(all)];
  }

  archive(): TarDescription {
    const { dice } = this;
    const count = dice.between(1, 12);
    const members: TarMember[] = [];
    if (dice.once(6)) members.push(this.global());
    if (dice.once(25)) members.push({ type: "V", name: "a label", dialect: "gnu" });
    for (let index = 0; index < count; index++) {
      members.push(this.member());
      if (dice.once(40)) members.push(this.global());
    }
    const end = dice.weighted([
      [12, undefined],
      [1, "none" as const],
      [1, "one" as const],
      [2, "record" as const],
    ]);
    const compression = dice.weighted([
      [40, undefined],
      [6, "gzip" as const],
      [1, "bzip2" as const],
      [1, "xz" as const],
      [1, "zstd" as const],
    ]);
    return { kind: "tar", members, ...(end && { end }), ...(compression && { compression }) };
  }

  member(): TarMember {
    const { dice } = this;
    const dialect = dice.pick(this.dialects);
    const make = dice.weighted<() => TarMember>([
      [10, () => this.file(dialect)],
      [7, () => this.directory(dialect)],
      [3, () => ({ type: "2", name: this.newLeaf(), link: freeTarget(dice) })],
      [1, () => this.directoryLink()],
      [4, () => this.hardLink()],
      [2, () => this.device(dialect)],
      [3, () => this.sparse(dialect)],
    ]);
    return this.dressed({ ...make(), ...(dialect !== "ustar" && { dialect }) });
  }

  /** Facts and spellings that any member may have. */
  private dressed(member: TarMember): TarMember {
    const { dice } = this;
    const dialect = member.dialect ?? "ustar";
    const facts: TarMember = {
      mode: dice.pick(MODES),
      uid: dice.pick(IDS),
      gid: dice.pick(IDS),
      mtime: this.time(dialect),
    };
    const name = this.spelled(member.name ?? "f", member.type ?? "0");
    const type = member.type ?? "0";
    return {
      ...facts,
      ...member,
      name,
      ...(dice.once(4) && { digits: dice.pick(["space", "full", "blank"] as const) }),
      ...(dice.once(8) && { wide: true }),
      ...(dice.once(10) && { longNames: true }),
      // GNU tar and Python can't read this of sparse members.
      ...(dice.once(12) && dialect !== "v7" && !member.sparse && { sizeInRecord: true }),
      ...(dice.once(12) && dialect === "gnu" && { headerTimes: true }),
      ...(dialect === "pax" && dice.once(3) && this.xattrs(type)),
      ...(dialect === "pax" && dice.once(4) && { records: this.records() }),
    };
  }

  private time(dialect: TarDialect): string {
    const { dice } = this;
    const seconds = dice.weighted<() => number>([
      [6, () => dice.between(0, 1_700_000_000)],
      [1, () => dice.between(-1_000_000_000, -1)],
      [1, () => dice.pick([0, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 33 - 1, 2 ** 33])],
    ])();
    if (dialect !== "pax" || dice.once(2)) return String(seconds);
    return `${seconds}.${dice.pick(["5", "25", "000000001", "999999999", "123456789123", "0", "10"])}`;
  }

  /** Another spelling of the same path. */
  private spelled(path: ByteString, type: string): ByteString {
    const { dice } = this;
    let name = path;
    const respell = dice.weighted<(name: ByteString) => ByteString>([
      [14, (same) => same],
      [4, (relative) => `./${relative}`],
      [1, (absolute) => `/${absolute}`],
      [1, (doubled) => doubled.replace("/", "//")],
      [1, (dotted) => dotted.replace("/", "/./")],
    ]);
    name = respell(name);
    if (type === "5" && !name.endsWith("/") && dice.once(2)) name += "/";
    return name;
  }

  private newLeaf(): ByteString {
    const { dice } = this;
    // A name that is there already, at times.
    if (this.leaves.length > 0 && dice.once(5)) return dice.pick(this.leaves);
    const path = this.names.leaf();
    this.leaves.push(path);
    return path;
  }

  private content(): ContentDescription {
    const { dice } = this;
    return dice.weighted<() => ContentDescription>([
      [3, () => ({ text: `content ${dice.below(1000)}` })],
      [1, () => ({})],
      [1, () => ({ seed: dice.below(1000), size: dice.pick([511, 512, 513, 1024, 4096, 4097]) })],
      [1, () => ({ seed: dice.below(1000), size: dice.between(1, 30_000) })],
    ])();
  }

  private file(dialect: TarDialect): TarMember {
    const { dice } = this;
    const type = dialect === "v7" || dice.once(5) ? "\0" : dice.once(10) ? "7" : undefined;
    return { ...(type && { type }), name: this.newLeaf(), content: this.content() };
  }

  private directory(dialect: TarDialect): TarMember {
    const { dice } = this;
    const name = this.names.directory(dice.once(8) ? 0 : 1);
    if (name === "") return { type: "5", name: dice.pick([".", "./"]) };
    // Before ustar a slash at the end made the directory.
    const old = dialect === "v7" || dice.once(8);
    const claimedSize = dice.once(old ? 2 : 10) ? dice.pick([512, 4096, 1]) : 0;
    return {
      type: old ? "\0" : "5",
      name: old ? `${name}/` : name,
      ...(claimedSize > 0 && { claimedSize }),
    };
  }

  private directoryLink(): TarMember {
    const { path, target } = this.names.directoryLink();
    return { type: "2", name: path, link: target };
  }

  private hardLink(): TarMember {
    const { dice } = this;
    if (this.leaves.length === 0) return { name: this.newLeaf(), content: this.content() };
    const link = dice.pick(this.leaves);
    const name = this.newLeaf();
    if (name === link) return { name, content: this.content() };
    const claimedSize = dice.once(12) ? dice.pick([1, 512, 1000]) : 0;
    return {
      ...{ type: "1", name },
      link: dice.once(8) ? `${dice.pick(["./", "/"])}${link}` : link,
      ...(claimedSize > 0 && { claimedSize }),
    };
  }

  private device(dialect: TarDialect): TarMember {
    const { dice } = this;
    // v7 has no room for numbers.
    const type = dialect === "v7" ? "6" : dice.pick(["3", "4", "6"]);
    if (type === "6") return { type, name: this.newLeaf() };
    const device = dice.pick([
      [1, 3],
      [0, 0],
      [8, 17],
      [259, 1048575],
      [4095, 256],
    ] as const);
    return { type, name: this.newLeaf(), device };
  }

  private sparse(dialect: TarDialect): TarMember {
    const { dice } = this;
    if (dialect !== "gnu" && dialect !== "pax") return this.file(dialect);
    const version = dialect === "gnu" ? "old" : dice.pick(["0.0", "0.1", "1.0"] as const);
    const map: [number, number][] = [];
    let at = 0;
    for (let count = dice.pick([0, 1, 2, 3, 4, 5, 26, 30]); count > 0; count--) {
      at += dice.pick([0, 512, 4096, 65536]) + (map.length > 0 ? 512 : 0);
      // GNU tar reads whole blocks of each stretch, others what the map says: the same in all but the
      // last if they are whole.
      const length = count > 1 ? dice.pick([512, 1024]) : dice.pick([512, 1024, 1, 700]);
      map.push([at, length]);
      at += length;
    }
    const realSize = at + dice.pick([0, 0, 1, 4096, 1_000_000]);
    // GNU tar ends a map with an empty stretch where the file ends in a hole, and needs it then.
    if (realSize > at || map.length === 0 || dice.once(3)) map.push([realSize, 0]);
    const sparse: SparseDescription = { version, map, realSize };
    const content = { seed: dice.below(1000), size: 2000 };
    return { name: this.newLeaf(), sparse, content };
  }

  private xattrs(type: string): Partial<TarMember> {
    const { dice } = this;
    const isFile = "\x0007".includes(type);
    const xattrs: Record<ByteString, ByteString> = {};
    if (isFile || type === "5") {
      xattrs[dice.pick(["user.a", "user.b", "user.a=b", "user.100%", "user.\xc3\xa9"])] = dice.pick(
        ["value", "", "with\0NUL\n", "\xff\xfe", "v".repeat(300)],
      );
    }
    if (dice.once(2) && type !== "1" && type !== "2") xattrs["trusted.t"] = "t";
    if (isFile && dice.once(6)) xattrs["security.capability"] = CAPABILITY;
    const xattrStyle = dice.pick(["schily", "libarchive", "both"] as const);
    return Object.keys(xattrs).length > 0 ? { xattrs, xattrStyle } : {};
  }

  private records(): (readonly [ByteString, ByteString])[] {
    const { dice } = this;
    return dice.shuffled(IDLE_RECORDS).slice(0, dice.between(1, 3));
  }

  /** A PAX header for all that follows. */
  private global(): TarMember {
    const { dice } = this;
    const records = dice.shuffled<readonly [ByteString, ByteString]>([
      ["comment", "0123456789abcdef0123456789abcdef01234567"],
      ["mtime", String(dice.between(1, 1_000_000_000))],
      ["uid", String(dice.pick(IDS))],
      ["gid", String(dice.pick(IDS))],
      ["SCHILY.xattr.user.global", "g"],
      ["VENDOR.global", "anything"],
    ]);
    return { type: "g", records: records.slice(0, dice.between(1, 2)) };
  }
}
