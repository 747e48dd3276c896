// SPDX-License-Identifier: MIT
import { InvalidArgumentError } from "commander";
import { BuildError } from "../errors.js";

/** A command line that makes no sense, said in one line. */
export class UsageError extends BuildError {}

/** Has a parser's {@link BuildError} reported as that of an option's value. */
export function asValue<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      if (error instanceof BuildError) throw new InvalidArgumentError(error.message);
      throw error;
    }
  };
}
