/**
 * Philox4x32-10 on the host: the counter-based generator under every random number here.
 *
 * Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3" (SC 2011); constants from Random123's philox.h.
 * A block is a function of a 128-bit counter and a 64-bit key, so any element of any random tensor is computed on its
 * own, in any order, on any engine.
 *
 * The layout that every engine must reproduce bit for bit:
 * - `PhiloxBits(key, shape, stream)`: element `i` of the flattened output is word `i mod 4` of block `floor(i / 4)`,
 *   with counter `(block, 0, 0, stream)` and key `(key[0], key[1])`; all words are uint32, returned as int32 bits.
 * - `PhiloxUniform`: the same words, as `(word >>> 8) * 2^-24`, float32, exact.
 * - `PhiloxFold(key, data, stream)`: words 0 and 1 of the block with counter `(data, 0, 0, stream)`.
 */

const multiplier0 = 0xd2511f53;
const multiplier1 = 0xcd9e8d57;
/** Weyl increments of the key: the golden ratio and sqrt(3) - 1. */
const weyl0 = 0x9e3779b9;
const weyl1 = 0xbb67ae85;

/** Stream constant of `foldIn`; user streams of `bits` and `uniform` are 0. */
export const foldStream = 0xf01d;
/** Stream constant of `split`. */
export const splitStream = 0x5b17;

const m0Low = multiplier0 & 0xffff;
const m0High = multiplier0 >>> 16;
const m1Low = multiplier1 & 0xffff;
const m1High = multiplier1 >>> 16;

/**
 * Computes one block: four 32-bit words into `out[at..at+3]`.
 *
 * High halves of the 32x32-bit products come from 16-bit limbs, since a double holds only 53 bits.
 */
export function philoxBlock(
  counter0: number,
  counter1: number,
  counter2: number,
  counter3: number,
  key0: number,
  key1: number,
  out: Int32Array | Uint32Array,
  at: number,
): void {
  let c0 = counter0 | 0;
  let c1 = counter1 | 0;
  let c2 = counter2 | 0;
  let c3 = counter3 | 0;
  let k0 = key0 | 0;
  let k1 = key1 | 0;
  for (let round = 0; round < 10; round++) {
    const c0Low = c0 & 0xffff;
    const c0High = c0 >>> 16;
    const carry0 = (Math.imul(m0High, c0Low) >>> 0) + (Math.imul(m0Low, c0Low) >>> 16);
    const middle0 = (Math.imul(m0Low, c0High) >>> 0) + (carry0 & 0xffff);
    const high0 = (Math.imul(m0High, c0High) + (carry0 >>> 16) + (middle0 >>> 16)) | 0;

    const c2Low = c2 & 0xffff;
    const c2High = c2 >>> 16;
    const carry1 = (Math.imul(m1High, c2Low) >>> 0) + (Math.imul(m1Low, c2Low) >>> 16);
    const middle1 = (Math.imul(m1Low, c2High) >>> 0) + (carry1 & 0xffff);
    const high1 = (Math.imul(m1High, c2High) + (carry1 >>> 16) + (middle1 >>> 16)) | 0;

    const low0 = Math.imul(multiplier0, c0);
    const low1 = Math.imul(multiplier1, c2);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + weyl0) | 0;
    k1 = (k1 + weyl1) | 0;
  }
  out[at] = c0;
  out[at + 1] = c1;
  out[at + 2] = c2;
  out[at + 3] = c3;
}

/** `size` words of a stream in the layout of the header, as int32. */
export function philoxBits(key0: number, key1: number, stream: number, size: number): Int32Array {
  const blocks = Math.ceil(size / 4);
  const words = new Int32Array(blocks * 4);
  for (let block = 0; block < blocks; block++) philoxBlock(block, 0, 0, stream, key0, key1, words, block * 4);
  return words.length === size ? words : words.slice(0, size);
}

/** `size` floats in [0, 1), multiples of 2^-24, in the layout of the header. */
export function philoxUniform(key0: number, key1: number, stream: number, size: number): Float32Array {
  const words = philoxBits(key0, key1, stream, size);
  const floats = new Float32Array(size);
  for (let i = 0; i < size; i++) floats[i] = ((words[i] as number) >>> 8) * 2 ** -24;
  return floats;
}
