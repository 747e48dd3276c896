// SPDX-License-Identifier: MIT
// Makes a description smaller as long as it still fails: entries go first, then fields, then values
// become simple ones.

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** Ways to make a value smaller, those that take most away first. */
function* smaller(value: Json): Generator<Json> {
  if (Array.isArray(value)) {
    // A pair, such as a PAX record, stays one.
    if (value.some((item) => typeof item !== "object")) return;
    for (let size = value.length >> 1; size > 1; size >>= 1) {
      for (let at = 0; at < value.length; at += size) {
        yield [...value.slice(0, at), ...value.slice(at + size)];
      }
    }
    for (const at of value.keys()) yield [...value.slice(0, at), ...value.slice(at + 1)];
    for (const [at, item] of value.entries()) {
      for (const less of smaller(item)) yield [...value.slice(0, at), less, ...value.slice(at + 1)];
    }
  } else if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value as { readonly [key: string]: Json });
    for (const [key] of entries) {
      if (key === "kind") continue;
      yield Object.fromEntries(entries.filter(([other]) => other !== key));
    }
    for (const [key, item] of entries) {
      for (const less of smaller(item)) yield { ...Object.fromEntries(entries), [key]: less };
    }
  } else if (typeof value === "string" && value.length > 12 && /^[\0-\xff]*$/.test(value)) {
    yield value.slice(0, value.length >> 1);
    yield value.slice(value.length >> 1);
  } else if (typeof value === "number" && value > 1) {
    yield 1;
    yield value >> 1;
  }
}

/** Attempts; a failing archive with a hundred fields needs a few hundred. */
const ATTEMPTS_MAX = 600;

/**
 * @param fails whether a description still fails in the same way
 * @returns the smallest one that was found
 */
export async function shrink<T extends object>(
  description: T,
  fails: (smaller: T) => Promise<boolean>,
): Promise<T> {
  let best = description;
  let attempts = 0;
  for (let improved = true; improved; ) {
    improved = false;
    for (const candidate of smaller(best as unknown as Json)) {
      if (++attempts > ATTEMPTS_MAX) return best;
      if (!(await fails(candidate as unknown as T))) continue;
      best = candidate as unknown as T;
      improved = true;
      break;
    }
  }
  return best;
}
