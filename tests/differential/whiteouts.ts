// SPDX-License-Identifier: MIT
import type { TarMember } from "./description.js";

const isWhiteout = ({ name = "" }: TarMember) => /(^|\/)\.wh\.[^/]*\/?$/.test(name);

/** The members of a layer with its whiteouts in front. */
export function whiteoutsFirst(layer: readonly TarMember[]): TarMember[] {
  return [...layer.filter(isWhiteout), ...layer.filter((member) => !isWhiteout(member))];
}
