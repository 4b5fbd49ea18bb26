import { expect, test } from 'vitest';
import { EngineUnavailableError, UnknownEngineError, currentPrecision, tf, useEngine, withPrecision } from './index.ts';
import type { EngineProvider, Precision } from './index.ts';

const provider = (overrides: Partial<EngineProvider>): EngineProvider => ({
  family: 'toy',
  names: ['toy:gpu', 'toy:cpu'],
  probe: () => Promise.resolve({ available: false, reason: 'no device was found.', remedy: 'Plug one in.' }),
  start: () => Promise.reject(new Error('unreachable')),
  ...overrides,
});

test.each(['cpu', 'wasm'])('%s computes', async (name) => {
  const info = await useEngine(name);
  expect(info.name).toBe(name);
  expect(tf.getBackend()).toBe(name);
  using x = tf.tensor1d([1, 2, 3]);
  using y = tf.square(x);
  expect([...(await y.data())]).toEqual([1, 4, 9]);
});

test('an unknown engine is an error that lists the known ones', async () => {
  await expect(useEngine('cuda', [provider({})])).rejects.toThrow(UnknownEngineError);
  await expect(useEngine('cuda', [provider({})])).rejects.toThrow('Known here: auto, toy:gpu, toy:cpu, wasm, cpu');
  await expect(useEngine('xla:cuda')).rejects.toThrow("useEngine('xla:cuda', [xla]) with `xla` from @tesserae/xla");
});

test('a named engine that is not there is an error, not another engine', async () => {
  await useEngine('cpu');
  const error: unknown = await useEngine('toy:gpu', [provider({})]).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(EngineUnavailableError);
  expect(error).toMatchObject({ engine: 'toy:gpu', reason: 'no device was found.', remedy: 'Plug one in.' });
  await expect(useEngine('toy', [provider({})])).rejects.toThrow('toy:cpu: no device was found. Plug one in.');
  expect(tf.getBackend()).toBe('cpu');
});

test('an engine that fails to start leaves the one before in place', async () => {
  await useEngine('cpu');
  const broken = provider({
    probe: () => Promise.resolve({ available: true, detail: 'toy' }),
    start: () => Promise.reject(new Error('out of memory')),
  });
  await expect(useEngine('toy:gpu', [broken])).rejects.toThrow('it failed to start: out of memory');
  expect(tf.getBackend()).toBe('cpu');
  // An engine that knows better says what to do itself.
  const knowing = {
    ...broken,
    start: () => Promise.reject(new EngineUnavailableError('toy:gpu', 'no driver.', 'Install it.')),
  };
  await expect(useEngine('toy:gpu', [knowing])).rejects.toMatchObject({ reason: 'no driver.', remedy: 'Install it.' });
});

test('auto takes the first that works, and says once which and why', async () => {
  const lines: string[] = [];
  const log = (line: string): number => lines.push(line);
  expect((await useEngine('auto', [provider({})], { log })).name).toBe('wasm');
  await useEngine('auto', [provider({})], { log });
  expect(lines).toEqual([
    expect.stringMatching(
      /^engine: wasm \(.*\); passed over toy:gpu: no device was found\. Plug one in\.; toy:cpu: .*$/,
    ),
  ]);
});

test('a provider brings its own backend', async () => {
  await useEngine('cpu');
  const backend = tf.backend();
  const working = provider({
    names: ['toy:gpu'],
    probe: () => Promise.resolve({ available: true, detail: 'a toy' }),
    start: () => Promise.resolve(backend),
  });
  expect(await useEngine('toy', [working])).toEqual({ name: 'toy:gpu', detail: 'a toy', precision: 'float32' });
  expect(tf.backend()).toBe(backend);
  await useEngine('cpu');
});

test("the engine's precision holds outside of scopes", async () => {
  await useEngine('cpu');
  const backend = tf.backend();
  const gpu = provider({
    names: ['toy:tensor-cores'],
    probe: () => Promise.resolve({ available: true, detail: 'a toy' }),
    precision: () => 'tf32',
    start: () => Promise.resolve(backend),
  });
  expect(await useEngine('toy', [gpu])).toMatchObject({ precision: 'tf32' });
  expect(currentPrecision()).toBe('tf32');
  expect(withPrecision('float32', currentPrecision)).toBe('float32');
  expect(await useEngine('toy', [gpu], { precision: 'bfloat16' })).toMatchObject({ precision: 'bfloat16' });
  expect(currentPrecision()).toBe('bfloat16');
  await expect(useEngine('toy', [gpu], { precision: 'half' as Precision })).rejects.toThrow("useEngine: 'precision'");
  await useEngine('cpu');
  expect(currentPrecision()).toBe('float32');
});
