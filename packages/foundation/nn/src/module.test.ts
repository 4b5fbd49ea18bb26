import { random, tf, useEngine } from '@tesserae/tensor';
import { expectNoLeak } from '@tesserae/tensor/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { buffer, init, Linear, Module, parameter, StateMismatchError } from './index.ts';

beforeAll(() => useEngine('cpu'));

/** Every kind of field that a module may have. */
class Everything extends Module {
  readonly first: Linear = new Linear({ in: 2, out: 3 });
  readonly list: readonly Module[] = [new Linear({ in: 3, out: 3, bias: false }), new Linear({ in: 3, out: 1 })];
  readonly byName: Map<string, Module> = new Map([['a', new Linear({ in: 1, out: 1, bias: false })]]);
  readonly scale: tf.Variable = parameter([3], init.ones());
  readonly frozen: tf.Variable = parameter([1], init.zeros(), { trainable: false });
  readonly statistics: tf.Variable;
  readonly again: tf.Variable;
  readonly config: { notMine: tf.Tensor } | undefined = undefined;
  readonly #hidden: tf.Tensor | undefined = undefined;

  constructor() {
    super();
    this.statistics = buffer(tf.tensor1d([1, 2], 'int32'));
    this.again = this.scale;
  }

  get hidden(): unknown {
    return this.#hidden;
  }
}

const build = (): Everything =>
  tf.tidy(() => ({ m: random.withKey(random.key(0), () => new Everything()) as never })).m as Everything;

describe('Module', () => {
  test('names parameters and buffers by path, in the order of declaration', () => {
    using model = build();
    expect(Object.keys(model.parameters())).toEqual([
      'first.weight',
      'first.bias',
      'list.0.weight',
      'list.1.weight',
      'list.1.bias',
      'byName.a.weight',
      'scale',
    ]);
    expect(Object.keys(model.buffers())).toEqual(['frozen', 'statistics']);
    expect(Object.keys(model.stateDict()).length).toBe(9);
    expect(model.parameterCount).toBe(6 + 3 + 9 + 3 + 1 + 1 + 3);
    expect(Object.keys(model.modules())).toEqual(['', 'first', 'list.0', 'list.1', 'byName.a']);
  });

  test('disposes everything, and once', () => {
    expectNoLeak(() => {
      const model = build();
      model.dispose();
      model.dispose();
    });
  });

  test('two models live side by side: variable names are nobody’s concern', () => {
    using one = build();
    using two = build();
    expect(one.scale.name).not.toBe(two.scale.name);
  });

  test('loads a state dict, and leaves the source alone', () => {
    using from = build();
    using to = build();
    tf.tidy(() => from.scale.assign(tf.tensor1d([7, 8, 9])));
    tf.tidy(() => from.statistics.assign(tf.tensor1d([5, 6], 'int32')));
    expectNoLeak(() => to.load(from.stateDict()));
    tf.tidy(() => from.scale.assign(tf.zeros([3])));
    expect([...to.scale.dataSync()]).toEqual([7, 8, 9]);
    expect([...to.statistics.dataSync()]).toEqual([5, 6]);
  });

  test('accepts the second name of a shared variable', () => {
    using model = build();
    const { scale, ...rest } = model.stateDict();
    model.load({ ...rest, again: scale as tf.Tensor });
  });

  test('says everything that does not fit, and writes nothing', () => {
    using model = build();
    const before = [...model.first.weight.dataSync()];
    tf.tidy(() => {
      const { scale: _, ...rest } = model.stateDict();
      const state = { ...rest, 'first.weight': tf.zeros([3, 2]), other: tf.zeros([1]) };
      expect(() => model.load(state)).toThrow(StateMismatchError);
      expect(() => model.load(state)).toThrow(
        /'first.weight' has shape \[2, 3\] here and \[3, 2\] there; 'other' is not part of this module; 'first.weight' is missing; 'scale' is missing/,
      );
    });
    expect([...model.first.weight.dataSync()]).toEqual(before);
  });

  test('loads what fits when not strict, renamed and converted', () => {
    using model = build();
    tf.tidy(() => {
      const torch = { 'module.first.weight': tf.tensor2d([1, 2, 3, 4, 5, 6], [3, 2]), 'optimizer.x': tf.zeros([1]) };
      model.load(torch, {
        strict: false,
        rename: (name) => (name.startsWith('module.') ? name.slice(7) : undefined),
        convert: (_, values) => tf.transpose(values),
      });
    });
    expect([...model.first.weight.dataSync()]).toEqual([1, 3, 5, 2, 4, 6]);
  });
});

describe('parameter', () => {
  test('rejects shapes that cannot be, and initialisers of another shape', () => {
    expect(() => parameter([2, -1], init.zeros())).toThrow(/'shape\[1\]' must be a whole number of at least 0, got -1/);
    expectNoLeak(() => {
      expect(() => parameter([2], () => tf.zeros([3]))).toThrow(/'init' must return shape \[2\], got \[3\]/);
    });
  });

  test('random initialisers need an ambient key', () => {
    expect(() => new Linear({ in: 1, out: 1 })).toThrow(/withKey/);
  });
});
