/** Descriptions of meshes, and engines that have one device. */
import { expect, test } from 'vitest';
import { scope, tf, useEngine } from '../index.ts';
import { checkSpec, mesh, specText } from './mesh.ts';
import { currentMesh, shard, withMesh } from './with-mesh.ts';

test('a mesh is its sizes', () => {
  expect(mesh({ data: 4 })).toEqual({ axes: { data: 4 }, size: 4 });
  expect(mesh({ data: 2, model: 3 })).toEqual({ axes: { data: 2, model: 3 }, size: 6 });
  expect(() => mesh({ data: 0 })).toThrow(/'data' must be a whole number of at least 1, got 0/);
  expect(() => mesh({ data: 2, batch: 2 } as never)).toThrow(/axis 'batch' is unknown/);
  expect(() => mesh({ model: 2 } as never)).toThrow(/'data' is missing/);
});

test('a spec is checked against shape and mesh', () => {
  const grid = mesh({ data: 2, model: 3 });
  expect(specText([['data', 'model'], null, 'data'])).toBe("[['data', 'model'], null, 'data']");
  expect(() => checkSpec('shard', [12, 5], [['data', 'model']], grid)).not.toThrow();
  expect(() => checkSpec('shard', [10, 6], [['data', 'model']], grid)).toThrow(/size 10 over 6 devices/);
  expect(() => checkSpec('shard', [10], ['model'], mesh({ data: 2 }))).toThrow(/axis 'model', but the mesh has data/);
});

test('an engine of one device refuses a mesh by name and ignores annotations', async () => {
  await useEngine('cpu');
  expect(currentMesh()).toBeUndefined();
  expect(() => withMesh(mesh({ data: 2 }), () => 0)).toThrow(/engine 'cpu' computes on one device, but the mesh has 2/);
  using _ = scope();
  const x = tf.tensor1d([1, 2, 3]);
  expect([...shard(x, ['data']).dataSync()]).toEqual([1, 2, 3]);
  expect([
    ...tf
      .grad((value) => shard(tf.square(value), ['data']))(x)
      .dataSync(),
  ]).toEqual([2, 4, 6]);
});

test('what is no mesh, no spec or no tensor is refused by name', async () => {
  await useEngine('cpu');
  expect(() => mesh(undefined as never)).toThrow(/mesh: 'sizes' must be an object, got undefined/);
  expect(() => mesh({ data: 2 ** 52, model: 2 ** 52 })).toThrow(RangeError);
  for (const wrong of [undefined, 2, {}, { axes: { data: 2 }, size: 3 }, { axes: { foo: 2 }, size: 2 }]) {
    expect(() => withMesh(wrong as never, () => 0)).toThrow(
      /withMesh: 'mesh' must come from mesh\({ data: n }\), got /,
    );
  }
  const grid = mesh({ data: 2 });
  for (const wrong of [undefined, null, 'data', [1], [undefined], [['data', 3]]]) {
    expect(() => checkSpec('shard', [4], wrong as never, grid)).toThrow(/shard: 'spec' must be a list .* but got /);
  }
  expect(() => checkSpec('shard', [4], ['toString' as never], grid)).toThrow(/names axis 'toString', but the mesh has/);
  expect(() => shard(5 as never, [])).toThrow(/shard: 'x' must be a tensor of numbers, but got number/);
});
