// SPDX-License-Identifier: MIT

/** CRC-32's polynomial without its highest term, bits reversed, as zlib has it. */
const POLYNOMIAL = 0xedb88320;
/** The polynomial 1 in that order of bits. */
const ONE = 0x80000000;

/** x to the power of 2^k, modulo the polynomial. */
const POWERS = powers();

/**
 * CRC-32 of some bytes followed by zeros, without a look at the zeros: a register that zeros are
 * shifted into is multiplied by a power of x. zlib's crc32_combine() does the same.
 * @param crc of the bytes in front, 0 for none
 * @param count of zeros
 */
export function crc32WithZeros(crc: number, count: number): number {
  let register = ~crc;
  // A zero byte is a factor of x^8.
  for (let power = 3, left = count; left > 0; power++, left = Math.floor(left / 2)) {
    if (left % 2 === 1) register = product(POWERS[power % 32]!, register);
  }
  return ~register >>> 0;
}

function powers(): number[] {
  const list = [ONE >>> 1];
  while (list.length < 32) list.push(product(list.at(-1)!, list.at(-1)!));
  return list;
}

/** The product of two polynomials, modulo CRC-32's. */
function product(first: number, second: number): number {
  let sum = 0;
  let shifted = second;
  for (let bit = ONE; bit !== 0; bit >>>= 1) {
    if ((first & bit) !== 0) sum ^= shifted;
    shifted = (shifted & 1) === 0 ? shifted >>> 1 : (shifted >>> 1) ^ POLYNOMIAL;
  }
  return sum >>> 0;
}
