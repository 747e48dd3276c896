// SPDX-License-Identifier: MIT
// Random layers of container images: few names, so that most entries meet something of a lower layer.
import type { ByteString } from "@daxfs/format";
import type { LayersDescription, TarDialect, TarMember } from "./description.js";
import type { Dice } from "./dice.js";
import { joined } from "./names.js";

// umoci refuses files as parents, so directories and files have names of their own; SHIFTING are
// directories in one layer and files in another.
const DIRECTORIES = ["a", "b", "c"];
const LEAVES = ["x", "y", "z"];
/** Symlinks, through which no path leads: the model knows of none. */
const LINKS = ["l", "m"];
const SHIFTING = ["s", "t"];

export class LayersGenerator {
  /** Paths of files of this layer and of all so far. */
  private own: ByteString[] = [];
  private readonly earlier: ByteString[] = [];
  /** What names of SHIFTING are in this layer. */
  private shifting: Record<string, "file" | "directory"> = {};
  private time = 1_000_000_000;

  constructor(private readonly dice: Dice) {}

  image(): LayersDescription {
    const { dice } = this;
    const layers = Array.from({ length: dice.between(1, 4) }, () => this.layer());
    return { kind: "layers", layers, ...(dice.once(2) && { compression: "gzip" as const }) };
  }

  private layer(): TarMember[] {
    const { dice } = this;
    this.earlier.push(...this.own);
    this.own = [];
    this.shifting = Object.fromEntries(
      SHIFTING.map((name) => [name, dice.pick(["file", "directory"] as const)]),
    );
    const members = Array.from({ length: dice.between(1, 10) }, () => this.member());
    return dice.once(3) ? dice.shuffled(members) : members;
  }

  private parent(): ByteString {
    const { dice } = this;
    const open = SHIFTING.filter((name) => this.shifting[name] === "directory");
    const names = [...DIRECTORIES, ...open];
    return Array.from(
      {
        length: dice.weighted([
          [3, 0],
          [4, 1],
          [2, 2],
        ]),
      },
      () => dice.pick(names),
    ).join("/");
  }

  private leaf(): ByteString {
    const { dice } = this;
    const closed = SHIFTING.filter((name) => this.shifting[name] === "file");
    const path = joined(this.parent(), dice.pick([...LEAVES, ...closed]));
    this.own.push(path);
    return path;
  }

  private directory(): ByteString {
    const { dice } = this;
    const open = SHIFTING.filter((name) => this.shifting[name] === "directory");
    return joined(this.parent(), dice.pick([...DIRECTORIES, ...open]));
  }

  private member(): TarMember {
    const { dice } = this;
    const dialect: TarDialect = dice.pick(["pax", "ustar", "gnu"] as const);
    const facts: TarMember = {
      dialect,
      mode: dice.pick([0o600, 0o755, 0o4711, 0o1777]),
      uid: dice.pick([0, 1, 1000, 3_000_000]),
      gid: dice.pick([0, 5]),
      mtime: String(this.time++) + (dialect === "pax" && dice.once(3) ? ".25" : ""),
    };
    const whole = dice.weighted<() => TarMember>([
      [8, () => ({ ...facts, name: this.leaf(), content: { text: `${dice.below(1000)}` } })],
      [6, () => ({ ...facts, type: "5", name: `${this.directory()}${dice.pick(["", "/"])}` })],
      [
        2,
        () => ({
          ...facts,
          type: "2",
          name: joined(this.parent(), dice.pick(LINKS)),
          link: dice.pick([...LEAVES, "/a/x"]),
        }),
      ],
      [2, () => this.hardLink(facts)],
      [1, () => ({ ...facts, type: "3", name: this.leaf(), device: [1, 3] })],
      [1, () => ({ ...facts, type: "6", name: this.leaf() })],
      [4, () => this.whiteout(facts)],
      [2, () => ({ ...facts, name: joined(this.parent(), ".wh..wh..opq") })],
    ])();
    const hasXattrs = dialect === "pax" && whole.type === undefined && dice.once(3);
    const path = whole.name ?? "";
    return {
      ...whole,
      ...(dice.once(6) && { name: `./${path}` }),
      ...(hasXattrs && !path.includes(".wh.") && { xattrs: { "user.x": String(dice.below(9)) } }),
    };
  }

  /** To a file of the layer, or of a lower one. */
  private hardLink(facts: TarMember): TarMember {
    const { dice } = this;
    const targets = dice.once(2) ? this.own : this.earlier;
    const link = targets[dice.below(targets.length)];
    if (link === undefined) return { ...facts, type: "6", name: this.leaf() };
    return { ...facts, type: "1", name: this.leaf(), link };
  }

  private whiteout(facts: TarMember): TarMember {
    const { dice } = this;
    const name = dice.pick([...DIRECTORIES, ...LEAVES, ...LINKS, ...SHIFTING]);
    return { ...facts, name: joined(this.parent(), `.wh.${name}`) };
  }
}
