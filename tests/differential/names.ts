// SPDX-License-Identifier: MIT
// Names for random archives: few, so that entries meet. Directories, symlinks to directories and all
// else have names of their own, so that no path leads through a file.
import type { ByteString } from "@daxfs/format";
import type { Dice } from "./dice.js";

const DIRECTORIES = ["a", "b", "c", "dir with space"];
/** Always symlinks, which lead to a directory beside them, so that no program is led out of its tree. */
const LINKED = ["la", "lb"];
const ODD: readonly ByteString[] = [
  "x",
  "y",
  "z",
  "name with space",
  "new\nline",
  "tab\there",
  "\xff\xfe\x80",
  "caf\xc3\xa9",
  "\xe9t\xe9",
  "...",
  ".hidden",
  "-dash",
  "back\\slash",
  "*?[x]",
  "a=b",
  "100%25",
  "\xe2\x98\xba",
  "trailing.",
  "~tilde",
];
const PLAIN = ODD.slice(0, 4);

export interface NameOptions {
  /** Names that are not plain. */
  readonly odd: boolean;
  /** Now and then a long one. */
  readonly long: boolean;
}

export class Names {
  constructor(
    private readonly dice: Dice,
    private readonly options: NameOptions,
  ) {}

  /** The path of a directory; "" for the root if `least` is 0. */
  directory(least = 0): ByteString {
    const { dice } = this;
    const parts = Array.from(
      {
        length:
          least +
          dice.weighted([
            [5, 0],
            [4, 1],
            [2, 2],
          ]),
      },
      () => dice.pick(DIRECTORIES),
    );
    if (this.options.long && parts.length > 0 && dice.once(25)) {
      const deep = dice.between(2, 12);
      for (let at = 0; at < deep; at++) parts.push(`deep${"-".repeat(dice.between(4, 40))}`);
    }
    return parts.join("/");
  }

  /** The path of something that is not a directory. */
  leaf(): ByteString {
    const { dice } = this;
    const name = dice.pick(this.options.odd ? ODD : PLAIN);
    const length = this.options.long && dice.once(30) ? dice.between(90, 250) : 0;
    return joined(this.directory(), name.padEnd(length, "long"));
  }

  /** The path of a symlink to a directory, and its target. */
  directoryLink(): { readonly path: ByteString; readonly target: ByteString } {
    const { dice } = this;
    const target = dice.pick(DIRECTORIES.slice(0, 3));
    return { path: joined(this.directory(), dice.pick(LINKED)), target };
  }
}

export function joined(directory: ByteString, name: ByteString): ByteString {
  return directory === "" ? name : `${directory}/${name}`;
}

/** A target for a symlink that no path leads through. */
export function freeTarget(dice: Dice): ByteString {
  return dice.pick([
    "x",
    "../x",
    "/nowhere/at all",
    "a/b",
    "\xff\xfe",
    "./",
    "a//b/",
    "..",
    "z".repeat(dice.between(95, 220)),
  ]);
}
