/** Mamba's selective scan (arXiv 2312.00752), forward and backward: h_t = exp(Δ_t a) h_{t−1} + Δ_t x_t b_t, y_t = h_t · c_t. */
import { compile, ops, tf } from '@tesserae/tensor';
import { uniform } from '../inputs.ts';
import { number, type Device, type Params, type Program } from '../program.ts';

const sizes: Record<Device, Params> = {
  cpu: { batch: 1, time: 512, dim: 256, states: 16 },
  gpu: { batch: 4, time: 2048, dim: 512, states: 16 },
};

/** See the file header. */
export const program: Program = {
  cases: (device) => {
    const size = sizes[device];
    const title = `selective scan with gradients, B ${size['batch']}, T ${size['time']}, D ${size['dim']}, N ${size['states']}`;
    return [{ id: 'selective-scan', title, params: size, tolerance: 1e-3 }];
  },
  build: (params) => {
    const [batch, time, dim, states] = ['batch', 'time', 'dim', 'states'].map((name) => number(params, name)) as [
      number,
      number,
      number,
      number,
    ];
    const x = uniform('x', [batch, time, dim]);
    const [b, c] = ['b', 'c'].map((name) => uniform(name, [batch, time, states])) as [tf.Tensor, tf.Tensor];
    const dY = uniform('dY', [batch, time, dim]);
    // Step sizes of 0.001 to 0.1 and decay rates of −0.5 to −16, as Mamba's are at the start.
    const [delta, a] = tf.tidy(() => [
      tf.add(tf.mul(tf.abs(uniform('delta', [batch, time, dim])), 0.099), 0.001),
      tf.sub(tf.mul(tf.abs(uniform('a', [dim, states])), -15.5), 0.5),
    ]) as [tf.Tensor, tf.Tensor];
    const run = compile(
      (inputs: tf.Tensor[], dY: tf.Tensor) => {
        const scan = (x: tf.Tensor, delta: tf.Tensor, a: tf.Tensor, b: tf.Tensor, c: tf.Tensor): tf.Tensor =>
          ops.selectiveScan({ x, delta, a, b, c });
        return tf.grads(scan)(inputs, dY);
      },
      { name: 'selective_scan' },
    );
    return { step: () => run([x, delta, a, b, c], dY) };
  },
};
