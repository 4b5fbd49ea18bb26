/** Long causal convolution by FFT, as in S4 and Hyena: y[t] = Σ k[s] u[t − s], one kernel of the whole length a channel. */
import { compile, tf } from '@tesserae/tensor';
import { uniform } from '../inputs.ts';
import { number, type Program } from '../program.ts';

const [batch, channels] = [2, 64];

/** See the file header. */
export const program: Program = {
  cases: () =>
    [1024, 4096, 16_384, 65_536].map((time) => ({
      id: `fft-conv.${time}`,
      title: `FFT long convolution, ${batch}×${channels}, length ${time}`,
      params: { batch, channels, time },
      tolerance: 1e-4,
    })),
  build: (params) => {
    const [batch, channels, time] = ['batch', 'channels', 'time'].map((name) => number(params, name)) as [
      number,
      number,
      number,
    ];
    const u = uniform('u', [batch, channels, time]);
    const k = uniform('k', [channels, time], 1 / Math.sqrt(time));
    const run = compile(
      (u: tf.Tensor, k: tf.Tensor) => {
        const product = tf.mul(tf.spectral.rfft(u, 2 * time), tf.spectral.rfft(k, 2 * time)); // [B, C, time + 1]
        const rows = tf.reshape(product, [batch * channels, time + 1]);
        const y = tf.reshape(tf.spectral.irfft(rows), [batch, channels, 2 * time]);
        return tf.slice(y, [0, 0, 0], [batch, channels, time]);
      },
      { name: 'fft_conv' },
    );
    return { step: () => run(u, k) };
  },
};
