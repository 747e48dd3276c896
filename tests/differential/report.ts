// SPDX-License-Identifier: MIT
// What people read of a run.
import { printable } from "@daxfs/format";
import { type Counts, type Failure, KINDS, type Kind } from "./campaign.js";
import type { Disagreement } from "./compare.js";

const SHOWN = 5;

function disagreementText({ kind, path, field, ours, peers }: Disagreement): string {
  const where = path === undefined ? "" : ` ${printable(path)}: ${field}`;
  const said = Object.entries(peers).map(([peer, value]) => `    ${peer}: ${value}\n`);
  return `  ${kind}${where}\n    mkdaxfs: ${ours}\n${said.join("")}`;
}

export function failureText({ kind, seed, index, shrunk, disagreements }: Failure): string {
  return (
    `${kind}, seed ${seed}, index ${index}\n` +
    disagreements.slice(0, SHOWN).map(disagreementText).join("") +
    `  ${JSON.stringify(shrunk)}\n` +
    `  again: npm run test:differential -- --kind ${kind} --seed ${seed} --index ${index}\n`
  );
}

export function summary(counts: Readonly<Record<Kind, Counts>>): string {
  return KINDS.map((kind) => {
    const { archives, agreed, undecided, refused, failures, deviations, refusals } = counts[kind];
    const messages = [...refusals]
      .map(([words, count]) => `\n    refused ${count}: ${words}`)
      .join("");
    const rules = [...deviations].map(([rule, count]) => `\n    ${rule}: ${count}`).join("");
    return (
      `${kind}: ${archives} archives, ${failures} failed, ${refused} refused by mkdaxfs; ` +
      `${agreed} facts agreed, ${undecided} without two peers that agree${rules}${messages}\n`
    );
  }).join("");
}
