// SPDX-License-Identifier: MIT
/** Platforms that images are for: how they are named and compared. */
import { endianness } from "node:os";
import { byteStringOfText, printable } from "@daxfs/format";
import { BuildError } from "./errors.js";

/** A platform as OCI image indexes name it. */
export interface Platform {
  /** As GOOS: "linux". */
  readonly os: string;
  /** As GOARCH: "amd64", "arm64". */
  readonly architecture: string;
  /** Such as "v8" of arm64. */
  readonly variant?: string;
}

/** A platform out of a document: "" where a field is absent. */
export type DescribedPlatform = Required<Platform>;

/** Other names that architectures go by, as containerd takes them: name -> [GOARCH, variant]. */
const ALIASES: ReadonlyMap<string, readonly [architecture: string, variant?: string]> = new Map([
  ["i386", ["386"]],
  ["x86_64", ["amd64"]],
  ["x86-64", ["amd64"]],
  ["aarch64", ["arm64"]],
  ["armhf", ["arm", "v7"]],
  ["armel", ["arm", "v6"]],
]);

/** Variants of architectures that have any, where none is given. */
const DEFAULT_VARIANTS: ReadonlyMap<string, string> = new Map([
  ["amd64", "v1"],
  ["arm", "v7"],
  ["arm64", "v8"],
]);

/** GOARCH by what Node calls it, where the two differ. */
const FROM_NODE: ReadonlyMap<string, string> = new Map([
  ["x64", "amd64"],
  ["ia32", "386"],
  ["ppc64", endianness() === "LE" ? "ppc64le" : "ppc64"],
]);

/**
 * A platform in the one shape that compares: GOOS and GOARCH, and a variant wherever the
 * architecture has variants.
 */
export function normalized({ os, architecture, variant }: DescribedPlatform): Platform {
  const name = architecture.toLowerCase();
  const [known, own] = ALIASES.get(name) ?? [name];
  const given = variant === "" ? (own ?? DEFAULT_VARIANTS.get(known)) : variant.toLowerCase();
  return {
    os: os.toLowerCase(),
    architecture: known,
    // Some write "8" for "v8".
    ...(given === undefined ? {} : { variant: given.replace(/^(?=\d)/, "v") }),
  };
}

/**
 * Reads a platform as users write it: `linux/amd64`, `linux/arm64/v8`.
 * @throws BuildError
 */
export function parsePlatform(text: string): Platform {
  const [, os, architecture, variant = ""] =
    /^([\w.-]+)\/([\w.-]+)(?:\/([\w.-]+))?$/.exec(text) ?? [];
  if (os === undefined || architecture === undefined) {
    throw new BuildError(
      `'${printable(byteStringOfText(text))}' is not a platform (give OS/ARCHITECTURE[/VARIANT], such as linux/arm64)`,
    );
  }
  return normalized({ os, architecture, variant });
}

/**
 * The platform of this machine. The system is Linux whatever runs here, since images are for it.
 * @param architecture as Node has it in `process.arch`
 */
export function defaultPlatform(architecture: string = process.arch): Platform {
  const known = FROM_NODE.get(architecture) ?? architecture;
  return normalized({ os: "linux", architecture: known, variant: "" });
}

/** A platform as users write it: "linux/arm64/v8". A variant that goes without saying is left out. */
export function platformText({ os, architecture, variant }: Platform): string {
  // Everybody writes linux/arm/v7, and hardly anybody linux/arm64/v8.
  const usual = architecture !== "arm" && variant === DEFAULT_VARIANTS.get(architecture);
  return variant === undefined || usual
    ? `${os}/${architecture}`
    : `${os}/${architecture}/${variant}`;
}

/**
 * How well an image runs on a platform, as containerd and docker have it: on the same system and
 * architecture, of the same variant or else a lower one.
 * @returns 0 for a perfect match, higher for worse ones, undefined where it does not run
 */
export function distance(wanted: Platform, described: DescribedPlatform): number | undefined {
  const mine = normalized({ variant: "", ...wanted });
  // Some name only the architecture.
  const other = normalized({ ...described, os: described.os === "" ? mine.os : described.os });
  if (mine.os !== other.os || mine.architecture !== other.architecture) return undefined;
  if (mine.variant === other.variant) return 0;
  const below = versionOf(mine.variant) - versionOf(other.variant);
  return below > 0 ? below : undefined;
}

/** "v8" -> 8, "v8.2" -> 8.02; NaN, which is neither above nor below, for other variants. */
function versionOf(variant: string | undefined): number {
  const [, major, minor = "0"] = /^v(\d{1,3})(?:\.(\d{1,2}))?$/.exec(variant ?? "") ?? [];
  return major === undefined ? Number.NaN : Number(major) + Number(minor) / 100;
}
