import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { spreadValues } from '../gradients/finiteDifferences.ts';
import { allRows } from '../gradients/rows.ts';
import type { Row } from '../gradients/testRows.ts';
import { startBackends } from './compare.ts';

beforeAll(startBackends);

/** Value and gradients of a row on a backend. */
async function gradientsOn(backend: string, { build }: Row): Promise<number[][]> {
  await tf.setBackend(backend);
  const before = { tensors: tf.memory().numTensors, blocks: tf.engine().backend.numDataIds() };
  const result = tf.tidy(() => {
    const { f, inputs } = build();
    const y = f(...inputs);
    const found = tf.grads((...xs: tf.Tensor[]) => f(...xs))([...inputs], spreadValues(y.shape, -1, 1, 7));
    return [y, ...found].map((x) => [...x.dataSync()]);
  });
  expect({ tensors: tf.memory().numTensors, blocks: tf.engine().backend.numDataIds() }).toEqual(before);
  return result;
}

describe.each(allRows)('%s gradients on wasm and cpu', (_, rows) => {
  it.each(rows)('$name', async (row) => {
    const expected = await gradientsOn('cpu', row);
    const actual = await gradientsOn('wasm', row);
    expect(actual.map((values) => values.length)).toEqual(expected.map((values) => values.length));
    const errors = actual.flatMap((values, o) =>
      values.map((value, i) => Math.abs(value - (expected[o]?.[i] ?? NaN)) / (1 + Math.abs(expected[o]?.[i] ?? NaN))),
    );
    expect(Math.max(...errors)).toBeLessThan(1e-4);
  });
});
