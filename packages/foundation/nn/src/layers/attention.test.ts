import { random, tf, useEngine } from '@tesserae/tensor';
import { checkGradients, expectClose, expectNoLeak } from '@tesserae/tensor/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  applyRotary,
  FeedForward,
  feedForwardHidden,
  init,
  KVCache,
  type Module,
  MultiHeadAttention,
  rotaryTable,
  TransformerBlock,
} from '../index.ts';

beforeAll(() => useEngine('cpu'));

const build = <M extends Module>(fn: () => M): M =>
  tf.tidy(() => ({ m: random.withKey(random.key(0), fn) as never })).m as M;

const normal = (shape: number[], seed = 0): tf.Tensor3D =>
  tf.tidy(() => random.normal(random.key(seed), shape)) as tf.Tensor3D;

describe('rotary positions', () => {
  test('turn adjacent pairs by t · base^(−2j/D)', () => {
    tf.tidy(() => {
      const { cos, sin } = rotaryTable({ length: 3, headDim: 4 });
      const x = tf.tensor4d([1, 0, 0, 1], [1, 1, 1, 4]);
      const at2 = { cos: tf.slice(cos, [2, 0], [1, 2]), sin: tf.slice(sin, [2, 0], [1, 2]) };
      expectClose(applyRotary(x, at2), [Math.cos(2), Math.sin(2), -Math.sin(0.02), Math.cos(0.02)]);
    });
  });

  test('keep norms; products depend on the distance alone', () => {
    tf.tidy(() => {
      const { cos, sin } = rotaryTable({ length: 9, headDim: 8 });
      const turned = (seed: number, t: number): tf.Tensor =>
        applyRotary(tf.reshape(normal([8], seed), [1, 1, 1, 8]) as tf.Tensor4D, {
          cos: tf.slice(cos, [t, 0], [1, 4]),
          sin: tf.slice(sin, [t, 0], [1, 4]),
        });
      expectClose(tf.norm(turned(1, 7)), tf.norm(normal([8], 1)), { rtol: 1e-5 });
      const product = (a: number, b: number): tf.Tensor => tf.sum(tf.mul(turned(1, a), turned(2, b)));
      expectClose(product(2, 5), product(5, 8), { rtol: 1e-4, atol: 1e-5 });
    });
  });

  test('a table of other positions is an error', () => {
    tf.tidy(() => {
      const table = rotaryTable({ length: 3, headDim: 4 });
      expect(() => applyRotary(tf.zeros([1, 1, 2, 4]), table)).toThrow(/'cos' must have shape \[2, 2\].*got \[3, 2\]/);
    });
  });
});

describe('MultiHeadAttention', () => {
  test('with identity projections, equal keys give means of values', () => {
    using layer = build(() => new MultiHeadAttention({ dim: 2, heads: 1, bias: false, init: init.zeros() }));
    tf.tidy(() => {
      // Queries and keys zero, values and output the identity.
      layer.qkv!.weight.assign(tf.tensor2d([0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1], [2, 6]));
      layer.output.weight.assign(tf.eye(2));
      const x = tf.tensor3d([1, 2, 3, 4, 5, 9], [1, 3, 2]);
      expectClose(layer.call(x), [3, 5, 3, 5, 3, 5]);
      expectClose(layer.call(x, { causal: true }), [1, 2, 2, 3, 3, 5]);
      const mask = tf.tensor2d([1, 0, 0, 0, 1, 0, 1, 0, 1], [3, 3], 'bool');
      expectClose(layer.call(x, { mask }), [1, 2, 3, 4, 3, 5.5]);
    });
  });

  test('grouped heads equal full heads with repeated weights', () => {
    tf.tidy(() => {
      const grouped = build(() => new MultiHeadAttention({ dim: 8, heads: 4, kvHeads: 2, bias: false }));
      const full = build(() => new MultiHeadAttention({ dim: 8, heads: 4, bias: false }));
      const [q, k, v] = tf.split(grouped.qkv!.weight, [8, 4, 4], 1) as [tf.Tensor, tf.Tensor, tf.Tensor];
      const repeat = (w: tf.Tensor): tf.Tensor => {
        const [a, b] = tf.split(w, 2, 1) as [tf.Tensor, tf.Tensor];
        return tf.concat([a, a, b, b], 1);
      };
      full.qkv!.weight.assign(tf.concat([q, repeat(k), repeat(v)], 1));
      full.output.weight.assign(tf.clone(grouped.output.weight));
      const x = normal([2, 5, 8]);
      expectClose(grouped.call(x, { causal: true }), full.call(x, { causal: true }), { atol: 1e-5 });
    });
  });

  test('attends to a context', () => {
    using layer = build(() => new MultiHeadAttention({ dim: 8, heads: 2, context: 3 }));
    tf.tidy(() => {
      const x = normal([2, 5, 8]);
      expect(layer.call(x, { context: normal([2, 4, 3], 1) }).shape).toEqual([2, 5, 8]);
      expect(() => layer.call(x)).toThrow(/expected a 'context', got none/);
    });
    expect(Object.keys(layer.parameters())).toContain('keyValue.weight');
  });

  test('hooks see keys and values of the kv heads', () => {
    using layer = build(() => new MultiHeadAttention({ dim: 8, heads: 4, kvHeads: 2 }));
    tf.tidy(() => {
      const seen: string[] = [];
      layer.call(normal([1, 3, 8]), {
        rotate: (x, which) => {
          seen.push(`${which} ${x.shape.join()}`);
          return x;
        },
        cache: (key, value) => {
          seen.push(`cache ${key.shape.join()} ${value.shape.join()}`);
          return { key, value };
        },
      });
      expect(seen).toEqual(['query 1,4,3,2', 'key 1,2,3,2', 'cache 1,2,3,2 1,2,3,2']);
    });
  });

  test('bad head counts and inputs', () => {
    expect(() => new MultiHeadAttention({ dim: 8, heads: 3 })).toThrow(/'heads' must divide dim \(8\)/);
    expect(() => new MultiHeadAttention({ dim: 8, heads: 4, kvHeads: 3 })).toThrow(/'kvHeads' must divide heads \(4\)/);
    using layer = build(() => new MultiHeadAttention({ dim: 8, heads: 2 }));
    using x = tf.zeros([2, 8]);
    expect(() => layer.call(x)).toThrow(/'x' must have shape \[batch, time, 8\], got \[2, 8\]/);
  });
});

describe('KVCache', () => {
  for (const kind of ['number', 'tensor'] as const) {
    test(`decoding in pieces equals one pass, position as ${kind}`, () => {
      using block = build(
        () => new TransformerBlock({ dim: 8, heads: 4, kvHeads: 2, norm: 'rms', feedForward: { kind: 'swiglu' } }),
      );
      using cache = new KVCache({ batch: 2, heads: 2, length: 6, headDim: 2 });
      tf.tidy(() => {
        const x = normal([2, 6, 8]);
        const { cos, sin } = rotaryTable({ length: 6, headDim: 2 });
        const whole = block.call(x, { causal: true, rotary: { cos, sin } });
        const piece = (start: number, count: number): tf.Tensor => {
          const rotary = { cos: tf.slice(cos, [start, 0], [count, 1]), sin: tf.slice(sin, [start, 0], [count, 1]) };
          const at = kind === 'number' ? start : tf.scalar(start, 'int32');
          return block.call(tf.slice(x, [0, start, 0], [2, count, 8]), { rotary, cache: cache.at(at) });
        };
        const pieces = [piece(0, 2), piece(2, 1), piece(3, 1), piece(4, 2)];
        expectClose(tf.concat(pieces, 1), whole, { atol: 1e-5 });
        // What lies after the position has no influence: decode position 3 again.
        expectClose(piece(3, 1), tf.slice(whole, [0, 3, 0], [2, 1, 8]), { atol: 1e-5 });
      });
    });
  }

  test('range, shapes and memory', () => {
    using cache = new KVCache({ batch: 1, heads: 1, length: 4, headDim: 2 });
    tf.tidy(() => {
      const rows = tf.ones([1, 1, 2, 2]) as tf.Tensor4D;
      expect(() => cache.at(3)(rows, rows)).toThrow(/'position' must lie in \[0, 2\] for 2 new rows, got 3/);
      const wrong = tf.ones([1, 2, 2, 2]) as tf.Tensor4D;
      expect(() => cache.at(0)(wrong, wrong)).toThrow(/\[1, 1, at most 4, 2\], got \[1, 2, 2, 2\]/);
    });
    expectNoLeak(() => tf.tidy(() => void cache.at(1)(tf.ones([1, 1, 2, 2]), tf.ones([1, 1, 2, 2]))));
    expect([...cache.key.dataSync()]).toEqual([0, 0, 1, 1, 1, 1, 0, 0]);
    cache.reset();
    expect([...cache.value.dataSync()]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  });
});

describe('FeedForward', () => {
  test('hidden widths', () => {
    expect(feedForwardHidden(768)).toBe(3072);
    expect(feedForwardHidden(768, 'swiglu', 256)).toBe(2048);
    expect(feedForwardHidden(3200, 'swiglu', 256)).toBe(8704);
    expect(feedForwardHidden(192, 'swiglu')).toBe(512);
  });

  test('gelu and swiglu by hand', () => {
    tf.tidy(() => {
      const x = tf.tensor2d([[1]]);
      const gelu = build(() => new FeedForward({ dim: 1, hidden: 1, init: init.ones() }));
      expectClose(gelu.call(x), [[0.8413447]]);
      const swiglu = build(() => new FeedForward({ dim: 1, hidden: 1, kind: 'swiglu', init: init.constant(2) }));
      // 2 · silu(2) · 2
      expectClose(swiglu.call(x), [[8 / (1 + Math.exp(-2))]]);
    });
  });
});

describe('TransformerBlock', () => {
  test('pre and post norm by their formulas', () => {
    for (const placement of ['pre', 'post'] as const) {
      tf.tidy(() => {
        const block = build(() => new TransformerBlock({ dim: 8, heads: 2, placement }));
        const x = normal([2, 3, 8]);
        const { attentionNorm, attention, feedForwardNorm, feedForward } = block;
        let expected: tf.Tensor3D;
        if (placement === 'pre') {
          const middle = tf.add(x, attention.call(attentionNorm.call(x) as tf.Tensor3D)) as tf.Tensor3D;
          expected = tf.add(middle, feedForward.call(feedForwardNorm.call(middle) as tf.Tensor3D));
        } else {
          const middle = attentionNorm.call(tf.add(x, attention.call(x)) as tf.Tensor3D) as tf.Tensor3D;
          expected = feedForwardNorm.call(tf.add(middle, feedForward.call(middle)) as tf.Tensor3D) as tf.Tensor3D;
        }
        expectClose(block.call(x), expected, { atol: 1e-6 });
      });
    }
  });

  test('a later token has no influence on an earlier one', () => {
    using block = build(() => new TransformerBlock({ dim: 8, heads: 2 }));
    tf.tidy(() => {
      const x = normal([1, 4, 8]);
      const changed = tf.concat([tf.slice(x, [0, 0, 0], [1, 3, 8]), tf.zeros([1, 1, 8])], 1);
      const [a, b] = [x, changed].map((input) => tf.slice(block.call(input, { causal: true }), [0, 0, 0], [1, 3, 8]));
      expectClose(a!, b!, { atol: 0, rtol: 0 });
    });
  });

  test('dropout and drop-path act in training only, as the key says', () => {
    using block = build(() => new TransformerBlock({ dim: 8, heads: 2, dropout: 0.2, dropPath: 0.5 }));
    tf.tidy(() => {
      const x = normal([8, 4, 8]);
      const run = (seed: number): tf.Tensor =>
        random.withKey(random.key(seed), () => block.call(x, { training: true }));
      expectClose(run(1), run(1), { atol: 0, rtol: 0 });
      expect(tf.max(tf.abs(tf.sub(run(1), run(2)))).dataSync()[0]).toBeGreaterThan(0.01);
      // Some of the eight samples passed both branches by: their output is their input.
      const distance = tf.max(tf.abs(tf.sub(run(1), x)), [1, 2]).dataSync();
      expect(Math.min(...distance)).toBe(0);
      expect(Math.max(...distance)).toBeGreaterThan(0.01);
    });
  });

  test('gradient with respect to the input', () => {
    using block = build(
      () => new TransformerBlock({ dim: 4, heads: 2, norm: 'rms', feedForward: { kind: 'swiglu', hidden: 3 } }),
    );
    tf.tidy(() => {
      const { cos, sin } = rotaryTable({ length: 3, headDim: 2 });
      checkGradients((x) => block.call(x, { causal: true, rotary: { cos, sin } }), [normal([1, 3, 4])]);
    });
  });
});
