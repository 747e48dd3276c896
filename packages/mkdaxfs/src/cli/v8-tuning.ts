// SPDX-License-Identifier: MIT

import { setFlagsFromString } from "node:v8";
import type { Progress } from "../options.js";

/** Bytes of bytecode that run before V8 11 looks at a function, as it has them. */
const BUDGET = 67_584;
/** Leaves out nearly all functions. */
const BUDGET_FOR_FEW = 10 * BUDGET;
/** From this many entries on the best code pays. */
const MANY_ENTRIES = 15_000;

/**
 * Has the V8 of Node 20 optimize less while a build is small. It has no compiler there between the
 * simplest and the best, and such builds are over before what the latter makes has paid for its
 * making, which takes a quarter of the processors' time.
 */
export class CompilerTuning {
  private budget = BUDGET;

  /**
   * @param setFlags sets flags of V8
   * @param version of V8
   */
  constructor(
    private readonly setFlags: (flags: string) => void = setFlagsFromString,
    private readonly version: string = process.versions.v8,
  ) {}

  /**
   * To be called as a build goes on, and not before most modules are loaded: when flags have
   * changed, V8 refuses the compiled modules that Node carries.
   */
  update({ stage, done }: Progress): void {
    if (!this.version.startsWith("11.") || stage !== "read") return;
    const budget = done < MANY_ENTRIES ? BUDGET_FOR_FEW : BUDGET;
    if (budget === this.budget) return;
    this.budget = budget;
    this.setFlags(`--interrupt-budget=${budget}`);
  }
}
