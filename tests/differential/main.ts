// SPDX-License-Identifier: MIT
// npm run test:differential: random archives for as long as one likes.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { Campaign, KINDS, type Kind, saveFailure } from "./campaign.js";
import type { Description } from "./description.js";
import { scratchBase } from "./peers.js";
import { failureText, summary } from "./report.js";

const USAGE = `npm run test:differential -- [options]
  --seconds N      how long to run; 60 by default
  --seed S         a fresh one by default
  --kind KIND      ${KINDS.join(", ")}; may be repeated
  --index I        only the archive with this number
  --replay FILE    only the archive of this description
  --keep-going N   end after N failures; 20 by default`;

/**
 * @param directory of the test
 * @param failures directory for archives that failed
 * @returns the exit status
 */
export async function main(
  words: readonly string[],
  directory: string,
  failures: string,
): Promise<number> {
  const { values } = parseArgs({
    args: [...words],
    options: {
      seconds: { type: "string", default: "60" },
      seed: { type: "string" },
      kind: { type: "string", multiple: true },
      index: { type: "string" },
      replay: { type: "string" },
      "keep-going": { type: "string", default: "20" },
      help: { type: "boolean" },
    },
  });
  const kinds = (values.kind ?? KINDS) as Kind[];
  const seconds = Number(values.seconds);
  const seed = Number(values.seed ?? Math.floor(Math.random() * 1e9));
  const most = Number(values["keep-going"]);
  const isBad = !(seconds > 0) || !Number.isInteger(seed) || !(most > 0);
  if (values.help || isBad || kinds.some((kind) => !KINDS.includes(kind))) {
    process.stderr.write(`${USAGE}\n`);
    return 2;
  }
  const campaign = new Campaign(directory, scratchBase());
  try {
    if (values.replay !== undefined) return await replay(campaign, values.replay);
    process.stdout.write(`seed ${seed}, ${seconds} s, ${kinds.join(", ")}\n`);
    const end = Date.now() + seconds * 1000;
    const only = values.index === undefined ? undefined : Number(values.index);
    let failed = 0;
    for (let index = only ?? 0; Date.now() < end && failed < most; index++) {
      // Layers take longer, since umoci does.
      for (const kind of kinds) {
        if (only === undefined && kind === "layers" && kinds.length > 1 && index % 4 !== 0)
          continue;
        const failure = await campaign.run(kind, seed, index);
        if (failure === undefined) continue;
        failed++;
        const path = saveFailure(failures, failure);
        process.stdout.write(
          `${failureText(failure)}  replay: npm run test:differential -- --replay ${path}\n`,
        );
      }
      if (only !== undefined) break;
    }
    process.stdout.write(summary(campaign.counts));
    return failed === 0 ? 0 : 1;
  } finally {
    await campaign.close();
  }
}

async function replay(campaign: Campaign, path: string): Promise<number> {
  const { description } = JSON.parse(readFileSync(path, "utf8")) as { description: Description };
  const { ours, peers } = await campaign.answers(description);
  const shown = (value: unknown) =>
    JSON.stringify(value, (_, item) => (item instanceof Map ? Object.fromEntries(item) : item), 1);
  process.stdout.write(`ours ${shown(ours)}\npeers ${shown(peers)}\n`);
  const { disagreements } = await campaign.compare(description);
  process.stdout.write(`disagreements ${shown(disagreements)}\n`);
  return disagreements.length === 0 ? 0 : 1;
}
