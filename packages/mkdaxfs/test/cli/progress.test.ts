// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import { ProgressBar, progressLine, showsBar } from "../../src/cli/progress-bar.js";

describe("a line of progress", () => {
  it("has a bar, a share and amounts", () => {
    const half = { stage: "copy", done: 2 ** 30, total: 2 ** 31 } as const;
    expect(progressLine(half, 79)).toBe(
      "copy  [###############---------------]  50 %  1.0 GiB of 2.0 GiB",
    );
    expect(progressLine(half, 79, (text) => `<${text}>`)).toContain("[<###############>----");
    expect(progressLine({ stage: "hash", done: 3, total: 3 }, 79)).toContain(
      "##] 100 %  3 files of 3 files",
    );
  });

  it("has what is known where the end is not", () => {
    expect(progressLine({ stage: "read", done: 12_345, total: undefined }, 79)).toBe(
      "read  12,345 entries",
    );
    expect(progressLine({ stage: "fetch", done: 0, total: 0 }, 79)).toBe("fetch 0 B");
  });

  it("fits, and never passes the whole", () => {
    for (let width = 1; width < 100; width++) {
      for (const total of [undefined, 50, 1000]) {
        const line = progressLine({ stage: "fetch", done: 99, total }, width);
        expect(line.length).toBeLessThanOrEqual(width);
      }
    }
    expect(progressLine({ stage: "fetch", done: 99, total: 50 }, 79)).toContain("100 %");
  });
});

describe("a bar", () => {
  /** A bar on a terminal that keeps what it gets, at a time that the test sets. */
  function fakeBar(columns?: number) {
    const written: string[] = [];
    const clock = { now: 1000 };
    const terminal = {
      ...(columns === undefined ? {} : { columns }),
      write: (text: string) => written.push(text),
    };
    return { bar: new ProgressBar(terminal, undefined, () => clock.now), written, clock };
  }
  const at = (done: number) => ({ stage: "read", done, total: undefined }) as const;

  it("is drawn ten times a second at most, and not at once", () => {
    const { bar, written, clock } = fakeBar();
    for (let time = 0; time < 1000; time++) {
      clock.now = 1000 + time;
      bar.update(at(time));
    }
    expect(written).toHaveLength(9);
    expect(written[0]).toBe("\rread  100 entries\x1b[K");
  });

  it("goes away, and comes again", () => {
    const { bar, written, clock } = fakeBar(10);
    bar.clear();
    expect(written).toEqual([]);
    clock.now += 100;
    bar.update(at(12345));
    bar.clear();
    bar.clear();
    clock.now += 100;
    bar.update(at(12345));
    expect(written).toEqual(["\rread  12,\x1b[K", "\r\x1b[K", "\rread  12,\x1b[K"]);
  });
});

describe("the environment", () => {
  it("decides whether there is a bar", () => {
    expect(showsBar(true, { TERM: "xterm" })).toBe(true);
    expect(showsBar(false, { TERM: "xterm" })).toBe(false);
    expect(showsBar(true, { TERM: "dumb" })).toBe(false);
    expect(showsBar(true, { TERM: "xterm", CI: "true" })).toBe(false);
    expect(showsBar(true, { TERM: "xterm", CI: "" })).toBe(true);
  });
});
