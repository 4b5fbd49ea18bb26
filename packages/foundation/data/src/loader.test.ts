import { expect, test } from 'vitest';
import { arrayDataset, type Dataset } from './dataset.ts';
import { loader, type Loader, type LoaderOptions } from './loader.ts';

const numbers = (n: number): Dataset<number> => arrayDataset(Array.from({ length: n }, (_, i) => i));

async function take<B>(from: Loader<B>, n: number): Promise<B[]> {
  const batches: B[] = [];
  for (let i = 0; i < n; i++) {
    const next = await from.next();
    if (!next.done) batches.push(next.value);
  }
  return batches;
}

async function all<B>(from: AsyncIterable<B>): Promise<B[]> {
  const batches: B[] = [];
  for await (const batch of from) batches.push(batch);
  return batches;
}

test('in order, one pass, the short last batch included', async () => {
  const pass = loader(numbers(5), { batchSize: 2, shuffle: false, epochs: 1 });
  expect(pass.batchesPerEpoch).toBe(3);
  expect(await all(pass)).toEqual([[0, 1], [2, 3], [4]]);
  expect(await all(pass)).toEqual([[0, 1], [2, 3], [4]]); // a finished loader starts again
});

test('shuffled epochs hold each item once, in an order of their own', async () => {
  const [first, second] = [0, 1].map(() => loader(numbers(8), { batchSize: 4, seed: 3 })) as [
    Loader<readonly number[]>,
    Loader<readonly number[]>,
  ];
  const epochs = await take(first, 4);
  const [one, two] = [epochs.slice(0, 2).flat(), epochs.slice(2).flat()];
  expect([...one].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect([...two].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(one).not.toEqual(two);
  expect(await take(second, 4)).toEqual(epochs);
  expect(await take(loader(numbers(8), { batchSize: 4, seed: 4 }), 4)).not.toEqual(epochs);
});

test('the order does not depend on the prefetch', async () => {
  const options = { batchSize: 3, seed: 1 };
  const expected = await take(loader(numbers(10), { ...options, prefetch: 0 }), 7);
  for (const prefetch of [1, 2, 5]) {
    expect(await take(loader(numbers(10), { ...options, prefetch }), 7)).toEqual(expected);
  }
});

test('a restored loader gives what the first would have given, augmentation included, from any batch', async () => {
  const options: LoaderOptions<number> = {
    batchSize: 3,
    seed: 11,
    prefetch: 3,
    augment: (item, draws) => item + draws.uniform() / 2,
  };
  const expected = await take(loader(numbers(10), options), 9);
  for (const stop of [0, 1, 3, 5, 8]) {
    const interrupted = loader(numbers(10), options);
    await take(interrupted, stop);
    const saved = JSON.parse(JSON.stringify(interrupted.state())) as ReturnType<typeof interrupted.state>;
    const resumed = loader(numbers(10), options);
    await take(resumed, 1); // wherever it was before
    resumed.restore(saved);
    expect(await take(resumed, 9 - stop)).toEqual(expected.slice(stop));
  }
});

test('augmentation is drawn anew each epoch', async () => {
  const flips = loader(numbers(1), { batchSize: 1, augment: (_, draws) => draws.uint32() });
  expect(new Set((await take(flips, 5)).flat()).size).toBe(5);
});

test('prefetching asks for later items before the batch is used, and no more than told', async () => {
  const asked: number[] = [];
  const source: Dataset<number> = { length: 100, get: (i) => (asked.push(i), i) };
  const ahead = loader(source, { batchSize: 10, shuffle: false, prefetch: 2 });
  expect(asked).toHaveLength(0);
  await ahead.next();
  expect(asked).toHaveLength(30);
});

test('a failing item is reported by the batch that needs it, and may be tried again', async () => {
  let broken = true;
  const source: Dataset<number> = {
    length: 4,
    get: (i) => (i === 2 && broken ? Promise.reject(new Error('item 2 is gone')) : Promise.resolve(i)),
  };
  const loading = loader(source, { batchSize: 2, shuffle: false });
  expect((await loading.next()).value).toEqual([0, 1]);
  await expect(loading.next()).rejects.toThrow('item 2 is gone');
  broken = false;
  expect((await loading.next()).value).toEqual([2, 3]);
});

test('refuses options and states that cannot be', () => {
  expect(() => loader(numbers(4), { batchSize: 0 })).toThrow('batchSize must be a whole number of at least 1, got 0');
  expect(() => loader(numbers(4), { batchSize: 2, seed: -1 })).toThrow('seed must be a whole number');
  expect(() => loader(numbers(4), { batchSize: 8 })).toThrow('4 items, too few for one batch of 8');
  expect(() => loader(numbers(0), { batchSize: 8 })).toThrow('the data set is empty');
  const target = loader(numbers(4), { batchSize: 2 });
  const state = target.state();
  expect(() => target.restore({ ...state, length: 5 })).toThrow('saved with length 5, this loader has 4');
  expect(() => target.restore({ ...state, seed: 1 })).toThrow('saved with seed 1, this loader has 0');
  expect(() => target.restore({ ...state, position: 1 })).toThrow('not the start of a batch');
  expect(() => target.restore({ ...state, position: 4 })).toThrow('not the start of a batch');
});
