// SPDX-License-Identifier: MIT
// Where we differ from peers that agree, on purpose: each rule is narrow, has a name, and says why.
// docs/testing.md lists them.
import { FILE_TYPE } from "@daxfs/format";
import type { Disagreement } from "./compare.js";
import type { Description, TarMember, ZipExtra, ZipMember } from "./description.js";
import type { OurAnswer } from "./ours.js";
import { EXTRA } from "./zip-writer.js";

interface Refusal {
  readonly name: string;
  readonly why: string;
  readonly message: RegExp;
}

/** What we refuse although all peers take it and agree. */
const REFUSALS: readonly Refusal[] = [
  {
    name: "devices in zip archives",
    why: "they have no device numbers; unzip and libarchive make empty regular files of them",
    message: /is a device, and zip archives hold no device numbers/,
  },
  {
    name: "hard links with a size in PAX archives",
    why:
      "libarchive takes the header behind one for content, others take it for an entry; at times that " +
      "shows in nothing that is compared",
    message: /is a hard link with a size of \d+ bytes, a header follows/,
  },
  {
    name: "archives without entries",
    why: "most files of zeros only are copies that failed",
    message: /is nothing but zeros/,
  },
];

interface Deviation {
  readonly name: string;
  readonly why: string;
  readonly covers: (
    disagreement: Disagreement,
    description: Description,
    ours: OurAnswer,
  ) => boolean;
}

/** What we take in another way. */
const DEVIATIONS: readonly Deviation[] = [
  {
    name: "directories with several entries",
    why:
      "the last entry counts for all facts; GNU tar and bsdtar set those of directories at the end, and " +
      "those of the first entry last where names are spelled with more than they need, and keep attributes",
    covers: ({ field = "", path = "" }, description, ours) => {
      const entries = membersOf(description).filter(({ name = "f" }) => cleanName(name) === path);
      const isSpelled = entries.some(({ name = "f" }) => name.replace(/\/$/, "") !== path);
      // Of zip archives both do so in any case.
      const several =
        (entries.length > 1 && isSpelled) || zipMembersAt(description, path).length > 1;
      const isDirectory = ours.tree?.get(path)?.get("type") === "040000";
      return isDirectory && several && DIRECTORY_FIELDS.includes(field);
    },
  },
  {
    name: "zip entries made on Darwin",
    why:
      "host 19 of APPNOTE 4.4.2.2 has Unix modes like host 3, as Go's reader knows; unzip and libarchive " +
      "make regular files of its symlinks",
    covers: ({ kind, field, path }, description) =>
      kind === "field" &&
      field !== "path" &&
      zipMembersAt(description, path ?? "").some(({ host }) => host === 19),
  },
  {
    name: "owners of other widths in zip archives",
    why: "extra field 0x7875 says how wide its numbers are; unzip and libarchive read some widths only",
    covers: ({ field, path = "", ours }, description) =>
      (field === "uid" || field === "gid") &&
      zipMembersAt(description, path).some(({ extras = [] }) =>
        extras.some(
          (extra) =>
            extra.id === EXTRA.unixOwners &&
            ![2, 4].includes(extra.width ?? 4) &&
            ours === String(extra[field] ?? 0),
        ),
      ),
  },
  {
    name: "owners of 16 bits beside wider ones in zip archives",
    why: "extra field 0x7875 goes before 0x7855, which has no room for more; unzip and libarchive take the last",
    covers: ({ field, path = "" }, description) =>
      (field === "uid" || field === "gid") &&
      zipMembersAt(description, path).some(({ extras = [] }) =>
        [EXTRA.unixOwners, EXTRA.unixOwners16].every((wanted) =>
          extras.some(({ id }) => id === wanted),
        ),
      ),
  },
  {
    name: "times of NTFS",
    why: "extra field 0x000a is the most exact time; unzip and libarchive don't read it, 7-Zip does",
    covers: ({ field, path = "", ours }, description) =>
      field === "mtime" &&
      zipMembersAt(description, path).some(({ extras = [] }) =>
        extras.some(({ id, ntfs }) => id === EXTRA.ntfs && ours === ntfsTime(ntfs ?? "0")),
      ),
  },
  {
    name: "fifos and sockets in zip archives",
    why: "the Unix mode says what they are; unzip and libarchive make empty regular files of them",
    covers: ({ field = "", path = "", ours }, description) =>
      ["type", "size", "content"].includes(field) &&
      zipMembersAt(description, path).some(({ mode = 0 }) =>
        [FILE_TYPE.FIFO, FILE_TYPE.SOCKET].some(
          (type) =>
            (mode & FILE_TYPE.MASK) === type &&
            ours === (field === "type" ? `0${type.toString(8)}` : "absent"),
        ),
      ),
  },
  {
    name: "names in code page 437",
    why:
      "APPNOTE, appendix D: names that are neither marked as UTF-8 nor from Unix; unzip and libarchive " +
      "take other encodings, each its own",
    covers: ({ field, path = "", ours }, description) =>
      zipMembers(description).some(({ name = "f", host = 3, utf8 }) => {
        const applies = host !== 3 && host !== 19 && !utf8 && !ASCII.test(name);
        // A path that has the bytes of the name may also be another entry.
        const isDecoded = field === "path" && ours === "there";
        return applies && (isDecoded ? !ASCII.test(path) : cleanName(name) === path);
      }),
  },
  {
    name: "extra fields of the central directory only",
    why: "what the local header lacks is taken from there; unzip and libarchive read some fields only in one",
    covers: ({ field = "", path = "", ours }, description) =>
      zipMembersAt(description, path).some(({ extras = [] }) =>
        extras.some(
          (extra) =>
            extra.only === "central" &&
            ours === valueIn(extra, field) &&
            !extras.some(({ id, only }) => id === extra.id && only !== "central"),
        ),
      ),
  },
];

const ASCII = /^[\0-\x7f]*$/;
/** 1970 in units of 100 ns since 1601. */
const NTFS_EPOCH = 116_444_736_000_000_000n;
const TIME_MIN = -(2n ** 63n);

/** Nanoseconds since 1970, the nearest that an image holds. */
function ntfsTime(units: string): string {
  const time = (BigInt(units) - NTFS_EPOCH) * 100n;
  return String(time < TIME_MIN ? TIME_MIN : time);
}

/** What an extra field says of a fact, undefined for what it does not know. */
function valueIn(extra: ZipExtra, field: string): string | undefined {
  if (field === "mtime") return String(BigInt(extra.mtime ?? 1_000_000_000) * 1_000_000_000n);
  if (field === "uid" || field === "gid") return String(extra[field] ?? 0);
  return undefined;
}

const DIRECTORY_FIELDS = ["mode", "uid", "gid", "mtime", "xattrs"];

function zipMembers(description: Description): readonly ZipMember[] {
  return description.kind === "zip" ? (description.members ?? []) : [];
}

function zipMembersAt(description: Description, path: string): readonly ZipMember[] {
  return zipMembers(description).filter(({ name = "f", extras = [] }) => {
    const names = extras.flatMap((extra) =>
      extra.id === EXTRA.unicodePath ? (extra.name ?? []) : [],
    );
    return [name, ...names].some((spelled) => cleanName(spelled) === path);
  });
}

function membersOf(description: Description): readonly TarMember[] {
  return description.kind === "tar" ? (description.members ?? []) : [];
}

/** As it is in a tree. */
function cleanName(name: string): string {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  return parts.join("/") || ".";
}

/** The name of the rule by which a message refuses what all peers take. */
export function refusalOf(message: string): string | undefined {
  return REFUSALS.find((rule) => rule.message.test(message))?.name;
}

/** The name of the rule that a disagreement falls under. */
export function deviationOf(
  disagreement: Disagreement,
  description: Description,
  ours: OurAnswer,
): string | undefined {
  return DEVIATIONS.find((rule) => rule.covers(disagreement, description, ours))?.name;
}
