// SPDX-License-Identifier: MIT
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** Bytes for people: "1.2 GiB". */
export function sizeText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

/** A number of things for people: "1 file", "12,345 files". */
export function countText(count: number, one: string, several = `${one}s`): string {
  return `${count.toLocaleString("en")} ${count === 1 ? one : several}`;
}

/** Milliseconds for people: "0.12 s". */
export function timeText(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(2)} s`;
}
