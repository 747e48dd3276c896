// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import { BASE_NAMES, loadBase } from "../../../tests/corpus/bases.js";
import {
  dataDirectory,
  loadCorpus,
  loadRecords,
  makeCorpus,
} from "../../../tests/corpus/corpus.js";
import { version1Tree } from "../../../tests/corpus/trees.js";
import { buildVersion1Image, FIELD_QUIRKS } from "../../../tests/corpus/version1.js";
import {
  checkImage,
  describeFinding,
  type Finding,
  FLAG,
  FormatError,
  ImageReader,
  MemoryBytes,
  RULES,
  type RuleId,
} from "../src/index.js";

/** Far more than any corruption here can cause; reached, it means that the checker does not end. */
const FINDINGS_MAX = 10_000;

function findingsOf(bytes: Uint8Array): Finding[] {
  const findings: Finding[] = [];
  for (const finding of checkImage(new MemoryBytes(bytes))) {
    findings.push(finding);
    if (findings.length > FINDINGS_MAX) throw new Error("the checker does not end");
  }
  return findings;
}

/** The rule that reading everything fails on, undefined where nothing does. */
function readEverything(bytes: Uint8Array): RuleId | undefined {
  let steps = 0;
  try {
    const reader = new ImageReader(new MemoryBytes(bytes));
    for (const { inode, identity } of reader.walk()) {
      if (++steps > FINDINGS_MAX) throw new Error("the walk does not end");
      const type = inode.mode & 0o170000;
      if (type === 0o120000) reader.target(inode);
      if (type === 0o100000) reader.read(inode, 0, Number(inode.size));
      reader.xattrs(identity);
    }
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return error.finding.rule;
  }
  return undefined;
}

describe("the base images", () => {
  it.each(BASE_NAMES)("%s has no finding", (name) => {
    const bytes = loadBase(name, dataDirectory());
    expect(findingsOf(bytes)).toEqual([]);
    expect(readEverything(bytes)).toBeUndefined();
  });

  it("are one with every extension and one with none", () => {
    const flags = (name: (typeof BASE_NAMES)[number]) =>
      new ImageReader(new MemoryBytes(loadBase(name, dataDirectory()))).superblock.flags;
    expect(flags("version1")).toBe(0);
    const all = Object.values(FLAG).reduce((sum, flag) => sum | flag, 0);
    expect(flags("extended")).toBe(all);
  });

  it("of version 1 is what its builder makes", () => {
    const built = buildVersion1Image(version1Tree(), FIELD_QUIRKS);
    expect(Buffer.from(built).equals(loadBase("version1", dataDirectory()))).toBe(true);
  });
});

describe("the corpus", () => {
  const records = loadRecords();

  it("is what the corruptions make of the base images (run tests/corpus/generate.mjs)", () => {
    expect(records).toEqual(JSON.parse(JSON.stringify(makeCorpus(dataDirectory()))));
  });

  it("has at least 60 corruptions, each under a name of its own", () => {
    expect(new Set(records.map((record) => record.name)).size).toBe(records.length);
    expect(records.length).toBeGreaterThanOrEqual(60);
  });

  it("breaks every rule", () => {
    const broken = new Set<string>();
    for (const { expected } of records) {
      broken.add(expected.rule);
      if (expected.readerRule !== undefined) broken.add(expected.readerRule);
    }
    expect(Object.keys(RULES).filter((rule) => !broken.has(rule))).toEqual([]);
  });

  // The kernel refuses nothing that the checker lets pass only because it is marked so.
  it("has a kernel's refusal or error for every rule that the kernel keeps", () => {
    const kept = new Set<string>();
    for (const { expected, kernel } of records) {
      if (kernel.mount === "mounts" && kernel.errors.length === 0) continue;
      kept.add(expected.rule);
      if (expected.readerRule !== undefined) kept.add(expected.readerRule);
    }
    const promised = Object.entries(RULES).filter(([, rule]) => rule.kernel === "always");
    expect(promised.map(([name]) => name).filter((name) => !kept.has(name))).toEqual([]);
  });
});

describe.each([...loadCorpus()])("$name", ({ bytes, expected }) => {
  it(`has a finding of ${expected.rule}`, () => {
    const findings = findingsOf(bytes);
    const found = findings.find(
      ({ rule, inode, field }) =>
        rule === expected.rule && inode === expected.inode && field === expected.field,
    );
    expect(found, findings.map(describeFinding).join("\n") || "no finding").toBeDefined();
  });

  it("does not confuse the reader", () => {
    const rule = readEverything(bytes);
    if (expected.readerRule !== undefined) expect(rule).toBe(expected.readerRule);
    // Whatever the reader trips over is a rule that the checker reports too.
    else if (rule !== undefined) expect(findingsOf(bytes).map((f) => f.rule)).toContain(rule);
  });
});
