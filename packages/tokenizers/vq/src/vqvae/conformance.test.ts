import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { random, type tf, useEngine } from '@tesserae/tensor';
import { expectClose } from '@tesserae/tensor/testing';
import { conformance, formatReport, loadTokenizer, saveTokenizer } from '@tesserae/tokenizer';
import { beforeAll, describe, expect, it } from 'vitest';
import type { QuantizerConfig } from '../quantizers.ts';
import type { VQVAEConfig } from './config.ts';
import { tokenizer } from './factory.ts';
import { VQVAE } from './vqvae.ts';

beforeAll(async () => {
  await useEngine('wasm');
});

const config = (quantizer: QuantizerConfig): VQVAEConfig => ({
  shape: [8, 8, 3],
  baseChannels: 8,
  depth: 1,
  codeDim: 4,
  groups: 2,
  quantizer,
});

const quantizers: [string, QuantizerConfig][] = [
  ['moving averages', { kind: 'vq', codebookSize: 16 }],
  ['cosine codes behind a projection', { kind: 'vq', codebookSize: 16, codebookDim: 3, similarity: 'cosine' }],
  // Fewer codes than latents, or k-means puts each code onto its latent and the codebook's gradient is zero.
  ['a learned codebook', { kind: 'vq', codebookSize: 8, codebook: { kind: 'learned' } }],
  ['the rotation trick', { kind: 'vq', codebookSize: 16, estimator: 'rotation' }],
  ['FSQ', { kind: 'fsq', levels: [5, 5, 3] }],
  ['symmetric FSQ', { kind: 'fsq', levels: [4, 4, 2, 2], variant: 'symmetric' }],
];

describe('VQVAE conforms to the tokenizer contract', () => {
  it.each(quantizers)('with %s', async (_, quantizer) => {
    const samples = random.uniform(random.key(4), [4, 8, 8, 3], { min: -1, max: 1 });
    const report = await conformance(tokenizer, samples, { config: config(quantizer) });
    expect(report.passed, formatReport(report)).toBe(true);
    expect(report.checks.filter(({ skipped }) => skipped)).toEqual([]);
  });
});

describe('saving', () => {
  it('brings back the same tokens, pictures and k-means flag', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'vqvae-'));
    try {
      const model = random.withKey(random.key(1), () => new VQVAE(config({ kind: 'vq', codebookSize: 16 })));
      const x = random.uniform(random.key(2), [4, 8, 8, 3], { min: -1, max: 1 });
      model.prepare(x, random.key(3));
      random.withKey(random.key(4), () => model.loss(x, { training: true }));
      await saveTokenizer(model, folder);
      const again = await loadTokenizer(folder, [tokenizer]);
      expect(again).toBeInstanceOf(VQVAE);
      expect(again.config).toEqual(model.config);
      const exact = { atol: 0, rtol: 0 };
      expectClose(again.encode(x), model.encode(x), exact);
      expectClose(again.decode(model.encode(x)), model.decode(model.encode(x)), exact);
      // Prepared already: a second preparation leaves the codes alone.
      const codes = again.stateDict()['quantizer.codebook.vectors'] as tf.Variable;
      (again as VQVAE).prepare(x.mul(2), random.key(9));
      expectClose(codes, model.stateDict()['quantizer.codebook.vectors'] as tf.Tensor, exact);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
