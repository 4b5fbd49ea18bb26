import { random, tf, useEngine } from '@tesserae/tensor';
import { beforeAll, expect, test } from 'vitest';
import { patchFactory, PatchTokenizer, samplePictures, type Fault } from '../patch-tokenizer.fixture.ts';
import type { TokenizerConfig } from '../tokenizer.ts';
import { conformance, conformanceChecks } from './conformance.ts';
import { formatReport } from './report.ts';

beforeAll(async () => {
  await useEngine('cpu');
});

test('a sound tokenizer passes every check, and nothing is left behind', async () => {
  const samples = samplePictures();
  const before = tf.memory().numTensors;
  const report = await conformance(patchFactory(), samples);
  expect(report.passed, formatReport(report)).toBe(true);
  expect(report.checks.map(({ name }) => name)).toEqual(conformanceChecks);
  expect(report.checks.filter(({ skipped }) => skipped)).toEqual([]);
  expect(tf.memory().numTensors).toBe(before);
});

/** Each planted fault, the check that has to find it, and what it has to say. */
const planted: [Exclude<Fault, 'none'>, string, RegExp][] = [
  ['wrong-kind', 'description', /factory's kind is 'patch', that of its tokenizer is 'other'/],
  ['incomplete-config', 'description', /config\.shape is \[undefined\]/],
  ['wrong-vocabulary', 'token-range', /outside \[0, 4\)/],
  ['float-tokens', 'token-range', /tokens must be int32/],
  ['flat-tokens', 'token-range', /tokens must have shape \[batch, 2, 3\], got \[3, 6\]/],
  ['nan-in-decode', 'decoded-shape', /decode gives -?(NaN|Infinity) at/],
  ['decoder-skips-quantizer', 'round-trip', /decoded and reconstructed differ: .* at \[0, 0, 0, 0\]/],
  ['batch-statistics', 'batch-neighbours', /depend on the others in its batch/],
  ['silent-on-odd-sizes', 'odd-sizes', /is taken, but comes back as/],
  ['vague-on-odd-sizes', 'odd-sizes', /does not name the size/],
  ['takes-any-token', 'bad-tokens', /are decoded without an error/],
  ['sticky-training', 'train-and-eval', /not in the state dict/],
  ['validation-updates', 'train-and-eval', /a loss without training changes 'codebook.codes'/],
  ['tokens-differ-in-training', 'train-and-eval', /encode and a training step differ in tokens/],
  ['stale-lookup', 'stale-codes', /after a training step, decoded and reconstructed differ/],
  ['hidden-randomness', 'determinism', /built twice under one key, initial values differ in 'encoder.weight'/],
  ['cut-gradient', 'gradients', /no gradient reaches 'dead'/],
  ['unsaved-shift', 'save-and-load', /loaded tokenizer/],
  ['reads-values', 'traceable', /encode calls tensor\.dataSync\(\)/],
  ['leak-in-encode', 'memory', /encode leaves 1 tensors behind/],
  ['leak-in-loss', 'memory', /loss leaves 1 tensors behind/],
  ['leak-on-dispose', 'memory', /building and disposing one leaves 5 tensors behind/],
];

test.each(planted)('finds the planted fault %s in %s', async (fault, name, detail) => {
  const report = await conformance(patchFactory(fault), samplePictures(), { config: { shape: [4, 6, 2] } });
  const found = report.checks.find((check) => check.name === name);
  expect(found?.passed, formatReport(report)).toBe(false);
  expect(found?.detail).toMatch(detail);
  expect(report.passed).toBe(false);
});

test('every check finds at least one planted fault', () => {
  expect([...new Set(planted.map(([, name]) => name))].sort()).toEqual([...conformanceChecks].sort());
});

test('a tokenizer instance is checked too, keeps its state, and says what it could not check', async () => {
  using tokenizer = random.withKey(random.key(3), () => new PatchTokenizer({ shape: [4, 6, 2] }));
  const weights = tokenizer.encoder.weight.dataSync().slice();
  const codes = tokenizer.codebook.codes.dataSync().slice();
  const report = await conformance(tokenizer, samplePictures());
  expect(report.passed, formatReport(report)).toBe(true);
  expect(report.checks.filter(({ skipped }) => skipped).map(({ name }) => name)).toEqual(['save-and-load']);
  expect(tokenizer.encoder.weight.dataSync()).toEqual(weights);
  expect(tokenizer.codebook.codes.dataSync()).toEqual(codes);
});

test('what training noise and frozen parameters break can be allowed, and checks can be left out', async () => {
  const samples = samplePictures();
  const noisy = await conformance(patchFactory('tokens-differ-in-training'), samples, { noisyTraining: true });
  expect(noisy.checks.find(({ name }) => name === 'train-and-eval')?.passed).toBe(true);
  const frozen = await conformance(patchFactory('cut-gradient'), samples, {
    withoutGradient: (name) => name === 'dead',
  });
  expect(frozen.passed, formatReport(frozen)).toBe(true);
  const left = await conformance(patchFactory('leak-in-encode'), samples, { skip: ['memory'] });
  expect(left.passed, formatReport(left)).toBe(true);
  await expect(conformance(patchFactory(), samples, { skip: ['memories'] })).rejects.toThrow("no check 'memories'");
});

test('needs a batch, and passes on what create throws', async () => {
  await expect(conformance(patchFactory(), samplePictures(1))).rejects.toThrow('at least 2, got [1, 4, 6, 2]');
  const config: TokenizerConfig = { shape: [5, 6, 2] };
  await expect(conformance(patchFactory(), samplePictures(), { config })).rejects.toThrow('got 5×6');
});

test('a report reads well', async () => {
  const report = await conformance(patchFactory('cut-gradient'), samplePictures());
  const lines = formatReport(report).split('\n');
  expect(lines).toContain("FAILED  gradients         no gradient reaches 'dead'");
  expect(lines.at(-1)).toBe(`1 of ${conformanceChecks.length} checks failed`);
});
