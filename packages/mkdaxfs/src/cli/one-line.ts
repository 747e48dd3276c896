// SPDX-License-Identifier: MIT
/** A message as one line, whatever the names in it hold. */
export function oneLine(text: string): string {
  return text.replace(
    /\p{Cc}/gu,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
