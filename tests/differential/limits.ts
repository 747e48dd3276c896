// SPDX-License-Identifier: MIT
// What a peer has no opinion on in a certain archive, since it does not read what says it.
import type { Description } from "./description.js";
import type { Facts, Tree } from "./facts.js";
import { EXTRA } from "./zip-writer.js";

/** Fields that records of a global PAX header set. */
const GLOBAL_FIELDS = ["mtime", "uid", "gid", "xattrs"];

const ENTRY_FACTS = ["mode", "uid", "gid", "mtime"];

/** Fields that PKWARE's extra field for Unix sets. */
const PKWARE_FIELDS = ["mtime", "uid", "gid"];

/**
 * The tree of a peer without the fields that it can't know, undefined where it can't be relied on.
 */
export function withinLimits(peer: string, tree: Tree, description: Description): Tree | undefined {
  const isTar = description.kind === "tar";
  const globals = isTar ? (description.members ?? []).filter(({ type }) => type === "g").length : 0;
  // libarchive passes over global headers.
  if (peer === "bsdtar" && globals > 0) return without(tree, GLOBAL_FIELDS);
  // POSIX: a global header changes what it names. GNU tar forgets all that those before it said.
  if (peer === "GNU tar" && globals > 1) return without(tree, GLOBAL_FIELDS);
  // It takes the times of GNU tar's format for ustar's prefix.
  const hasTimes = isTar && (description.members ?? []).some(({ headerTimes }) => headerTimes);
  if (peer === "Python" && hasTimes) return undefined;
  // Times pass through floating point numbers.
  const hasFractions =
    isTar && (description.members ?? []).some(({ mtime }) => mtime?.includes("."));
  // It gives a file the facts of its last hard link.
  const ownFacts = peer === "Python" && isTar ? without(tree, ENTRY_FACTS, hasSeveralNames) : tree;
  if (peer === "Python" && hasFractions) return without(ownFacts, ["mtime"]);
  const hasPkware =
    description.kind === "zip" &&
    (description.members ?? []).some(({ extras = [] }) =>
      extras.some(({ id }) => id === EXTRA.pkwareUnix),
    );
  const hasLocalOnly =
    description.kind === "zip" &&
    (description.members ?? []).some(({ extras = [] }) =>
      extras.some(({ only }) => only === "local"),
    );
  // It reads the central directory only, and takes part for times of MS-DOS where nothing else has one.
  if (peer === "Python" && hasLocalOnly) return without(tree, ENTRY_FACTS);
  // libarchive does not know the field; unzip passes over it where there is one of Info-ZIP.
  if (peer === "bsdtar" && hasPkware) return without(tree, PKWARE_FIELDS);
  return ownFacts;
}

function without(tree: Tree, fields: readonly string[], only = (_: Facts) => true): Tree {
  const limited = (facts: Facts) =>
    only(facts) ? new Map([...facts].filter(([field]) => !fields.includes(field))) : facts;
  return new Map([...tree].map(([path, facts]) => [path, limited(facts)]));
}

const hasSeveralNames = (facts: Facts) => facts.get("names")?.includes('","') === true;
