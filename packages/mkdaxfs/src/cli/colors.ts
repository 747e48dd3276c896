// SPDX-License-Identifier: MIT

/** Puts text into a colour. */
export type Paint = (text: string) => string;

/** Colours of what is printed on a terminal. */
export interface Colors {
  readonly bar: Paint;
  /** For the name of the program in front of an error. */
  readonly error: Paint;
  /** For the name of the program in front of a warning. */
  readonly warning: Paint;
  /** For the name of an image that was built. */
  readonly built: Paint;
}

const asIs: Paint = (text) => text;

/** No colours: for pipes and files. */
export const PLAIN: Colors = { bar: asIs, error: asIs, warning: asIs, built: asIs };

/**
 * The colours for a stream: none unless it is a terminal that takes them, and none with NO_COLOR, as
 * no-color.org defines it.
 */
export async function colorsFor(
  isTerminal: boolean | undefined,
  environment: NodeJS.ProcessEnv,
): Promise<Colors> {
  if (!isTerminal || environment.TERM === "dumb" || environment.NO_COLOR) return PLAIN;
  // Loading it costs some milliseconds, so that runs without a terminal do without.
  const { Chalk } = await import("chalk");
  const { cyan, red, yellow, green } = new Chalk({ level: 1 });
  return { bar: cyan, error: red, warning: yellow, built: green };
}
