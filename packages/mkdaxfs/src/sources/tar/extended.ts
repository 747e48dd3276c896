// SPDX-License-Identifier: MIT

import {
  ACCESS_ACL,
  type ByteString,
  bytesOf,
  DEFAULT_ACL,
  printable,
  XATTR_LIST_MAX,
  XATTR_NAME_MAX,
  XATTR_VALUE_MAX,
  type Xattr,
} from "@daxfs/format";
import type { XattrVerdict } from "../../model/xattr-verdict.js";
import { aclValue, modeWithAcl, modeWithAclText } from "./acl.js";
import { isIncrement } from "./dumpdir.js";
import { TarError } from "./header.js";
import { badValue, type PaxRecord, paxNumber, paxPath, paxTime } from "./pax.js";
import { parseSparseRecord, SPARSE_PAIRS_MAX, tooManyStretches } from "./sparse.js";

const U32_MAX = 0xffffffff;
const NO_XATTRS: readonly Xattr[] = [];
/** Of an attribute that is left out and only counted: a large one need not take memory. */
const NO_VALUE = new Uint8Array(0);

/** What becomes of the attributes of a name. */
export type XattrVerdicts = (name: ByteString) => XattrVerdict;

/** What extended headers say of a member; what they leave out, its own header says. */
export class Extended {
  path: ByteString | undefined;
  linkPath: ByteString | undefined;
  size: number | undefined;
  uid: number | undefined;
  gid: number | undefined;
  /** Nanoseconds since 1970. */
  mtimeNs: bigint | undefined;
  deviceMajor: number | undefined;
  deviceMinor: number | undefined;
  /** Of a sparse member: its name, where `path` has a stand-in. */
  sparsePath: ByteString | undefined;
  /** Bytes of a sparse file. */
  realSize: number | undefined;
  sparseMajor: number | undefined;
  sparseMinor: number | undefined;
  /** Offsets and lengths of versions 0.0 and 0.1; undefined where there is no map. */
  sparseNumbers: number[] | undefined;
  private anyXattrs = false;
  private xattrList: Map<ByteString, Uint8Array> | undefined;
  private libarchiveXattrs: Map<ByteString, Uint8Array> | undefined;
  private aclAccess: ByteString | undefined;
  private aclDefault: ByteString | undefined;
  /** Whether there is an NFSv4 ACL, which Linux has no place for. */
  hasNfs4Acl = false;
  /** See {@link isIncrement}. */
  isIncrement = false;

  /** @param verdict attributes that it does not keep are not parsed */
  constructor(private readonly verdict: XattrVerdicts) {}

  /** @param records in their order @throws TarError */
  addPax(records: readonly PaxRecord[]): void {
    for (const record of records) this.addRecord(record);
  }

  /** The same again, for a member to add its own to what is said of all. */
  copy(): Extended {
    const copy = Object.assign(new Extended(this.verdict), this);
    copy.xattrList = this.xattrList && new Map(this.xattrList);
    copy.libarchiveXattrs = this.libarchiveXattrs && new Map(this.libarchiveXattrs);
    copy.sparseNumbers = this.sparseNumbers && [...this.sparseNumbers];
    return copy;
  }

  /** Whether the entry is sparse, in one of PAX's formats. */
  get isSparse(): boolean {
    return (
      this.sparseMajor !== undefined ||
      this.sparseNumbers !== undefined ||
      this.realSize !== undefined
    );
  }

  /** Extended attributes, access control lists among them. @throws TarError */
  xattrs(): readonly Xattr[] {
    if (!this.anyXattrs) return NO_XATTRS;
    // Who writes attributes libarchive's way gives each of them, and encodes any name safely.
    const all = new Map(this.libarchiveXattrs ?? this.xattrList);
    this.addAcl(all, "access", this.aclAccess);
    this.addAcl(all, "default", this.aclDefault);
    const xattrs = Array.from(all, ([name, value]) => ({ name, value }));
    checkXattrs(xattrs.filter(({ name }) => this.verdict(name) === "kept"));
    return xattrs;
  }

  /**
   * The mode of the member, see {@link modeWithAcl}. The ACL counts also where it is left out, so
   * that the mode does not depend on that.
   * @param mode as the member's own header has it
   * @param xattrs what `xattrs` returned
   */
  mode(mode: number, xattrs: readonly Xattr[]): number {
    const acl = xattrs.find(({ name }) => name === ACCESS_ACL);
    if (acl !== undefined) return modeWithAcl(mode, acl.value);
    return this.aclAccess === undefined ? mode : modeWithAclText(mode, this.aclAccess);
  }

  private addAcl(
    all: Map<ByteString, Uint8Array>,
    kind: "access" | "default",
    text: ByteString | undefined,
  ): void {
    const name = kind === "access" ? ACCESS_ACL : DEFAULT_ACL;
    // The attribute itself is more exact: the text may have names without numbers.
    if (text === undefined || all.has(name) || this.verdict(name) !== "kept") return;
    const value = aclValue(text, kind);
    if (value !== undefined) all.set(name, value);
  }

  private addRecord(record: PaxRecord): void {
    const [keyword, value] = record;
    // An empty value takes back what was said before.
    const given = value !== "";
    switch (keyword) {
      case "path":
        this.path = given ? paxPath(record) : undefined;
        break;
      case "linkpath":
        this.linkPath = given ? paxPath(record) : undefined;
        break;
      case "size":
        this.size = given ? paxNumber(record) : undefined;
        break;
      case "uid":
        this.uid = given ? paxNumber(record, U32_MAX) : undefined;
        break;
      case "gid":
        this.gid = given ? paxNumber(record, U32_MAX) : undefined;
        break;
      case "mtime":
        this.mtimeNs = given ? paxTime(record) : undefined;
        break;
      case "SCHILY.devmajor":
        this.deviceMajor = given ? paxNumber(record, U32_MAX) : undefined;
        break;
      case "SCHILY.devminor":
        this.deviceMinor = given ? paxNumber(record, U32_MAX) : undefined;
        break;
      case "SCHILY.acl.access":
        this.aclAccess = given ? value : undefined;
        this.anyXattrs = true;
        break;
      case "SCHILY.acl.default":
        this.aclDefault = given ? value : undefined;
        this.anyXattrs = true;
        break;
      case "SCHILY.acl.ace":
        this.hasNfs4Acl = given && this.verdict("system.nfs4_acl") !== "excluded";
        break;
      case "SCHILY.realsize":
        this.realSize = paxNumber(record);
        break;
      default:
        if (keyword.startsWith("GNU.")) this.addGnuRecord(record);
        else this.addXattrRecord(keyword, value);
    }
  }

  private addGnuRecord(record: PaxRecord): void {
    const [keyword, value] = record;
    switch (keyword) {
      case "GNU.sparse.major":
        this.sparseMajor = paxNumber(record);
        break;
      case "GNU.sparse.minor":
        this.sparseMinor = paxNumber(record);
        break;
      case "GNU.sparse.name":
        this.sparsePath = paxPath(record);
        break;
      case "GNU.sparse.realsize":
      case "GNU.sparse.size":
        this.realSize = paxNumber(record);
        break;
      case "GNU.sparse.numblocks":
        // Version 0.0 gives the map in records of its own behind this one.
        this.sparseNumbers = [];
        break;
      case "GNU.sparse.offset":
      case "GNU.sparse.numbytes":
        this.addSparseNumber(record);
        break;
      case "GNU.sparse.map":
        this.sparseNumbers = value === "" ? [] : parseSparseRecord(keyword, value);
        break;
      case "GNU.dumpdir":
        this.isIncrement = isIncrement(value);
        break;
      case "GNU.volume.filename":
      case "GNU.volume.size":
      case "GNU.volume.offset":
        throw new TarError("it is continued from another volume (put the volumes together first)");
    }
  }

  private addSparseNumber(record: PaxRecord): void {
    this.sparseNumbers ??= [];
    const isOffset = record[0] === "GNU.sparse.offset";
    if (isOffset !== (this.sparseNumbers.length % 2 === 0)) throw badValue(...record);
    if (this.sparseNumbers.length >= SPARSE_PAIRS_MAX * 2) throw tooManyStretches();
    this.sparseNumbers.push(paxNumber(record));
  }

  /** Keywords of no other meaning here are times, names and the like that no image holds. */
  private addXattrRecord(keyword: ByteString, value: ByteString): void {
    if (keyword.startsWith("SCHILY.xattr.")) {
      // GNU tar and libarchive write "%" and "=" in a name as "%25" and "%3D".
      const name = keyword.slice("SCHILY.xattr.".length).replace(/%(25|3D)/g, percentDecoded);
      this.xattrList ??= new Map();
      this.addXattr(this.xattrList, name, () => bytesOf(value));
    } else if (keyword.startsWith("LIBARCHIVE.xattr.")) {
      const encoded = keyword.slice("LIBARCHIVE.xattr.".length);
      const name = encoded.replace(/%([0-9A-Fa-f]{2})/g, percentDecoded);
      this.libarchiveXattrs ??= new Map();
      this.addXattr(this.libarchiveXattrs, name, () => base64Value(keyword, value));
    } else if (keyword === "RHT.security.selinux") {
      // As the attribute has it, with its NUL.
      this.xattrList ??= new Map();
      this.addXattr(this.xattrList, "security.selinux", () => bytesOf(`${value}\0`));
    } else {
      return;
    }
    this.anyXattrs = true;
  }

  private addXattr(
    list: Map<ByteString, Uint8Array>,
    name: ByteString,
    value: () => Uint8Array,
  ): void {
    const verdict = this.verdict(name);
    if (verdict !== "excluded") list.set(name, verdict === "kept" ? value() : NO_VALUE);
  }
}

/** @throws TarError for what is not base64 */
function base64Value(keyword: ByteString, value: ByteString): Uint8Array {
  const end = /^[A-Za-z0-9+/]*={0,2}/.exec(value)![0].length;
  if (end < value.length) throw badValue(keyword, value, end);
  return Uint8Array.from(Buffer.from(value, "base64"));
}

/** What is refused here need not be kept until the image is planned. @throws TarError */
function checkXattrs(xattrs: readonly Xattr[]): void {
  let list = 0;
  for (const { name, value } of xattrs) {
    list += name.length + 1;
    if (name.length < 1 || name.length > XATTR_NAME_MAX || name.includes("\0")) {
      const start = printable(name.slice(0, XATTR_NAME_MAX));
      throw new TarError(
        `the attribute name '${start}' has ${name.length} bytes or a NUL inside, an image holds ` +
          `names of 1 to ${XATTR_NAME_MAX} bytes (leave it out with --xattrs-exclude)`,
      );
    }
    if (value.length > XATTR_VALUE_MAX) {
      throw new TarError(
        `its attribute ${printable(name)} has ${value.length} bytes, an image holds ` +
          `${XATTR_VALUE_MAX} (leave it out with --xattrs-exclude)`,
      );
    }
  }
  if (list > XATTR_LIST_MAX) {
    throw new TarError(
      `the names of its attributes take ${list} bytes, at most ${XATTR_LIST_MAX} can be listed ` +
        "(leave some out with --xattrs-exclude)",
    );
  }
}

function percentDecoded(_: string, hex: string): string {
  return String.fromCharCode(Number.parseInt(hex, 16));
}
