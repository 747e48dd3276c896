// SPDX-License-Identifier: MIT
// Layers at random: few names, so that most entries meet something that is there already.
import type { ByteString } from "@daxfs/format";
import { directory, fifo, file, link, type Member, symlink } from "./oci-writer-tar.js";
import { layer, type OddLayer, root } from "./odd-layers.js";

/** Numbers that depend on the seed alone. */
class Dice {
  private state: number;

  constructor(seed: number) {
    this.state = Math.imul(seed, 0x9e3779b1) >>> 0;
    for (let round = 0; round < 4; round++) this.below(2);
  }

  /** 0 to `end` - 1. */
  below(end: number): number {
    this.state = (Math.imul(this.state, 1103515245) + 12345) >>> 0;
    return Math.floor((this.state / 2 ** 32) * end);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

// umoci refuses files as parents and symlinks in circles, so each kind has names of its own, and
// symlinks to directories lead to the first kind alone.
const DIRECTORIES = ["a", "b", "c"];
const SYMLINKS = ["l", "m"];
const LEAVES = ["x", "y", "z"];

class Layers {
  private readonly dice: Dice;
  /** What links may lead to; not what lower layers have, which whiteouts may have removed. */
  private leaves: ByteString[] = [];

  constructor(seed: number) {
    this.dice = new Dice(seed);
  }

  layers(): OddLayer[] {
    return Array.from({ length: 2 + this.dice.below(3) }, (_, index) => {
      this.leaves = [];
      const members = Array.from({ length: 6 + this.dice.below(14) }, () => this.member());
      return layer("random entries", ...(index === 0 ? [root("300")] : []), ...members);
    });
  }

  private parts(least: number, names: readonly ByteString[]): ByteString {
    return Array.from({ length: least + this.dice.below(3) }, () => this.dice.pick(names)).join(
      "/",
    );
  }

  private inside(name: ByteString): ByteString {
    const parent = this.parts(0, [...DIRECTORIES, ...SYMLINKS]);
    return parent === "" ? name : `${parent}/${name}`;
  }

  private newLeaf(): ByteString {
    const path = this.inside(this.dice.pick(LEAVES));
    this.leaves.push(path);
    return path;
  }

  private member(): Member {
    const { dice } = this;
    const facts = {
      mode: dice.pick([0o600, 0o755, 0o4711]),
      uid: dice.below(3),
      ...(dice.below(4) === 0 && { xattrs: { "user.x": String(dice.below(9)) } }),
    };
    const kind = dice.below(12);
    if (kind < 4) return file(this.newLeaf(), `content ${dice.below(1000)}`, facts);
    if (kind < 6) return directory(this.inside(dice.pick(DIRECTORIES)), facts);
    // At times over a symlink.
    if (kind < 7) return directory(this.inside(dice.pick([...DIRECTORIES, ...SYMLINKS])), facts);
    if (kind < 8) {
      const start = dice.pick(["", "/", "../", "../../", "./"]);
      return symlink(this.inside(dice.pick(SYMLINKS)), start + this.parts(1, DIRECTORIES));
    }
    if (kind < 9) return symlink(this.newLeaf(), dice.pick(LEAVES));
    if (kind < 10) {
      const target = this.leaves[dice.below(this.leaves.length)];
      return target === undefined ? fifo(this.newLeaf()) : link(this.newLeaf(), target);
    }
    if (kind < 11) {
      const hidden = dice.pick([...DIRECTORIES, ...SYMLINKS, ...LEAVES]);
      return file(this.inside(`.wh.${hidden}`), "");
    }
    return file(this.inside(".wh..wh..opq"), "");
  }
}

/** Two to four layers, the same for the same seed. umoci may refuse them. */
export const randomLayers = (seed: number): OddLayer[] => new Layers(seed).layers();
