// SPDX-License-Identifier: MIT
// The kernel module's checked access to an image, kernel/image*.c, in user space and under the
// sanitizers: it sees what ImageReader sees, survives the corpus, and refuses what the checker
// would let pass nowhere.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  checkImage,
  describeFinding,
  type Finding,
  ImageReader,
  MemoryBytes,
  RULES,
} from "@daxfs/format";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BASE_NAMES, loadBase } from "../corpus/bases.js";
import { dataDirectory, loadCorpus } from "../corpus/corpus.js";
import { applyPatches, type Patch } from "../corpus/edit.js";
import { compareWithExpectation } from "../corpus/expectation.js";
import { encodeMutation, Mutator, randomNumbers, withoutDigest } from "../corpus/mutations.js";
import { version1Tree } from "../corpus/trees.js";
import { buildVersion1Image, FIELD_QUIRKS, PLAIN } from "../corpus/version1.js";
import { describeTree } from "../corpus/view.js";
import { buildImageWalk } from "../image/programs.js";

/** Any one image takes milliseconds; one that takes seconds is a loop. */
const WALK_TIMEOUT = 10_000;
const MUTATIONS = Number(process.env.DAXFS_FUZZ_COUNT ?? 1500);
/** More than any of the mutations can cause. */
const FINDINGS_MAX = 20_000;
/** Another one than the default looks at other mutations. */
const SEED = Number(process.env.DAXFS_FUZZ_SEED ?? 20240229);

let directory: string;
let program: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "daxfs-image-"));
  program = await buildImageWalk(directory);
}, 60_000);
afterAll(() => rm(directory, { recursive: true, force: true }));

async function walk(...files: string[]): Promise<string[]> {
  const result = await execa(program, files, {
    reject: false,
    timeout: files.length > 1 ? 20 * WALK_TIMEOUT : WALK_TIMEOUT,
    env: { LC_ALL: "C" },
    maxBuffer: 64 * 1024 * 1024,
  });
  // A sanitizer's report is on stderr, and the program ends with it.
  expect(result.stderr).toBe("");
  expect(result.timedOut).toBe(false);
  expect(result.exitCode).toBe(0);
  return result.stdout.split("\n").filter((line) => line !== "");
}

async function walkBytes(bytes: Uint8Array): Promise<string[]> {
  const path = join(directory, "image");
  await writeFile(path, bytes);
  return walk(path);
}

describe("a valid image", () => {
  const images: [string, () => Uint8Array][] = [
    ...BASE_NAMES.map(
      (name) => [name, () => loadBase(name, dataDirectory())] as [string, () => Uint8Array],
    ),
    ["plain version 1", () => buildVersion1Image(version1Tree(), PLAIN)],
    [
      "version 1 with odd offsets",
      () =>
        buildVersion1Image(version1Tree(), { ...FIELD_QUIRKS, inodeOffset: 4097, strtabGap: 2 }),
    ],
  ];

  it.each(images)("is to the module what it is to ImageReader: %s", async (_, make) => {
    const bytes = make();
    const lines = await walkBytes(bytes);
    expect(lines).toEqual(describeTree(new ImageReader(new MemoryBytes(bytes))));
    expect(lines.length).toBeGreaterThan(80);
  });
});

/** Whether the module's validation has to find something, too. */
function breaksValidatedRule({ rule }: Finding, sorted: boolean): boolean {
  return RULES[rule].kernel !== "never" || (rule === "tree.duplicate-name" && sorted);
}

/** What the checker makes of an image: whether it finds anything, and what validation should too. */
function judge(image: Uint8Array): { findings: number; broken: boolean } {
  const sorted = (new DataView(image.buffer, image.byteOffset).getUint32(8, true) & 2) !== 0;
  let findings = 0;
  let broken = false;
  for (const finding of checkImage(new MemoryBytes(image))) {
    if (!describeFinding(finding).includes(finding.rule)) throw new Error("no rule is named");
    if (++findings > FINDINGS_MAX) throw new Error("too many findings");
    broken ||= breaksValidatedRule(finding, sorted);
  }
  return { findings, broken };
}

function foundBroken(verdict: string | undefined): boolean {
  if (verdict === "valid") return false;
  if (verdict === "refused" || /^broken\t/.test(verdict ?? "")) return true;
  throw new Error(`verdict: ${verdict}`);
}

describe("validation of the whole image", () => {
  const validate = async (bytes: Uint8Array) => {
    const path = join(directory, "validated");
    await writeFile(path, bytes);
    return walk("--validate", path);
  };

  it.each(BASE_NAMES)("finds nothing in a valid image: %s", async (name) => {
    expect(await validate(loadBase(name, dataDirectory()))).toEqual(["valid"]);
  });

  it.each([...loadCorpus()])("finds what the checker finds: $name", async ({ bytes }) => {
    const [verdict] = await validate(bytes);
    expect(foundBroken(verdict)).toBe(judge(bytes).broken);
  });
});

describe("the corpus", () => {
  it.each([...loadCorpus()])("$name", async ({ bytes, kernel }) => {
    const lines = await walkBytes(bytes);
    if (kernel.mount === "refused") {
      expect(lines).toHaveLength(1);
      expect(lines[0]?.split("\t").slice(0, 2)).toEqual(["refused", kernel.field]);
    } else {
      expect(lines[0]).toMatch(/^entry\t\/\t/);
      expect(compareWithExpectation(kernel, lines)).toEqual([]);
    }
  });

  it("is refused with any incompatible feature that the module does not support", async () => {
    const bytes = loadBase("version1", dataDirectory());
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    for (let bit = 16; bit < 32; bit++) {
      const flag = (1 << bit) >>> 0;
      view.setUint32(8, flag, true);
      expect(await walkBytes(bytes)).toEqual([`refused\tflags\t0\t${flag}`]);
    }
  });

  it("is refused at any length that cuts it", async () => {
    const bytes = loadBase("version1", dataDirectory());
    for (const length of [0, 1, 183, 184, 4095, 4096, 4097, bytes.length - 1]) {
      expect(await walkBytes(bytes.subarray(0, length))).toEqual([
        expect.stringMatching(/^refused\t/),
      ]);
    }
  });
});

describe.each(BASE_NAMES)(`random mutations of %s, seed ${SEED}`, (name) => {
  const base = withoutDigestIfAny();
  const mutations: Patch[][] = [];
  let verdicts: string[];
  let judgements: ReturnType<typeof judge>[];

  function withoutDigestIfAny(): Uint8Array {
    const image = loadBase(name, dataDirectory());
    return name === "extended" ? withoutDigest(image) : image;
  }

  beforeAll(async () => {
    const mutator = new Mutator(base, randomNumbers(SEED));
    for (let i = 0; i < MUTATIONS; i++) mutations.push(mutator.next());
    await writeFile(join(directory, "base"), base);
    await writeFile(join(directory, "mutations"), Buffer.concat(mutations.map(encodeMutation)));
    verdicts = await walk(join(directory, "base"), join(directory, "mutations"));
    judgements = mutations.map((patches) => {
      const image = Uint8Array.from(base);
      applyPatches(image, patches);
      return judge(image);
    });
  }, 60 * WALK_TIMEOUT);

  it("give no report of a sanitizer, and of every kind of verdict some", () => {
    expect(verdicts).toHaveLength(MUTATIONS);
    for (const kind of ["refused", "sound", "corruptions"]) {
      expect(verdicts.filter((verdict) => verdict.startsWith(kind)).length).toBeGreaterThan(20);
    }
  });

  it("are found broken by validation where the checker finds them so, and nowhere else", async () => {
    const validated = await walk(
      "--validate",
      join(directory, "base"),
      join(directory, "mutations"),
    );
    expect(validated).toHaveLength(MUTATIONS);
    const disagreements = validated.filter(
      (verdict, index) => foundBroken(verdict) !== judgements[index]?.broken,
    );
    expect(disagreements).toEqual([]);
    expect(validated.filter((verdict) => verdict === "valid").length).toBeGreaterThan(20);
  });

  it("find no corruption where the checker has no finding, and the checker always ends", () => {
    const disagreements: string[] = [];
    judgements.forEach(({ findings }, index) => {
      if (findings > 0 || verdicts[index] === "sound") return;
      const edits = mutations[index]?.map(
        ({ offset, bytes }) => `${offset}: ${Buffer.from(bytes).toString("hex")}`,
      );
      disagreements.push(`${verdicts[index]} by ${edits?.join(", ")}`);
    });
    expect(disagreements).toEqual([]);
    expect(judgements.filter(({ findings }) => findings > 0).length).toBeGreaterThan(MUTATIONS / 4);
  });
});
