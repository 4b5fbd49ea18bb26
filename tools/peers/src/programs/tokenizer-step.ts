/**
 * A training step of the images app's tokenizer: the default VQVAE on 32×32 pictures, its codebook following a moving
 * average with revival, AdamW. `python/vqvae.py` is the same model.
 */
import { AdamW } from '@tesserae/nn';
import { compile, random, tf, valueAndGrad, withPrecision, type Precision } from '@tesserae/tensor';
import { VQVAE } from '@tesserae/vq';
import { initialised, uniform } from '../inputs.ts';
import { number, type Case, type Program } from '../program.ts';

const [side, codes, codeDim] = [32, 512, 16];

/** See the file header. */
export const program: Program = {
  cases: (device) => {
    const batch = device === 'cpu' ? 64 : 256;
    const row = (precision: Precision, tolerance: number): Case => ({
      id: `tokenizer-step.${precision}`,
      title: `VQVAE train step of the images app, B ${batch}, ${side}×${side}, ${precision}`,
      params: { batch, side, codes, codeDim, precision },
      tolerance,
      makes: { count: batch, unit: 'images' },
    });
    const float32 = row('float32', 2e-3);
    return device === 'cpu' ? [float32] : [float32, row('bfloat16', 5e-2), row('tf32', 2e-2)];
  },
  build: (params) => {
    const [batch, side, codes, codeDim] = ['batch', 'side', 'codes', 'codeDim'].map((name) => number(params, name)) as [
      number,
      number,
      number,
      number,
    ];
    const model = initialised(
      () =>
        new VQVAE({
          shape: [side, side, 3],
          codeDim,
          quantizer: { kind: 'vq', codebookSize: codes, init: { kind: 'uniform' } },
        }),
    );
    tf.tidy(() => {
      const state = model.stateDict();
      const vectors = uniform('codebook', [codes, codeDim]);
      for (const name of ['vectors', 'embedSum']) state[`quantizer.codebook.${name}`]?.assign(vectors.clone());
    });
    const images = uniform('images', [batch, side, side, 3]);
    const optimizer = new AdamW({ learningRate: 2e-3, betas: [0.9, 0.95], weightDecay: 0.01 });
    const parameters = model.parameters();
    optimizer.init(parameters);
    const train = compile(
      (images: tf.Tensor, step: tf.Scalar) => {
        const key = random.foldIn(random.key(0), step);
        const { value, grads } = random.withKey(key, () =>
          valueAndGrad(
            () => withPrecision(params['precision'] as Precision, () => model.loss(images, { training: true }).loss),
            parameters,
          ),
        );
        optimizer.update(parameters, grads);
        return value;
      },
      { name: 'tokenizer_step' },
    );
    let count = 0;
    return {
      step: () => {
        const step = tf.scalar(count++, 'int32');
        const loss = train(images, step);
        step.dispose();
        return loss;
      },
    };
  },
};
