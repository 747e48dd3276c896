// SPDX-License-Identifier: MIT
import { BLOCK_SIZE, HUGE_SIZE } from "@daxfs/format";
import { describe, expect, it } from "vitest";
import { Placement } from "../../src/plan/placement.js";
import { Random } from "../support/support.js";

const HUGE_BLOCKS = HUGE_SIZE / BLOCK_SIZE;

interface Placed {
  readonly start: number;
  readonly blocks: number;
  readonly huge: boolean;
}

function place(start: number, align: number, sizes: readonly number[]) {
  const placement = new Placement(start, align);
  const offsets = placement.place(sizes);
  const placed = sizes.map<Placed>((size, index) => ({
    start: offsets[index]!,
    blocks: Math.ceil(size / BLOCK_SIZE),
    huge: size >= HUGE_SIZE,
  }));
  return { offsets, end: placement.end, placed };
}

const endOf = ({ start, blocks }: Placed) => start + blocks * BLOCK_SIZE;

/** Blocks that nothing was placed on, as runs, from `start` to the last content. */
function freeRuns(start: number, placed: readonly Placed[]) {
  const runs: { start: number; blocks: number }[] = [];
  let at = start;
  for (const each of [...placed].sort((a, b) => a.start - b.start)) {
    // An overlap would come out as a run of negative length.
    if (each.start !== at) runs.push({ start: at, blocks: (each.start - at) / BLOCK_SIZE });
    at = endOf(each);
  }
  return runs;
}

function randomSizes(random: Random): number[] {
  const largest = [1, 4, 40, 511, 2048][random.below(5)]! * BLOCK_SIZE;
  return Array.from({ length: random.below(400) }, () => {
    switch (random.below(8)) {
      case 0:
        return HUGE_SIZE + random.below(3 * HUGE_SIZE);
      case 1:
        // The edges: a byte below, at, and a byte past a boundary.
        return [1, 4095, 4096, 4097, HUGE_SIZE - 1, HUGE_SIZE, HUGE_SIZE + 1][random.below(7)]!;
      default:
        return 1 + random.below(largest);
    }
  });
}

const cases = Array.from({ length: 200 }, (_, seed) => seed);

describe("placement for huge mappings", () => {
  it.each(cases)("keeps contents apart, aligned and close, seed %i", (seed) => {
    const random = new Random(seed);
    const start = (1 + random.below(2000)) * BLOCK_SIZE;
    const { placed, end } = place(start, HUGE_SIZE, randomSizes(random));

    for (const each of placed) {
      expect(each.start % (each.huge ? HUGE_SIZE : BLOCK_SIZE)).toBe(0);
      expect(each.start).toBeGreaterThanOrEqual(start);
    }
    const runs = freeRuns(start, placed);
    expect(runs.filter(({ blocks }) => blocks <= 0)).toEqual([]);
    expect(end).toBe(Math.max(start, ...placed.map(endOf)));

    const hugeEnd = Math.max(start, ...placed.filter(({ huge }) => huge).map(endOf));
    // Room is left only in front of large files, less than a huge page for each.
    const waste = runs.reduce((sum, { blocks }) => sum + blocks, 0);
    expect(waste).toBeLessThanOrEqual(placed.filter(({ huge }) => huge).length * (HUGE_BLOCKS - 1));
    // A file lies behind the large ones only where it fits no room in front of them.
    const behind = placed.filter((each) => !each.huge && each.start >= hugeEnd);
    const smallest = Math.min(...behind.map(({ blocks }) => blocks));
    for (const { blocks } of runs) expect(blocks).toBeLessThan(smallest);
  });

  it("comes within a block a gap of the lower bound when there are enough small files", () => {
    const random = new Random(7);
    const huge = Array.from({ length: 20 }, () => HUGE_SIZE + 1 + random.below(HUGE_SIZE));
    const small = Array.from({ length: 20 * HUGE_BLOCKS }, () => 1 + random.below(8000));
    const sizes = random.shuffled([...huge, ...small]);
    const { placed, end } = place(BLOCK_SIZE, HUGE_SIZE, sizes);
    const needed = placed.reduce((sum, { blocks }) => sum + blocks, 1) * BLOCK_SIZE;
    expect(end).toBeGreaterThanOrEqual(needed);
    expect(end - needed).toBeLessThanOrEqual(20 * BLOCK_SIZE);
  });

  it("fills the room before the first large file", () => {
    const { offsets, end } = place(BLOCK_SIZE, HUGE_SIZE, [
      HUGE_SIZE,
      1,
      HUGE_SIZE - 2 * BLOCK_SIZE,
    ]);
    expect([...offsets]).toEqual([HUGE_SIZE, BLOCK_SIZE, 2 * BLOCK_SIZE]);
    expect(end).toBe(2 * HUGE_SIZE);
  });

  it("comes back to what is left of a gap when something fits it", () => {
    // 511 blocks before the large one: 508 are taken, the next is too large for the other three.
    const sizes = [HUGE_SIZE, 508, 5, 2, 1, 1].map((size) =>
      size === HUGE_SIZE ? size : size * BLOCK_SIZE,
    );
    const { offsets } = place(BLOCK_SIZE, HUGE_SIZE, sizes);
    expect([...offsets].map((offset) => offset / BLOCK_SIZE)).toEqual([
      HUGE_BLOCKS,
      1,
      2 * HUGE_BLOCKS,
      509,
      511,
      2 * HUGE_BLOCKS + 5,
    ]);
  });

  it("places nothing in no room", () => {
    expect(place(3 * BLOCK_SIZE, HUGE_SIZE, []).end).toBe(3 * BLOCK_SIZE);
  });

  it("takes time in proportion to the contents", () => {
    const random = new Random(11);
    const sizes = Array.from({ length: 200_000 }, (_, index) =>
      index % 50 === 0 ? HUGE_SIZE + random.below(HUGE_SIZE) : 1 + random.below(HUGE_SIZE),
    );
    const begun = performance.now();
    place(BLOCK_SIZE, HUGE_SIZE, sizes);
    expect(performance.now() - begun).toBeLessThan(5000);
  });
});

describe("placement in blocks", () => {
  it.each(cases.slice(0, 50))("is dense and in order, seed %i", (seed) => {
    const random = new Random(seed);
    const start = (1 + random.below(2000)) * BLOCK_SIZE;
    const { placed, end } = place(start, BLOCK_SIZE, randomSizes(random));
    let at = start;
    for (const each of placed) {
      expect(each.start).toBe(at);
      at = endOf(each);
    }
    expect(end).toBe(at);
  });
});

it("places equal contents equally", () => {
  const sizes = randomSizes(new Random(99));
  for (const align of [BLOCK_SIZE, HUGE_SIZE]) {
    expect(place(8192, align, sizes).offsets).toEqual(place(8192, align, sizes).offsets);
  }
});
