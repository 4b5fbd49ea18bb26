/** The selective scan and its gradients in double precision, step by step: what the kernels are compared with. */
import type { ScanShape } from '../selective-scan.ts';

/** Row-major; see the contract of `SelectiveScan`. */
export interface ScanArrays {
  readonly x: Float32Array;
  readonly delta: Float32Array;
  readonly a: Float32Array;
  readonly b: Float32Array;
  readonly c: Float32Array;
  readonly skip?: Float32Array | undefined;
  readonly dY: Float32Array;
}

/** Outputs, states at the chunks' starts, and gradients. */
export interface ScanResults {
  readonly y: Float64Array;
  readonly starts: Float64Array;
  readonly dX: Float64Array;
  readonly dDelta: Float64Array;
  readonly dA: Float64Array;
  readonly dB: Float64Array;
  readonly dC: Float64Array;
}

/** See the file header. */
export function scanReference(shape: ScanShape, arrays: ScanArrays): ScanResults {
  const { batch, steps, channels, states, chunk } = shape;
  const count = Math.ceil(steps / chunk);
  const { x, delta, a, b, c, skip, dY } = arrays;
  const zeros = (length: number): Float64Array => new Float64Array(length);
  const results = {
    y: zeros(x.length),
    starts: zeros(batch * count * channels * states),
    dX: zeros(x.length),
    dDelta: zeros(x.length),
    dA: zeros(a.length),
    dB: zeros(b.length),
    dC: zeros(c.length),
  };
  const bump = (target: Float64Array, at: number, value: number): void => {
    target[at] = (target[at] as number) + value;
  };
  const at = (source: ArrayLike<number>, i: number): number => source[i] as number;
  for (let e = 0; e < batch; e++)
    for (let d = 0; d < channels; d++) {
      const line = (t: number): number => (e * steps + t) * channels + d;
      for (let n = 0; n < states; n++) {
        const rate = at(a, d * states + n);
        const state = (t: number): number => (e * steps + t) * states + n;
        const history = zeros(steps + 1);
        for (let t = 0; t < steps; t++) {
          if (t % chunk === 0)
            results.starts[((e * count + t / chunk) * channels + d) * states + n] = history[t] as number;
          const dt = at(delta, line(t));
          history[t + 1] = Math.exp(dt * rate) * at(history, t) + dt * at(x, line(t)) * at(b, state(t));
          bump(results.y, line(t), at(history, t + 1) * at(c, state(t)));
        }
        let g = 0;
        for (let t = steps - 1; t >= 0; t--) {
          const [dt, xt, bt, dy] = [at(delta, line(t)), at(x, line(t)), at(b, state(t)), at(dY, line(t))];
          g += dy * at(c, state(t));
          const decayed = Math.exp(dt * rate) * at(history, t);
          bump(results.dX, line(t), g * dt * bt);
          bump(results.dDelta, line(t), g * (rate * decayed + xt * bt));
          bump(results.dA, d * states + n, g * dt * decayed);
          bump(results.dB, state(t), g * dt * xt);
          bump(results.dC, state(t), dy * at(history, t + 1));
          g *= Math.exp(dt * rate);
        }
      }
      if (skip !== undefined)
        for (let t = 0; t < steps; t++) {
          bump(results.y, line(t), at(skip, d) * at(x, line(t)));
          bump(results.dX, line(t), at(skip, d) * at(dY, line(t)));
        }
    }
  return results;
}
