/** Attention and its gradients in double precision, the plain way: what the kernels are compared with. */

/** Arrays are row-major; see the contract of `FlashAttention`. */
export interface ReferenceCase {
  readonly batch: number;
  readonly heads: number;
  readonly groups: number;
  readonly queries: number;
  readonly keys: number;
  readonly dim: number;
  readonly valueDim: number;
  readonly causal: boolean;
  readonly scale: number;
  /** Of shape [batch, heads, queries, keys] or with lengths of 1. */
  readonly mask?: readonly number[];
}

/** Inputs of the reference. */
export interface ReferenceInputs {
  readonly query: Float32Array;
  readonly key: Float32Array;
  readonly value: Float32Array;
  readonly dOut: Float32Array;
  readonly mask?: Float32Array | undefined;
}

/** Outputs, gradients and `delta`. */
export interface ReferenceResults {
  readonly out: Float32Array;
  readonly logSumExp: Float32Array;
  readonly delta: Float32Array;
  readonly dQuery: Float32Array;
  readonly dKey: Float32Array;
  readonly dValue: Float32Array;
}

const row = (data: Float32Array, index: number, width: number): Float32Array =>
  data.subarray(index * width, (index + 1) * width);
const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
};
const addTo = (target: Float32Array, factor: number, source: ArrayLike<number>): void => {
  for (let i = 0; i < target.length; i++) target[i] = (target[i] as number) + factor * (source[i] as number);
};

/** See the file header. */
export function attentionReference(shape: ReferenceCase, inputs: ReferenceInputs): ReferenceResults {
  const { batch, heads, groups, queries, keys, dim, valueDim, causal, scale } = shape;
  const planes = batch * heads;
  const results = {
    out: new Float32Array(planes * queries * valueDim),
    logSumExp: new Float32Array(planes * queries),
    delta: new Float32Array(planes * queries),
    dQuery: new Float32Array(inputs.query.length),
    dKey: new Float32Array(inputs.key.length),
    dValue: new Float32Array(inputs.value.length),
  };
  for (let plane = 0; plane < planes; plane++) {
    const [b, head] = [Math.floor(plane / heads), plane % heads];
    const group = b * groups + Math.floor(head / (heads / groups));
    for (let i = 0; i < queries; i++) {
      const at = plane * queries + i;
      const q = row(inputs.query, at, dim);
      const scores = Array.from({ length: keys }, (_, j) => {
        if (causal && j > i + keys - queries) return -Infinity;
        const place = [b, head, i, j].reduce((sum, index, axis) => {
          const length = shape.mask?.[axis] ?? 1;
          return sum * length + (length === 1 ? 0 : index);
        }, 0);
        return scale * dot(q, row(inputs.key, group * keys + j, dim)) + (inputs.mask?.[place] ?? 0);
      });
      const highest = Math.max(...scores);
      const total = scores.reduce((sum, score) => sum + Math.exp(score - highest), 0);
      const weights = scores.map((score) => Math.exp(score - highest) / total);
      results.logSumExp[at] = highest + Math.log(total);
      const out = row(results.out, at, valueDim);
      weights.forEach((weight, j) => addTo(out, weight, row(inputs.value, group * keys + j, valueDim)));
      const d = row(inputs.dOut, at, valueDim);
      const delta = dot(out, d);
      results.delta[at] = delta;
      weights.forEach((weight, j) => {
        const key = group * keys + j;
        addTo(row(results.dValue, key, valueDim), weight, d);
        const dScore = weight * (dot(d, row(inputs.value, key, valueDim)) - delta) * scale;
        addTo(row(results.dQuery, at, dim), dScore, row(inputs.key, key, dim));
        addTo(row(results.dKey, key, dim), dScore, q);
      });
    }
  }
  return results;
}
