// SPDX-License-Identifier: MIT

import { type ByteString, isPosixAcl, isShownByMount, type Xattr } from "@daxfs/format";
import type { InodeKind } from "../model/inode-kind.js";
import type { XattrVerdict } from "../model/xattr-verdict.js";
import type { BuildOptions } from "../options.js";
import { type Glob, globOf, globText } from "./glob.js";

/** The options that choose attributes. */
export type XattrOptions = Pick<BuildOptions, "xattrs" | "xattrsInclude" | "xattrsExclude">;

/** Decides which extended attributes get into the image, the same for all sources. */
export class XattrPolicy {
  /** Attributes left out that the user did not name: name -> number of files. */
  readonly omitted = new Map<ByteString, number>();
  private readonly verdicts = new Map<ByteString, XattrVerdict>();
  private readonly include: readonly Glob[] | undefined;
  private readonly exclude: readonly Glob[];

  /** @throws BuildError when a glob can't be read. */
  constructor(private readonly options: XattrOptions) {
    this.include = options.xattrsInclude?.map(nameGlob);
    this.exclude = options.xattrsExclude?.map(nameGlob) ?? [];
  }

  /** Those of a file's attributes that get in; to be asked once a file. */
  kept(xattrs: readonly Xattr[], kind: InodeKind): readonly Xattr[] {
    const kept = xattrs.filter((xattr) => {
      const byName = this.verdict(xattr.name);
      const isDefault = this.include === undefined;
      const omitted = byName === "kept" && isDefault && !belongsOnFile(xattr, kind);
      const verdict = omitted ? "omitted" : byName;
      if (verdict === "omitted") {
        this.omitted.set(xattr.name, (this.omitted.get(xattr.name) ?? 0) + 1);
      }
      return verdict === "kept";
    });
    // What is shared between files stays so.
    return kept.length === xattrs.length ? xattrs : kept;
  }

  /** What the name of an attribute decides. An attribute that it keeps may still not fit a file. */
  verdict(name: ByteString): XattrVerdict {
    let verdict = this.verdicts.get(name);
    if (verdict === undefined) {
      verdict = this.judge(name);
      this.verdicts.set(name, verdict);
    }
    return verdict;
  }

  private judge(name: ByteString): XattrVerdict {
    if (this.options.xattrs === false) return "excluded";
    const text = withoutSlashes(globText(name));
    if (this.exclude.some((glob) => glob(text))) return "excluded";
    if (this.include === undefined) return belongsInImage(name) ? "kept" : "omitted";
    return this.include.some((glob) => glob(text)) ? "kept" : "excluded";
  }
}

/** Attributes that describe the filesystem or the host they come from, and nothing else. */
const OF_SOURCE: readonly ByteString[] = [
  // What the policy of the build host thinks of a file; wrong or refused anywhere else.
  "security.selinux",
  // How XFS stores the ACLs, which it lists a second time for root.
  "trusted.SGI_ACL_FILE",
  "trusted.SGI_ACL_DEFAULT",
];

/** The default policy, as far as the name decides. */
function belongsInImage(name: ByteString): boolean {
  return isShownByMount(name) && !OF_SOURCE.includes(name);
}

/** First byte of `security.evm`: a signature over facts that an image keeps. */
const EVM_PORTABLE_SIGNATURE = 5;

/**
 * The default policy, for an attribute whose name it keeps. Linux shows user attributes of regular
 * files, directories and, in recent kernels, sockets; it shows no ACLs of symlinks. Any
 * `security.evm` but a portable signature covers the inode number and the filesystem's UUID, so it
 * can't be valid in an image. `security.ima` covers the content only.
 */
function belongsOnFile({ name, value }: Xattr, kind: InodeKind): boolean {
  if (name === "security.evm") return value[0] === EVM_PORTABLE_SIGNATURE;
  if (isPosixAcl(name)) return kind !== "symlink";
  if (!name.startsWith("user.")) return true;
  return kind === "file" || kind === "directory" || kind === "socket";
}

function nameGlob(pattern: string): Glob {
  return globOf(withoutSlashes(pattern), pattern);
}

/** A slash is a character like any other in an attribute's name, and a NUL can't be in one. */
function withoutSlashes(text: string): string {
  return text.replaceAll("/", "\0");
}
