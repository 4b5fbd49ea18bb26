/**
 * The discrete Fourier transform on interleaved complex arrays, X_k = sum over j of x_j e^(∓2 pi i j k / n).
 *
 * Powers of two: iterative radix 2 (Cooley and Tukey 1965). Other lengths: Bluestein 1970, which writes j k as
 * (j² + k² - (k - j)²) / 2, turning the transform into a convolution of length a power of two. Double precision inside.
 */

interface Plan {
  readonly n: number;
  /** e^(-2 pi i k / n) for k < n / 2, interleaved; powers of two only. */
  readonly twiddles: Float64Array;
  /** Position of each element after bit reversal; powers of two only. */
  readonly order: Uint32Array;
}

interface Chirp {
  /** e^(-pi i j² / n), interleaved. */
  readonly chirp: Float64Array;
  /** Transform of the conjugate chirp, wrapped around, of length `plan.n`. */
  readonly kernel: Float64Array;
  readonly plan: Plan;
}

const plans = new Map<number, Plan>();
const chirps = new Map<number, Chirp>();

function planOf(n: number): Plan {
  let plan = plans.get(n);
  if (plan === undefined) {
    const twiddles = new Float64Array(n);
    for (let k = 0; k < n >> 1; k++) {
      twiddles[2 * k] = Math.cos((2 * Math.PI * k) / n);
      twiddles[2 * k + 1] = -Math.sin((2 * Math.PI * k) / n);
    }
    const order = new Uint32Array(n);
    for (let i = 1; i < n; i++) order[i] = ((order[i >> 1] as number) >> 1) | (i & 1 ? n >> 1 : 0);
    plan = { n, twiddles, order };
    plans.set(n, plan);
  }
  return plan;
}

/** Forward transform in place; `x` holds n interleaved complex numbers, n a power of two. */
function radix2(x: Float64Array, { n, twiddles, order }: Plan): void {
  for (let i = 0; i < n; i++) {
    const j = order[i] as number;
    if (j > i) {
      for (let p = 0; p < 2; p++) {
        const held = x[2 * i + p] as number;
        x[2 * i + p] = x[2 * j + p] as number;
        x[2 * j + p] = held;
      }
    }
  }
  for (let half = 1; half < n; half *= 2) {
    const step = n / (2 * half);
    for (let start = 0; start < n; start += 2 * half) {
      for (let k = 0; k < half; k++) {
        const c = twiddles[2 * k * step] as number;
        const s = twiddles[2 * k * step + 1] as number;
        const p = 2 * (start + k);
        const q = p + 2 * half;
        const re = (x[q] as number) * c - (x[q + 1] as number) * s;
        const im = (x[q] as number) * s + (x[q + 1] as number) * c;
        x[q] = (x[p] as number) - re;
        x[q + 1] = (x[p + 1] as number) - im;
        (x[p] as number) += re;
        (x[p + 1] as number) += im;
      }
    }
  }
}

function chirpOf(n: number): Chirp {
  let known = chirps.get(n);
  if (known === undefined) {
    let length = 1;
    while (length < 2 * n - 1) length *= 2;
    const plan = planOf(length);
    const chirp = new Float64Array(2 * n);
    const kernel = new Float64Array(2 * length);
    for (let j = 0; j < n; j++) {
      // j² modulo 2n, kept exact; the angle is pi j² / n.
      const angle = (Math.PI * ((j * j) % (2 * n))) / n;
      chirp[2 * j] = Math.cos(angle);
      chirp[2 * j + 1] = -Math.sin(angle);
      for (const at of j === 0 ? [0] : [j, length - j]) {
        kernel[2 * at] = Math.cos(angle);
        kernel[2 * at + 1] = Math.sin(angle);
      }
    }
    radix2(kernel, plan);
    known = { chirp, kernel, plan };
    chirps.set(n, known);
  }
  return known;
}

/** Forward transform in place for any n. */
function bluestein(x: Float64Array, n: number, work: Float64Array, { chirp, kernel, plan }: Chirp): void {
  work.fill(0);
  multiplyInto(work, x, chirp, n);
  radix2(work, plan);
  multiplyInto(work, work, kernel, plan.n);
  // The inverse transform is the forward one of the conjugate, conjugated and divided by the length.
  for (let i = 1; i < 2 * plan.n; i += 2) work[i] = -(work[i] as number);
  radix2(work, plan);
  for (let i = 0; i < 2 * n; i += 2) {
    work[i] = (work[i] as number) / plan.n;
    work[i + 1] = -(work[i + 1] as number) / plan.n;
  }
  multiplyInto(x, work, chirp, n);
}

/** out_i = a_i b_i for n interleaved complex numbers. */
function multiplyInto(out: Float64Array, a: Float64Array, b: Float64Array, n: number): void {
  for (let i = 0; i < 2 * n; i += 2) {
    const re = (a[i] as number) * (b[i] as number) - (a[i + 1] as number) * (b[i + 1] as number);
    out[i + 1] = (a[i] as number) * (b[i + 1] as number) + (a[i + 1] as number) * (b[i] as number);
    out[i] = re;
  }
}

/**
 * Transforms each row of n complex numbers in place.
 *
 * @param x interleaved real and imaginary parts, a whole number of rows
 * @param n length of a row
 * @param inverse the inverse transform, with the factor 1 / n
 */
export function transformRows(x: Float32Array, n: number, inverse: boolean): void {
  if (n <= 1) return;
  const powerOfTwo = (n & (n - 1)) === 0;
  const chirp = powerOfTwo ? undefined : chirpOf(n);
  const work = new Float64Array(2 * (chirp?.plan.n ?? 0));
  const row = new Float64Array(2 * n);
  // The inverse is the conjugate of the forward transform of the conjugate.
  const sign = inverse ? -1 : 1;
  const scale = inverse ? 1 / n : 1;
  for (let start = 0; start < x.length; start += 2 * n) {
    for (let i = 0; i < 2 * n; i += 2) {
      row[i] = x[start + i] as number;
      row[i + 1] = sign * (x[start + i + 1] as number);
    }
    if (chirp === undefined) radix2(row, planOf(n));
    else bluestein(row, n, work, chirp);
    for (let i = 0; i < 2 * n; i += 2) {
      x[start + i] = (row[i] as number) * scale;
      x[start + i + 1] = sign * (row[i + 1] as number) * scale;
    }
  }
}
