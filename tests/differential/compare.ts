// SPDX-License-Identifier: MIT
// Holds what we make of an archive against what the peers make of it.
import type { ByteString } from "@daxfs/format";
import type { Description } from "./description.js";
import { deviationOf, refusalOf } from "./deviations.js";
import type { Facts, Tree } from "./facts.js";
import { withinLimits } from "./limits.js";
import type { OurAnswer } from "./ours.js";
import type { PeerAnswer, PeerAnswers } from "./peers.js";

export interface Disagreement {
  /**
   * - crash: neither an image nor a message;
   * - refused: all peers agree about everything, and we refuse the archive;
   * - accepted: all peers refuse the archive, and we don't;
   * - field: two or more peers agree, and we say something else.
   */
  readonly kind: "crash" | "refused" | "accepted" | "field";
  readonly path?: ByteString;
  readonly field?: string;
  readonly ours: string;
  /** What each peer says. */
  readonly peers: Readonly<Record<string, string>>;
}

export interface Comparison {
  readonly disagreements: readonly Disagreement[];
  /** Names of the rules that explain why we differ. */
  readonly deviations: readonly string[];
  /** Fields in which we equal two or more peers, and in which no two peers agree. */
  readonly agreed: number;
  readonly undecided: number;
  /** Our message, if we refuse the archive. */
  readonly refused: string | undefined;
}

const ABSENT = "absent";

/** What a peer says that lacks a method of compression: it has no opinion. */
const CANNOT_READ =
  /status 81|NotImplementedError|unsupported compression|Unsupported ZIP compression/;

/** The votes of peers for a field, those that have an opinion. */
type Votes = ReadonlyMap<string, string>;

interface Verdict {
  /** What two or more peers say and no other two say otherwise; undefined where there is no such. */
  readonly expected: string | undefined;
  readonly unanimous: boolean;
}

function verdictOf(votes: Votes): Verdict {
  const counts = new Map<string, number>();
  for (const value of votes.values()) counts.set(value, (counts.get(value) ?? 0) + 1);
  const winners = [...counts].filter(([, count]) => count >= 2);
  return {
    expected: winners.length === 1 ? winners[0]![0] : undefined,
    unanimous: counts.size <= 1,
  };
}

/** Each path, each field, and who says what of it. */
function* questions(
  trees: ReadonlyMap<string, Tree>,
  ours: Tree | undefined,
): Generator<{ path: ByteString; field: string; votes: Votes; own: Facts | undefined }> {
  const paths = new Set(
    [...trees.values(), ...(ours ? [ours] : [])].flatMap((tree) => [...tree.keys()]),
  );
  for (const path of [...paths].sort()) {
    const facts = new Map([...trees].map(([peer, tree]) => [peer, tree.get(path)]));
    const own = ours?.get(path);
    const presence = new Map(
      [...facts].map(([peer, found]) => [peer, found === undefined ? ABSENT : "there"]),
    );
    yield { path, field: "path", votes: presence, own };
    const fields = new Set([...facts.values()].flatMap((found) => [...(found?.keys() ?? [])]));
    for (const field of fields) {
      const votes = new Map<string, string>();
      for (const [peer, found] of facts) {
        const value = found?.get(field);
        if (value !== undefined) votes.set(peer, value);
      }
      yield { path, field, votes, own };
    }
  }
}

export function compare(
  description: Description,
  ours: OurAnswer,
  answers: PeerAnswers,
): Comparison {
  const peers = new Map<string, PeerAnswer>();
  for (const [peer, answer] of answers) {
    if (answer.tree === undefined) {
      if (!CANNOT_READ.test(answer.refused ?? "")) peers.set(peer, answer);
      continue;
    }
    const tree = withinLimits(peer, answer.tree, description);
    if (tree !== undefined) peers.set(peer, { tree });
  }
  const said = Object.fromEntries(
    [...peers].map(([peer, { refused }]) => [
      peer,
      refused === undefined ? "taken" : `refused: ${refused}`,
    ]),
  );
  const result = (
    disagreements: readonly Disagreement[],
    more: Partial<Comparison> = {},
  ): Comparison => ({
    disagreements,
    ...{ deviations: [], agreed: 0, undecided: 0, refused: ours.refused },
    ...more,
  });
  if (ours.crashed !== undefined) {
    return result([{ kind: "crash", ours: ours.crashed, peers: said }]);
  }
  const trees = new Map(
    [...peers].flatMap(([peer, { tree }]) => (tree === undefined ? [] : [[peer, tree] as const])),
  );
  if (ours.refused !== undefined) {
    if (trees.size < 2 || trees.size < peers.size) return result([]);
    for (const { votes } of questions(trees, undefined)) {
      if (!verdictOf(votes).unanimous) return result([]);
    }
    const rule = refusalOf(ours.refused);
    if (rule !== undefined) return result([], { deviations: [rule] });
    return result([{ kind: "refused", ours: ours.refused, peers: said }]);
  }
  if (trees.size === 0 && peers.size >= 2) {
    const disagreement: Disagreement = { kind: "accepted", ours: "taken", peers: said };
    const rule = deviationOf(disagreement, description, ours);
    return rule === undefined ? result([disagreement]) : result([], { deviations: [rule] });
  }
  return compareTrees(description, ours, trees);
}

function compareTrees(
  description: Description,
  ours: OurAnswer,
  trees: ReadonlyMap<string, Tree>,
): Comparison {
  const disagreements: Disagreement[] = [];
  const deviations: string[] = [];
  let agreed = 0;
  let undecided = 0;
  for (const { path, field, votes, own } of questions(trees, ours.tree)) {
    const { expected } = verdictOf(votes);
    if (expected === undefined) {
      undecided++;
      continue;
    }
    // What we don't have at all was counted as a path.
    if (own === undefined && field !== "path") continue;
    const presence = own === undefined ? ABSENT : "there";
    const value = field === "path" ? presence : (own?.get(field) ?? ABSENT);
    if (value === expected) {
      agreed++;
      continue;
    }
    const said = Object.fromEntries(votes);
    const disagreement: Disagreement = { kind: "field", path, field, ours: value, peers: said };
    const rule = deviationOf(disagreement, description, ours);
    if (rule === undefined) disagreements.push(disagreement);
    else deviations.push(rule);
  }
  return { disagreements, deviations, agreed, undecided, refused: undefined };
}

/** Two disagreements that the shrinker takes for the same. */
export function isSameKind(a: Disagreement, b: Disagreement): boolean {
  if (a.kind !== b.kind || a.field !== b.field) return false;
  return a.kind !== "refused" || wording(a.ours) === wording(b.ours);
}

/** A message without what it says of the archive at hand. */
export function wording(message: string): string {
  return message.replace(/^.*: /, "").replace(/\d+|'[^']*'|\/\S*/g, "…");
}
