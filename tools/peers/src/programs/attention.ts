/** Causal attention alone, forward and backward: [batch, heads, time, 64]. */
import { compile, ops, tf, withPrecision, type Precision } from '@tesserae/tensor';
import { uniform } from '../inputs.ts';
import { number, type Case, type Device, type Params, type Program } from '../program.ts';

const sizes: Record<Device, Params> = {
  cpu: { batch: 2, heads: 4, time: 1024, dim: 64 },
  gpu: { batch: 8, heads: 16, time: 2048, dim: 64 },
};

/** See the file header. */
export const program: Program = {
  cases: (device) => {
    const size = sizes[device];
    const row = (precision: Precision, tolerance: number): Case => ({
      id: `attention.${precision}`,
      title: `causal attention with gradient, B ${size['batch']}, H ${size['heads']}, T ${size['time']}, D ${size['dim']}, ${precision}`,
      params: { ...size, precision },
      tolerance,
    });
    const float32 = row('float32', 1e-4);
    return device === 'cpu' ? [float32] : [float32, row('bfloat16', 5e-2), row('tf32', 1e-2)];
  },
  build: (params) => {
    const shape = ['batch', 'heads', 'time', 'dim'].map((name) => number(params, name));
    const [query, key, value, dOut] = ['query', 'key', 'value', 'dOut'].map((name) => uniform(name, shape)) as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
    ];
    const run = compile(
      (query: tf.Tensor, key: tf.Tensor, value: tf.Tensor, dOut: tf.Tensor) =>
        withPrecision(params['precision'] as Precision, () => {
          const attend = (query: tf.Tensor, key: tf.Tensor, value: tf.Tensor): tf.Tensor =>
            ops.attention({ query, key, value, causal: true });
          return tf.grads(attend)([query, key, value], dOut);
        }),
      { name: 'attention' },
    );
    return { step: () => run(query, key, value, dOut) };
  },
};
