import { tf, useEngine } from '@tesserae/tensor';
import { beforeAll, expect, expectTypeOf, test } from 'vitest';
import { arrayDataset, subset, tensorDataset } from './dataset.ts';
import { hostTensor, stackHostTensors, toTensors, type HostTensor } from './host-tensor.ts';
import { loader } from './loader.ts';

beforeAll(async () => {
  await useEngine('cpu');
});

test('uploads every host tensor of a batch and leaves the rest', () => {
  const batch = {
    images: hostTensor(new Float32Array(4), [2, 2]),
    list: [hostTensor(Int32Array.of(7), [1])],
    name: 'a',
  };
  const before = tf.memory().numTensors;
  const device = toTensors(batch);
  expectTypeOf(device.images).toEqualTypeOf<tf.Tensor>();
  expectTypeOf(device.name).toEqualTypeOf<string>();
  expect(tf.memory().numTensors - before).toBe(2);
  expect(device.images.shape).toEqual([2, 2]);
  expect(device.list[0]?.dtype).toBe('int32');
  expect(device.name).toBe('a');
  tf.dispose([device.images, device.list[0] as tf.Tensor]);
});

test('refuses values that do not fill the shape, and stacks of unequal tensors', () => {
  expect(() => hostTensor(new Float32Array(5), [2, 2])).toThrow('shape [2, 2] holds 4 values, got 5');
  const a = hostTensor(new Float32Array(2), [2]);
  expect(() => stackHostTensors([a, hostTensor(new Int32Array(2), [2])])).toThrow(
    'item 1 is int32 [2], item 0 is float32',
  );
  expect(() => stackHostTensors([])).toThrow('no tensors');
});

test('a tensor data set gives batches of the same members', async () => {
  const data = tensorDataset({
    tokens: hostTensor(
      Int32Array.from({ length: 12 }, (_, i) => i),
      [3, 2, 2],
    ),
    labels: hostTensor(Int32Array.of(5, 6, 7), [3]),
  });
  const next = await loader(data, { batchSize: 2, shuffle: false }).next();
  const batch = next.value as { tokens: HostTensor; labels: HostTensor };
  expect(batch.tokens.shape).toEqual([2, 2, 2]);
  expect([...batch.tokens.data]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(batch.labels.shape).toEqual([2]);
  expect([...batch.labels.data]).toEqual([5, 6]);
  expect(() => data.get(3)).toThrow('no item 3 among 3');
  expect(() => tensorDataset({ a: hostTensor(new Int32Array(2), [2]), b: hostTensor(new Int32Array(3), [3]) })).toThrow(
    'b has 3 items, a has 2',
  );
});

test('a subset keeps the order given and refuses items that are not there', async () => {
  const part = subset(arrayDataset(['a', 'b', 'c']), [2, 0]);
  expect([await part.get(0), await part.get(1)]).toEqual(['c', 'a']);
  expect(() => part.get(2)).toThrow('no item 2 among 2');
  expect(() => subset(arrayDataset(['a']), [1])).toThrow('index 1 is not an item of a data set of 1');
});
