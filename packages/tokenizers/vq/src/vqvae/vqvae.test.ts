import { random, tf, useEngine, valueAndGrad } from '@tesserae/tensor';
import { expectClose, expectNoLeak } from '@tesserae/tensor/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import type { VQVAEConfig } from './config.ts';
import { tokenizer } from './factory.ts';
import { VQVAE } from './vqvae.ts';

beforeAll(async () => {
  await useEngine('wasm');
});

const exact = { atol: 0, rtol: 0 };
const small = { shape: [8, 8, 3], baseChannels: 8, depth: 1, codeDim: 4, groups: 2 } as const;

function create(config: Partial<VQVAEConfig> = {}): VQVAE {
  const quantizer = { kind: 'vq', codebookSize: 16 } as const;
  return random.withKey(random.key(3), () => new VQVAE({ ...small, quantizer, ...config }));
}

const pictures = (batch: number, side: number = 8): tf.Tensor4D =>
  random.uniform(random.key(4), [batch, side, side, 3], { min: -1, max: 1 }) as tf.Tensor4D;

describe('VQVAE', () => {
  it('has 0.65 million parameters by default, and the demo grid', () => {
    const model = random.withKey(random.key(0), () => tokenizer.create({ shape: [32, 32, 3] }) as VQVAE);
    expect(model.spec).toEqual({
      kind: 'discrete',
      signal: 'image',
      shape: [32, 32, 3],
      vocabulary: 512,
      grid: [8, 8],
    });
    expect(model.parameterCount).toBeGreaterThan(640_000);
    expect(model.parameterCount).toBeLessThan(670_000);
    // Plain JSON that builds the same again.
    const config = JSON.parse(JSON.stringify(model.config)) as VQVAEConfig;
    const again = random.withKey(random.key(0), () => new VQVAE(config));
    expect(again.config).toEqual(model.config);
    expect(Object.keys(again.stateDict())).toEqual(Object.keys(model.stateDict()));
    model.dispose();
    again.dispose();
  });

  it('goes from pictures to tokens and back, at any level count', () => {
    for (const downsampling of [2, 4, 8]) {
      const model = create({ downsampling });
      const tokens = model.encode(pictures(2));
      expect(tokens.shape).toEqual([2, 8 / downsampling, 8 / downsampling]);
      expect(tokens.dtype).toBe('int32');
      expect(model.decode(tokens).shape).toEqual([2, 8, 8, 3]);
      model.dispose();
    }
  });

  it('takes pictures that are not square, and one channel', () => {
    const model = create({ shape: [8, 16, 1] });
    expect(model.encode(tf.zeros([1, 8, 16, 1])).shape).toEqual([1, 2, 4]);
    expect(model.decode(tf.zeros([1, 2, 4], 'int32')).shape).toEqual([1, 8, 16, 1]);
  });

  it('reconstructs in its loss what decode(encode(x)) gives, to the bit', () => {
    for (const quantizer of [
      { kind: 'vq', codebookSize: 16 },
      { kind: 'fsq', levels: [5, 5] },
    ] as const) {
      const model = create({ quantizer });
      const x = pictures(2);
      const { reconstruction, tokens, loss, terms } = model.loss(x);
      expectClose(tokens as tf.Tensor, model.encode(x), exact);
      expectClose(reconstruction, model.decode(model.encode(x)), exact);
      const error = reconstruction.sub(x).square().mean();
      expectClose(terms['reconstruction'] as tf.Scalar, error);
      expectClose(loss, terms['commitment'] ? error.add(terms['commitment']) : error);
    }
  });

  it('sends gradient to every parameter', () => {
    const model = create();
    const x = pictures(2);
    const { grads } = valueAndGrad(() => model.loss(x).loss, model.parameters());
    for (const [name, gradient] of Object.entries(grads)) {
      expect([name, (gradient.abs().sum().dataSync()[0] as number) > 0]).toEqual([name, true]);
    }
  });

  it('places its codes from pictures, and loses error when trained', () => {
    const model = create();
    const x = pictures(8);
    model.prepare(x, random.key(0));
    expect(model.loss(x).terms['usage']?.dataSync()[0]).toBeGreaterThan(0.4);
    const parameters = model.parameters();
    const first = model.loss(x).loss.dataSync()[0] as number;
    for (let step = 0; step < 20; step++) {
      tf.tidy(() => {
        const { grads } = random.withKey(random.key(step), () =>
          valueAndGrad(() => model.loss(x, { training: true }).loss, parameters),
        );
        for (const [name, variable] of Object.entries(parameters)) {
          variable.assign(variable.sub((grads[name] as tf.Tensor).mul(0.05)));
        }
      });
    }
    expect(model.loss(x).loss.dataSync()[0]).toBeLessThan(first * 0.9);
  });

  it('leaves no tensors behind', () => {
    const x = pictures(2);
    expectNoLeak(() => {
      const key = random.key(1);
      const model = random.withKey(key, () => new VQVAE({ ...small, quantizer: { kind: 'vq', codebookSize: 16 } }));
      model.prepare(x, key);
      const tokens = model.encode(x);
      const {
        loss,
        terms,
        reconstruction,
        tokens: again,
      } = random.withKey(key, () => model.loss(x, { training: true }));
      tf.dispose([tokens, model.decode(tokens), loss, terms, reconstruction, again as tf.Tensor, key]);
      model.dispose();
    });
  });

  it('refuses what cannot be', () => {
    expect(() => create({ shape: [30, 32, 3] })).toThrow(/height, must be a multiple of downsampling 4, got 30.*32/);
    expect(() => create({ shape: [32, 32] })).toThrow(/\[height, width, channels\], got \[32, 32\]/);
    expect(() => create({ downsampling: 3 })).toThrow(/power of two/);
    expect(() => create({ groups: 3 })).toThrow(/groups must divide baseChannels/);
    expect(() => create({ quantizer: { kind: 'none' } as never })).toThrow(
      /quantizer.kind must be vq or fsq, got "none"/,
    );
    const model = create();
    expect(() => model.encode(tf.zeros([1, 8, 8, 4]))).toThrow(/VQVAE.encode.*\[batch, 8, 8, 3\], got \[1, 8, 8, 4\]/);
    expect(() => model.encode(tf.zeros([1, 8, 8, 3], 'int32'))).toThrow(/float32/);
    expect(() => model.decode(tf.fill([1, 2, 2], 16, 'int32'))).toThrow(/VQVAE.decode: token 16 at position 0/);
    expect(() => model.decode(tf.fill([1, 2, 2], -1, 'int32'))).toThrow(/token -1/);
    expect(() => model.decode(tf.zeros([1, 3, 2], 'int32'))).toThrow(/VQVAE.decode/);
    expect(() => model.encode(tf.fill([1, 8, 8, 3], Number.NaN))).toThrow(/finite/);
  });
});
