// SPDX-License-Identifier: MIT
import type { ByteString, Xattr } from "@daxfs/format";
import type { BuildOptions } from "../options.js";
import { type Glob, globOf, globText } from "./glob.js";

export type XattrOptions = Pick<BuildOptions, "xattrs" | "xattrsInclude" | "xattrsExclude">;

/** What becomes of an attribute; `omitted` is what the user did not ask for. */
type Verdict = "kept" | "excluded" | "omitted";

/** Decides which extended attributes get into the image, the same for all sources. */
export class XattrPolicy {
  /** Attributes left out that the user did not name: name -> number of files. */
  readonly omitted = new Map<ByteString, number>();
  private readonly verdicts = new Map<ByteString, Verdict>();
  private readonly include: readonly Glob[] | undefined;
  private readonly exclude: readonly Glob[];

  /** @throws BuildError when a glob can't be read. */
  constructor(private readonly options: XattrOptions) {
    this.include = options.xattrsInclude?.map(nameGlob);
    this.exclude = options.xattrsExclude?.map(nameGlob) ?? [];
  }

  /** Those of a file's attributes that get in; to be asked once a file. */
  kept(xattrs: readonly Xattr[]): readonly Xattr[] {
    const kept = xattrs.filter(({ name }) => {
      const verdict = this.verdict(name);
      if (verdict === "omitted") this.omitted.set(name, (this.omitted.get(name) ?? 0) + 1);
      return verdict === "kept";
    });
    // What is shared between files stays so.
    return kept.length === xattrs.length ? xattrs : kept;
  }

  private verdict(name: ByteString): Verdict {
    let verdict = this.verdicts.get(name);
    if (verdict === undefined) {
      verdict = this.judge(name);
      this.verdicts.set(name, verdict);
    }
    return verdict;
  }

  private judge(name: ByteString): Verdict {
    if (this.options.xattrs === false) return "excluded";
    const text = withoutSlashes(globText(name));
    if (this.exclude.some((glob) => glob(text))) return "excluded";
    if (this.include === undefined) return belongsInImage(name) ? "kept" : "omitted";
    return this.include.some((glob) => glob(text)) ? "kept" : "excluded";
  }
}

/**
 * The default policy. Labels of SELinux say what the policy of the build host thinks of a file, and
 * would be wrong or refused anywhere else.
 */
function belongsInImage(name: ByteString): boolean {
  return name !== "security.selinux";
}

function nameGlob(pattern: string): Glob {
  return globOf(withoutSlashes(pattern), pattern);
}

/** A slash is a character like any other in an attribute's name, and a NUL can't be in one. */
function withoutSlashes(text: string): string {
  return text.replaceAll("/", "\0");
}
