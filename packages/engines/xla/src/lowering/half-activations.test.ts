/** What stays in bfloat16 between two products, and what does not. */
import { compile, ops, scope, tf, useEngine, valueAndGrad, withPrecision } from '@tesserae/tensor';
import { expectClose, expectNoLeak } from '@tesserae/tensor/testing';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { XlaBackend } from '../backend.ts';
import { xla } from '../provider.ts';
import { xlaAvailable } from '../testing/xla-available.ts';

describe.skipIf(!(await xlaAvailable()))('activations under bfloat16', () => {
  beforeAll(() => useEngine('xla:cpu', [xla]));
  afterEach(() => {
    vi.restoreAllMocks();
    tf.disposeVariables();
  });

  /** The result of a compiled function at a precision, and the operations of its program that give bfloat16. */
  function traced(
    fn: (...args: tf.Tensor[]) => tf.Tensor,
    args: tf.Tensor[],
    precision: 'float32' | 'bfloat16' = 'bfloat16',
  ): { result: tf.Tensor; narrow: string[] } {
    const compiling = vi.spyOn((tf.backend() as XlaBackend).programs, 'compile');
    const program = compile((...inputs: tf.Tensor[]) => withPrecision(precision, () => fn(...inputs)));
    const result = program(...args);
    const [text] = compiling.mock.calls[0] as [string, ...unknown[]];
    compiling.mockRestore();
    program.dispose();
    const narrow = text
      .split('\n')
      .filter((line) => /-> tensor<[^>]*bf16>$/.test(line))
      .map((line) => /"(?:stablehlo|chlo)\.(\w+)"/.exec(line)?.[1] ?? line)
      .filter((name) => name !== 'convert');
    return { result, narrow };
  }

  const pattern = (shape: number[], seed: number): tf.Tensor => tf.randomNormal(shape, 0, 1, 'float32', seed);

  test('what moves a product is bfloat16; the result is a float32 tensor close to the exact one', () => {
    using _ = scope();
    const [x, w, bias, v] = [pattern([4, 8], 1), pattern([8, 6], 2), pattern([6], 3), pattern([3, 4], 4)];
    const layer = (...[a, b, c, d]: tf.Tensor[]): tf.Tensor => {
      const hidden = tf.relu(tf.add(tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D), c as tf.Tensor));
      return tf.matMul(tf.transpose(tf.slice(hidden, [1, 0], [3, 6])), d as tf.Tensor2D, false, false);
    };
    const { result, narrow } = traced(layer, [x, w, bias, v]);
    expect(narrow).toEqual(['slice', 'transpose']);
    expect(result.dtype).toBe('float32');
    const exact = traced(layer, [x, w, bias, v], 'float32');
    expect(exact.narrow).toEqual([]);
    expectClose(result, exact.result, { rtol: 0.02, atol: 0.05 });
    // Rounded for certain: equal results would mean that nothing was narrow.
    expect(tf.max(tf.abs(tf.sub(result, exact.result))).dataSync()[0]).toBeGreaterThan(0);
  });

  test('reductions, exponentials, normalisation and losses read and give float32', () => {
    using _ = scope();
    const [x, w] = [pattern([5, 7], 1), pattern([7, 7], 2)];
    const labels = tf.tensor1d([0, 1, 2, 3, 4], 'int32');
    const product = (a: tf.Tensor, b: tf.Tensor): tf.Tensor => tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D);
    const cases: Record<string, (h: tf.Tensor) => tf.Tensor> = {
      sum: (h) => tf.sum(h, 1),
      softmax: (h) => tf.softmax(h as tf.Tensor2D),
      logSumExp: (h) => tf.logSumExp(h, 1),
      layerNorm: (h) => ops.layerNorm(h),
      crossEntropy: (h) => ops.softmaxCrossEntropy(h, labels),
    };
    for (const [name, fn] of Object.entries(cases)) {
      const { result, narrow } = traced((a, b) => fn(product(a as tf.Tensor, b as tf.Tensor)), [x, w]);
      expect({ name, narrow: narrow.filter((op) => op !== 'reshape') }).toEqual({ name, narrow: [] });
      // Only the product is rounded: the same function of the rounded product, exactly computed, agrees closely.
      const rounded = traced(product as (...args: tf.Tensor[]) => tf.Tensor, [x, w]).result;
      expectClose(result, fn(rounded), { rtol: 0.02, atol: 0.05 });
    }
  });

  test('a residual sum with a float32 stream stays float32', () => {
    using _ = scope();
    const [x, w] = [pattern([3, 3], 1), pattern([3, 3], 2)];
    const { result } = traced((a, b) => tf.add(a as tf.Tensor, tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D)), [x, w]);
    // One part in 2^20 of x survives the sum.
    const fine = traced(
      (a, b) => tf.add(a as tf.Tensor, tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D)),
      [tf.add(x, 2 ** -20), w],
    ).result;
    expect(tf.max(tf.abs(tf.sub(result, fine))).dataSync()[0]).toBeGreaterThan(0);
  });

  test('gradients of float32 parameters are close to the exact ones, and nothing leaks', () => {
    const [weight, gain] = [tf.variable(pattern([6, 6], 5)), tf.variable(tf.ones([6]))];
    const x = pattern([8, 6], 6);
    const step = compile((input: tf.Tensor) =>
      withPrecision('bfloat16', () =>
        valueAndGrad(
          () => {
            const hidden = ops.layerNorm(tf.matMul(input as tf.Tensor2D, weight as tf.Tensor2D), { scale: gain });
            return tf.mean(tf.square(tf.matMul(ops.gelu(hidden) as tf.Tensor2D, weight as tf.Tensor2D))) as tf.Scalar;
          },
          { weight, gain },
        ),
      ),
    );
    const exact = tf.tidy(() => {
      const { grads } = valueAndGrad(
        () => {
          const hidden = ops.layerNorm(tf.matMul(x as tf.Tensor2D, weight as tf.Tensor2D), { scale: gain });
          return tf.mean(tf.square(tf.matMul(ops.gelu(hidden) as tf.Tensor2D, weight as tf.Tensor2D))) as tf.Scalar;
        },
        { weight, gain },
      );
      return Object.fromEntries(Object.entries(grads).map(([name, grad]) => [name, grad.arraySync()]));
    });
    expectNoLeak(() => {
      const { value, grads } = step(x);
      for (const [name, grad] of Object.entries(grads)) {
        expect(grad.dtype).toBe('float32');
        expectClose(grad, exact[name] as number[], { rtol: 0.05, atol: 0.05 });
      }
      tf.dispose([value, grads]);
    });
    step.dispose();
    x.dispose();
  });
});
