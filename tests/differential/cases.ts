// SPDX-License-Identifier: MIT
// Archives that mkdaxfs once read wrongly, shrunk, as descriptions.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Description } from "./description.js";

export interface Case {
  readonly name: string;
  /** What mkdaxfs made of it, and what is right. */
  readonly why: string;
  readonly description: Description;
  /** Part of the message with which it is refused. */
  readonly refused?: string;
}

/** @param directory of the test */
export function committedCases(directory: string): Case[] {
  const cases = join(directory, "cases");
  return readdirSync(cases)
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => {
      const { why, description, refused } = JSON.parse(readFileSync(join(cases, name), "utf8"));
      return {
        name: name.slice(0, -".json".length),
        why,
        description,
        ...(refused && { refused }),
      };
    });
}
