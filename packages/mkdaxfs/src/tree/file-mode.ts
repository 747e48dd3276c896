// SPDX-License-Identifier: MIT
import { BuildError } from "../errors.js";

/** Gives the mode that a file with this mode gets; bits past 0o7777, such as its type, stay. */
export type ModeChange = (mode: number, isDirectory: boolean) => number;

const ALL = 0o7777;
const SET_ID = 0o6000;
const EXECUTE = 0o111;

/** The bits of each class of users. */
const CLASSES: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o1007, a: ALL };

const PERMISSIONS: Readonly<Record<string, number>> = {
  r: 0o444,
  w: 0o222,
  x: EXECUTE,
  s: SET_ID,
  t: 0o1000,
};

/** One operator with what follows it. */
interface Action {
  readonly operator: string;
  /** Bits that it may change. */
  readonly classes: number;
  /** Bits that it names, whatever the file's mode is. */
  readonly bits: number;
  /** Whether it has an X: execute for directories and for what someone may execute. */
  readonly conditionalExecute: boolean;
  /** Class whose permissions are copied, 0 for none. */
  readonly copied: number;
  /** Bits of directories that it leaves, as chmod(1) of GNU does unless they are named. */
  readonly keptOfDirectories: number;
}

/**
 * Reads a change as chmod(1) takes it: octal, or symbolic with `u g o a`, `+ - =`, `r w x X s t`,
 * copies such as `g=u`, and lists. Classes that are left out are all of them, under no umask. As
 * GNU's chmod has it, setuid and setgid of directories stay unless they are named, or an octal
 * number has five digits.
 * @throws BuildError when it is none.
 */
export function parseModeChange(text: string): ModeChange {
  const actions = octalActions(text) ?? symbolicActions(text);
  if (actions === undefined) {
    throw new BuildError(
      `'${text}' is not a mode (give one as chmod takes it, such as u=rwX,go-w or 0644)`,
    );
  }
  return (mode, isDirectory) => {
    let bits = mode & ALL;
    for (const action of actions) bits = applied(action, bits, isDirectory);
    return (mode & ~ALL) | bits;
  };
}

function octalActions(text: string): Action[] | undefined {
  if (!/^[0-7]{1,5}$/.test(text)) return undefined;
  const bits = Number.parseInt(text, 8);
  if (bits > ALL) return undefined;
  const keptOfDirectories = text.length > 4 ? 0 : SET_ID & ~bits;
  return [
    { operator: "=", classes: ALL, bits, conditionalExecute: false, copied: 0, keptOfDirectories },
  ];
}

function symbolicActions(text: string): Action[] | undefined {
  const actions: Action[] = [];
  for (const clause of text.split(",")) {
    const match = /^([ugoa]*)((?:[-+=](?:[ugo]|[rwxXst]*))+)$/.exec(clause);
    if (match === null) return undefined;
    const [, who = "", changes = ""] = match;
    const classes = [...who].reduce((all, letter) => all | CLASSES[letter]!, 0) || ALL;
    for (const [change] of changes.matchAll(/[-+=][^-+=]*/g)) {
      actions.push(symbolicAction(classes, change));
    }
  }
  return actions;
}

function symbolicAction(classes: number, change: string): Action {
  const operator = change.charAt(0);
  const letters = [...change.slice(1)];
  const copied = (CLASSES[letters[0] ?? ""] ?? 0) & 0o777;
  const bits = letters.reduce((all, letter) => all | (PERMISSIONS[letter] ?? 0), 0);
  const keptOfDirectories = SET_ID & ~(bits & classes);
  const conditionalExecute = letters.includes("X");
  return { operator, classes, bits, conditionalExecute, copied, keptOfDirectories };
}

function applied(action: Action, mode: number, isDirectory: boolean): number {
  const changeable = action.classes & ~(isDirectory ? action.keptOfDirectories : 0);
  let bits = action.bits;
  if (action.conditionalExecute && (isDirectory || (mode & EXECUTE) !== 0)) bits |= EXECUTE;
  for (const permission of [0o444, 0o222, EXECUTE]) {
    if ((mode & action.copied & permission) !== 0) bits |= permission;
  }
  bits &= changeable;
  switch (action.operator) {
    case "+":
      return mode | bits;
    case "-":
      return mode & ~bits;
    default:
      return (mode & ~changeable) | bits;
  }
}
