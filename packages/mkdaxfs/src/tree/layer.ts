// SPDX-License-Identifier: MIT
/** Merging one source into the tree, with the whiteouts of the OCI image specification. */
import { type ByteString, byteStringOfText, bytesOf, printable } from "@daxfs/format";
import { BuildError } from "../errors.js";
import { joinPath } from "../model/entry-path.js";
import { DeviceInode, type DirectoryInode, type Inode } from "../model/inode.js";
import type { LinkEntry, SourceEntry } from "../model/source.js";
import { PathSet } from "./path-set.js";
import type { Step, Tree } from "./tree.js";

const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";
/** Names that AUFS kept for itself, and that old layers carry along. */
const AUFS = ".wh..wh.";

/** Replaced symlinks that a warning names. */
const REPLACED_SHOWN = 10;

/** A whiteout of one name, or with the name "" of all that a directory holds. */
interface Whiteout {
  readonly directory: ByteString;
  readonly name: ByteString;
  readonly mtimeNs: bigint;
}

/** What becomes of whiteouts: see the option of a build. */
export type WhiteoutMode = "literal" | "apply" | "overlay";

/**
 * Merges one source. Whiteouts act on what lower layers hold, whatever their place among the
 * entries of their own layer: so they go first, and entries wait until all have been seen.
 * (layer.md of the OCI image specification, "Whiteouts" and "Opaque Whiteout")
 */
export class Layer {
  private readonly whiteouts: Whiteout[] = [];
  private readonly waiting: SourceEntry[] = [];
  /** Where nothing lies below there is nothing to wait for. */
  private readonly waits: boolean;
  private checkedDirectory: ByteString = "";
  /** What AUFS kept for itself, by path: hard links may lead to it, and the files stay with them. */
  private readonly aufs = new Map<ByteString, SourceEntry>();
  /** Hard links to what AUFS kept, where that comes later. */
  private readonly early: LinkEntry[] = [];

  /** @param warn gets a line about what is left out. */
  constructor(
    private readonly tree: Tree,
    private readonly mode: WhiteoutMode,
    private readonly warn: (text: string) => void,
  ) {
    this.waits = mode === "apply" && !tree.isEmpty;
    tree.beginSource();
  }

  /** @throws BuildError for an entry that can't be where it says. */
  add(entry: SourceEntry): void {
    if (this.mode !== "literal" && this.takeWhiteout(entry)) return;
    if (this.waits) this.waiting.push(entry);
    else this.merge(entry);
  }

  /**
   * Merges what has waited.
   * @returns what is to be kept as overlayfs marks it
   * @throws BuildError
   */
  finish(): OverlayMarkers {
    const targets = this.linkTargets();
    if (this.waits) this.applyWhiteouts();
    for (const entry of this.waiting) this.merge(entry, targets.get(entry));
    for (const link of this.early) {
      // Unless a later entry has taken the name.
      const taken = this.tree.find(joinPath(link.directory, link.name)) !== undefined;
      if (!taken) this.tree.addLink(link, this.aufsFile(link.target));
    }
    this.warnOfReplacedLinks();
    return new OverlayMarkers(this.tree, this.mode === "overlay" ? this.whiteouts : []);
  }

  /** Says that what lies where such symlinks led is no longer found there: /bin of a merged /usr. */
  private warnOfReplacedLinks(): void {
    const links = this.tree.replacedLinks;
    if (links.length === 0) return;
    const shown = links
      .slice(0, REPLACED_SHOWN)
      .map(({ path, target }) => `/${printable(path)} -> ${printable(target)}`);
    if (links.length > shown.length) shown.push(`${links.length - shown.length} more`);
    this.warn(
      `directories take the place of symlinks to directories: ${shown.join(", ")} ` +
        "(to keep a symlink, put the files where it leads)",
    );
  }

  private merge(entry: SourceEntry, target?: Inode): void {
    if (entry.kind === "inode") {
      this.tree.addInode(entry);
    } else if (this.mode !== "literal" && entry.target.includes(AUFS)) {
      const inode = this.aufsFile(entry.target);
      if (inode === undefined && !this.waits) this.early.push(entry);
      else this.tree.addLink(entry, inode ?? target);
    } else {
      this.tree.addLink(entry, target);
    }
  }

  /**
   * The file at a path that AUFS kept for itself. It kept a name in `.wh..wh.plnk` for every file
   * with several names; in the archive of a layer that name may come first, and be the one that has
   * the content.
   */
  private aufsFile(path: ByteString): Inode | undefined {
    const seen = new Set<ByteString>();
    for (let at = path; !seen.has(at); ) {
      seen.add(at);
      const entry = this.aufs.get(at);
      if (entry === undefined) return this.tree.find(at);
      if (entry.kind === "inode") {
        // So that a chain of links is followed once.
        for (const passed of seen) this.aufs.set(passed, entry);
        return entry.inode;
      }
      at = entry.target;
    }
    return undefined;
  }

  /** Whether an entry is a whiteout, of whatever type. */
  private takeWhiteout(entry: SourceEntry): boolean {
    const { directory, name } = entry;
    if (directory !== this.checkedDirectory) {
      if (this.isInsideAufs(entry)) return true;
      this.checkedDirectory = directory;
    }
    if (!name.startsWith(WHITEOUT)) return false;
    const mtimeNs = entry.kind === "inode" ? entry.inode.mtimeNs : entry.mtimeNs;
    const shown = `/${printable(joinPath(directory, name))}`;
    if (name === OPAQUE) {
      this.whiteouts.push({ directory, name: "", mtimeNs });
      return true;
    }
    if (name.startsWith(AUFS)) {
      this.aufs.set(joinPath(directory, name), entry);
      this.warn(`left out ${shown}, which AUFS kept for itself`);
      return true;
    }
    const hidden = name.slice(WHITEOUT.length);
    if (hidden === "" || hidden === "." || hidden === "..") {
      throw new BuildError(`${shown}: a whiteout of no name (the layer is broken)`);
    }
    this.whiteouts.push({ directory, name: hidden, mtimeNs });
    return true;
  }

  /** @throws BuildError for an entry inside any other whiteout, which has nothing inside. */
  private isInsideAufs(entry: SourceEntry): boolean {
    const { directory, name } = entry;
    if (!directory.includes(WHITEOUT)) return false;
    const parent = directory.split("/").find((part) => part.startsWith(WHITEOUT));
    if (parent === undefined) return false;
    const shown = `/${printable(joinPath(directory, name))}`;
    if (!parent.startsWith(AUFS) || parent === OPAQUE) {
      throw new BuildError(`${shown} is inside a whiteout (the layer is broken)`);
    }
    this.aufs.set(joinPath(directory, name), entry);
    return true;
  }

  /**
   * What hard links lead to before whiteouts are applied: a layer may link to a file of a lower one
   * and remove the name that it had there.
   */
  private linkTargets(): Map<SourceEntry, Inode> {
    const targets = new Map<SourceEntry, Inode>();
    if (this.whiteouts.length === 0) return targets;
    for (const entry of this.waiting) {
      if (entry.kind !== "link") continue;
      const inode = this.tree.find(entry.target);
      if (inode !== undefined) targets.set(entry, inode);
    }
    return targets;
  }

  private applyWhiteouts(): void {
    if (this.whiteouts.length === 0) return;
    const replacing = new PathSet();
    for (const entry of this.waiting) {
      if (entry.kind !== "inode" || entry.inode.kind !== "directory") continue;
      const path = joinPath(entry.directory, entry.name);
      const below = this.tree.find(path);
      if (below !== undefined && below.kind !== "directory") replacing.add(path);
    }
    for (const whiteout of this.whiteouts) this.apply(whiteout, replacing);
  }

  /** @param replacing directories of the layer that take the place of something else */
  private apply({ directory, name }: Whiteout, replacing: PathSet): void {
    // A symlink that a directory of the layer takes the place of leads nowhere.
    if (replacing.covers(directory)) return;
    const parent = this.tree.findDirectory(directory);
    if (parent === undefined) return;
    const names = name === "" ? [...parent.children.keys()] : [name];
    for (const hidden of names) this.tree.remove(parent, hidden);
  }
}

/** Number of the character device that overlayfs takes for a whiteout. */
const WHITEOUT_DEVICE = { major: 0, minor: 0 };
const OPAQUE_XATTR = { name: byteStringOfText("trusted.overlay.opaque"), value: bytesOf("y") };

/**
 * Whiteouts as overlayfs marks them (Documentation/filesystems/overlayfs.rst, "whiteouts and opaque
 * directories"). They are placed when owners, times and attributes of all else are settled. Like
 * what the layer itself has, the result does not depend on their order:
 *
 * - A directory that the layer both removes and has is opaque.
 * - Nothing is marked below a name that the layer removes and does not have.
 * - No whiteout is placed below an opaque directory: there is nothing to hide, and overlayfs shows it
 *   as a broken entry.
 */
export class OverlayMarkers {
  private readonly opaque = new Set<DirectoryInode>();
  /** Paths that the layer removes and does not have, symlinks followed. */
  private readonly removed = new PathSet();

  constructor(
    private readonly tree: Tree,
    private readonly whiteouts: readonly Whiteout[],
  ) {}

  /**
   * @param time gives the time that a marker gets in place of its own
   * @throws BuildError
   */
  place(time: (mtimeNs: bigint) => bigint): void {
    const names = this.whiteouts.filter(({ name }) => name !== "");
    const missing = names.filter((whiteout) => !this.hides(whiteout));
    for (const { directory, name, mtimeNs } of this.whiteouts) {
      if (name !== "" || this.isRemoved(this.tree.walk(directory))) continue;
      this.opaque.add(this.tree.directoryAt(directory, time(mtimeNs)));
    }
    for (const { directory, name, mtimeNs } of missing) {
      const steps = this.tree.walk(directory);
      if (this.isRemoved(steps) || this.isInOpaque(steps)) continue;
      const attributes = { permissions: 0, uid: 0, gid: 0, mtimeNs: time(mtimeNs) };
      const inode = new DeviceInode("character-device", attributes, WHITEOUT_DEVICE);
      this.tree.directoryAt(directory, time(mtimeNs));
      this.tree.addInode({ kind: "inode", directory, name, inode });
    }
    for (const inode of this.opaque) {
      const others = inode.xattrs.filter(({ name }) => name !== OPAQUE_XATTR.name);
      inode.xattrs = [...others, OPAQUE_XATTR];
    }
  }

  /** Whether the layer has something in the place of a name that it removes. */
  private hides({ directory, name }: Whiteout): boolean {
    const steps = this.tree.walk(directory);
    const parent = steps.at(-1)?.inode;
    const existing = parent?.kind === "directory" ? parent.children.get(name) : undefined;
    if (existing === undefined) this.removed.add(joinPath(pathOf(steps), name));
    else if (existing.kind === "directory") this.opaque.add(existing);
    return existing !== undefined;
  }

  private isRemoved(steps: readonly Step[]): boolean {
    return this.removed.covers(pathOf(steps));
  }

  private isInOpaque(steps: readonly Step[]): boolean {
    return steps.some(({ inode }) => inode?.kind === "directory" && this.opaque.has(inode));
  }
}

/** The path of the last step, which leads through no symlinks. */
function pathOf(steps: readonly Step[]): ByteString {
  return steps
    .slice(1)
    .map(({ name }) => name)
    .join("/");
}
