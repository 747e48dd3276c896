// SPDX-License-Identifier: MIT
import type { Progress } from "../options.js";
import { type Paint, PLAIN } from "./colors.js";
import { countText, sizeText } from "./units.js";

/** Milliseconds between two drawings. */
const INTERVAL = 100;
const BAR_WIDTH = 30;
const CLEAR_TO_END = "\x1b[K";

/** What the bar needs of a terminal. */
export interface Terminal {
  readonly columns?: number;
  write(text: string): unknown;
}

/** One line on a terminal that says how far a build is. */
export class ProgressBar {
  private drawn = false;
  private lastTime: number;

  /** @param now milliseconds, from whenever */
  constructor(
    private readonly terminal: Terminal,
    /** Colours the part of the bar that is done. */
    private readonly paint: Paint = PLAIN.bar,
    private readonly now: () => number = () => performance.now(),
  ) {
    // A build that is over at once shows none.
    this.lastTime = now();
  }

  /** Draws, unless it has done so a moment ago. */
  update(progress: Progress): void {
    const time = this.now();
    if (time - this.lastTime < INTERVAL) return;
    this.lastTime = time;
    const line = progressLine(progress, (this.terminal.columns || 80) - 1, this.paint);
    this.terminal.write(`\r${line}${CLEAR_TO_END}`);
    this.drawn = true;
  }

  /** Takes the line away, so that something else can be printed. */
  clear(): void {
    if (this.drawn) this.terminal.write(`\r${CLEAR_TO_END}`);
    this.drawn = false;
  }
}

/**
 * The line for a terminal.
 * @param width columns that it may take
 */
export function progressLine(progress: Progress, width: number, paint: Paint = PLAIN.bar): string {
  const { stage, done, total } = progress;
  const amount = AMOUNTS[stage];
  const name = stage.padEnd(6);
  if (!total) return `${name}${amount(done)}`.slice(0, width);
  const share = Math.min(1, done / total);
  const percent = `${Math.floor(share * 100)}`.padStart(4);
  const numbers = `${percent} %  ${amount(done)} of ${amount(total)}`;
  const room = Math.min(BAR_WIDTH, width - name.length - numbers.length - 2);
  // Too narrow for a bar.
  if (room < 5) return `${name}${numbers}`.slice(0, width);
  const filled = Math.round(share * room);
  return `${name}[${paint("#".repeat(filled))}${"-".repeat(room - filled)}]${numbers}`;
}

const AMOUNTS: Readonly<Record<Progress["stage"], (done: number) => string>> = {
  fetch: sizeText,
  read: (entries) => countText(entries, "entry", "entries"),
  hash: (files) => countText(files, "file"),
  copy: sizeText,
};

/**
 * Whether a bar can be shown: on a terminal that takes control sequences, and not in the log of a
 * continuous integration.
 */
export function showsBar(isTerminal: boolean, environment: NodeJS.ProcessEnv): boolean {
  return isTerminal && environment.TERM !== "dumb" && !environment.CI;
}
