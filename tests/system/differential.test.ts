// SPDX-License-Identifier: MIT
// Random archives of fixed seeds, as mkdaxfs reads them and as other programs do. The command
// npm run test:differential goes on with fresh seeds for as long as it is told.
import { join, resolve } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it, type TestContext } from "vitest";
import { Campaign, KINDS, saveFailure } from "../differential/campaign.js";
import { committedCases } from "../differential/cases.js";
import { compare } from "../differential/compare.js";
import type { Description } from "../differential/description.js";
import { scratchBase } from "../differential/peers.js";
import { failureText } from "../differential/report.js";
import { shrink } from "../differential/shrink.js";
import { IS_ROOT, needsRoot } from "./support/workspace.js";

const root = resolve(import.meta.dirname, "../..");
const directory = join(root, "tests/differential");
const PROGRAMS = ["bsdtar", "bzip2", "python3", "tar", "umoci", "unshare", "unzip", "xz", "zstd"];
const SEED = 1;
/** Archives of each kind: about half a minute of one processor in all. */
const ARCHIVES = { tar: 400, zip: 350, layers: 100 } as const;

let campaign: Campaign | undefined;
let missing: string | undefined;

beforeAll(async () => {
  if (!IS_ROOT) return;
  for (const program of PROGRAMS) {
    const { exitCode } = await execa("which", [program], { reject: false });
    if (exitCode !== 0) missing = program;
  }
  if (missing === undefined) campaign = new Campaign(directory, scratchBase());
});

afterAll(() => campaign?.close());

function needsPeers(context: TestContext): Campaign {
  needsRoot(context);
  if (missing !== undefined) context.skip(`needs ${missing}`);
  return campaign!;
}

describe("an archive that was read wrongly once", () => {
  const cases = committedCases(directory);

  it.for(cases.map((each) => [each.name, each] as const))("%s", async ([, each], context) => {
    const peers = needsPeers(context);
    const { ours } = await peers.answers(each.description);
    if (each.refused === undefined) expect(ours.refused).toBeUndefined();
    else expect(ours.refused).toContain(each.refused);
    const { disagreements } = await peers.compare(each.description);
    expect(disagreements).toEqual([]);
  });
});

describe("random archives are what other programs read in them", () => {
  it.for(KINDS)("%s", async (kind, context) => {
    const peers = needsPeers(context);
    for (let index = 0; index < ARCHIVES[kind]; index++) {
      const failure = await peers.run(kind, SEED, index);
      if (failure === undefined) continue;
      const saved = saveFailure(join(root, ".cache/differential"), failure);
      expect.fail(`${failureText(failure)}  saved as ${saved}`);
    }
    const { archives, agreed, refused } = peers.counts[kind];
    expect(archives).toBe(ARCHIVES[kind]);
    // A test in which nothing is compared, or everything refused, would pass as well.
    expect(agreed).toBeGreaterThan(archives * 10);
    expect(refused).toBeLessThan(archives / 8);
  });
});

describe("a comparison", () => {
  const description: Description = {
    kind: "tar",
    members: [
      { name: "a", mode: 0o600, content: { text: "text" } },
      { name: "b", mode: 0o600, type: "1", link: "a" },
      { name: "c", type: "2", link: "a" },
    ],
  };

  /** Fields in which a changed answer of ours differs from the peers. */
  async function found(context: TestContext, path: string, field: string, value: string) {
    const { ours, peers } = await needsPeers(context).answers(description);
    expect(compare(description, ours, peers).disagreements).toEqual([]);
    const tree = new Map(ours.tree);
    tree.set(path, new Map([...(tree.get(path) ?? []), [field, value]]));
    const { disagreements } = compare(description, { ...ours, tree }, peers);
    return disagreements.map((each) => [each.path, each.field]);
  }

  it.for([
    ["a", "mode", "0644"],
    ["a", "uid", "1"],
    ["a", "mtime", "1"],
    ["a", "content", "none"],
    ["a", "names", '["a"]'],
    ["a", "xattrs", '[["user.x",""]]'],
    ["c", "target", "b"],
  ] as const)("notices another %s: %s", async ([path, field, value], context) => {
    expect(await found(context, path, field, value)).toEqual([[path, field]]);
  });

  it("notices a path that is missing, and an archive that is refused", async (context) => {
    const { ours, peers } = await needsPeers(context).answers(description);
    const tree = new Map([...ours.tree!].filter(([path]) => path !== "c"));
    const missing = compare(description, { ...ours, tree }, peers).disagreements;
    expect(missing).toMatchObject([{ path: "c", field: "path", ours: "absent" }]);
    const refused = compare(description, { refused: "no", warnings: [] }, peers).disagreements;
    expect(refused).toMatchObject([{ kind: "refused", ours: "no" }]);
  });

  it("is shrunk to what fails", async () => {
    const members = [...Array(9).keys()].map((at) => ({
      name: `n${at}`,
      mode: 0o700 + at,
      uid: 5,
    }));
    const fails = async (smaller: Description) =>
      smaller.kind === "tar" && (smaller.members ?? []).some(({ mode }) => mode === 0o704);
    expect(await shrink<Description>({ kind: "tar", members, end: "one" }, fails)).toEqual({
      kind: "tar",
      members: [{ mode: 0o704 }],
    });
  });
});
