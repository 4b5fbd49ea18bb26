/**
 * Random numbers for the data pipeline, drawn on the host: a function of the words it is seeded with, nothing else.
 *
 * The order of an epoch is drawn from (seed, epoch) and the augmentation of an item from (seed, epoch, position), so a
 * loader that is restored in the middle gives what it would have given. Device-side randomness is `random` of
 * `@tesserae/tensor`.
 *
 * Generator: xoshiro128** of Blackman and Vigna (2018), its state filled by the finaliser of MurmurHash3 over the
 * words.
 */
export class Draws {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  /** @param words - Whole numbers; each is used modulo 2^53. Different words give independent streams. */
  constructor(...words: readonly number[]) {
    let hash = 0x9e3779b9;
    const absorb = (word: number): void => {
      hash = finalise(hash ^ Math.imul(word, 0xcc9e2d51));
      hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
    };
    for (const word of words) {
      absorb(word | 0);
      absorb(Math.floor(word / 2 ** 32) | 0);
    }
    absorb(words.length);
    const next = (): number => {
      hash = (hash + 0x9e3779b9) | 0;
      return finalise(hash);
    };
    this.#a = next();
    this.#b = next();
    this.#c = next();
    this.#d = next() | 1; // never all zero
  }

  /** A whole number in `[0, 2^32)`. */
  uint32(): number {
    const result = Math.imul(rotate(Math.imul(this.#b, 5), 7), 9) >>> 0;
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = rotate(this.#d, 11);
    return result;
  }

  /** A number in `[0, 1)` with 53 random bits. */
  uniform(): number {
    return ((this.uint32() >>> 5) * 2 ** 26 + (this.uint32() >>> 6)) / 2 ** 53;
  }

  /** A whole number in `[0, limit)`, each equally likely; `limit` at most 2^32. */
  below(limit: number): number {
    const usable = 2 ** 32 - (2 ** 32 % limit);
    for (;;) {
      const value = this.uint32();
      if (value < usable) return value % limit;
    }
  }

  /** True with probability `p`. */
  bernoulli(p: number): boolean {
    return this.uniform() < p;
  }

  /** The numbers 0 … n−1 in random order (Fisher and Yates). */
  permutation(n: number): Uint32Array {
    const order = Uint32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const kept = order[i] as number;
      order[i] = order[j] as number;
      order[j] = kept;
    }
    return order;
  }
}

/** The finaliser of MurmurHash3: every bit of the input reaches every bit of the output. */
function finalise(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}
