/** Long causal convolution by FFT, as in S4 and Hyena: y[t] = Σ k[s] u[t − s], one kernel of the whole length a channel. */
import { compile, ops, type tf } from '@tesserae/tensor';
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
    const u = uniform('u', [batch, time, channels]);
    const k = uniform('k', [time, channels], 1 / Math.sqrt(time));
    const run = compile((u: tf.Tensor, k: tf.Tensor) => ops.fftConv(u, k), { name: 'fft_conv' });
    return { step: () => run(u, k) };
  },
};
