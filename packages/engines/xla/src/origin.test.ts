/** Errors of XLA name the kernel, and in a trace the caller's line. */
import { compile, scope, tf, useEngine } from '@tesserae/tensor';
import { beforeAll, describe, expect, test } from 'vitest';
import type { XlaBackend } from './backend.ts';
import { add, operation } from './graph/hlo.ts';
import { Node } from './graph/node.ts';
import { Origin, markOrigin } from './origin.ts';
import { XlaError } from './pjrt/errors.ts';
import { xla } from './provider.ts';
import { xlaAvailable } from './testing/xla-available.ts';

test('only nodes without an origin get one', () => {
  const first = new Origin('First', false);
  const x = new Node('f32', []);
  const sum = add(x, x);
  markOrigin([sum], first);
  const twice = add(sum, sum);
  markOrigin([twice], new Origin('Second', false));
  expect(String(sum.origin)).toBe("kernel 'First'");
  expect(String(twice.origin)).toBe("kernel 'Second'");
  expect(x.origin).toBeUndefined();
});

describe.skipIf(!(await xlaAvailable()))('errors', () => {
  /** A kernel that XLA refuses: the result has another shape than it says. */
  const broken = (x: tf.Tensor): tf.Tensor =>
    tf.engine().runKernel('Broken', { x } as unknown as tf.NamedTensorMap) as tf.Tensor;
  beforeAll(async () => {
    await useEngine('xla:cpu', [xla]);
    tf.registerKernel({
      kernelName: 'Broken',
      backendName: 'xla:cpu',
      kernelFunc: ({ inputs, backend }) => {
        const device = backend as unknown as XlaBackend;
        const node = operation('stablehlo.add', [device.nodeOf(inputs['x'] as tf.TensorInfo)], 'f32', [7]);
        markOrigin([node], new Origin('Broken', device.locating));
        return device.output(node);
      },
    });
  });

  test('name the kernel of an eager program', () => {
    using _ = scope();
    const good = tf.square(tf.tensor1d([3]));
    const y = broken(good);
    expect(() => y.dataSync()).toThrow(XlaError);
    expect(() => y.dataSync()).toThrow(/computing failed.*kernel 'Broken'/s);
    expect(() => tf.add(y, 1)).toThrow(/kernel 'Broken'/);
    // What was recorded beside it is computed all the same.
    expect(good.dataSync()[0]).toBe(9);
  });

  test('name the kernel and the line in a compiled function', () => {
    using _ = scope();
    using program = compile((x: tf.Tensor) => tf.square(broken(x)), { name: 'step' });
    expect(() => program(tf.tensor1d([1, 2]))).toThrow(
      /compiling 'step' failed.*kernel 'Broken' called at .*origin\.test\.ts/s,
    );
    expect(tf.square(tf.scalar(3)).dataSync()[0]).toBe(9);
  });

  test('shapes that do not fit are refused where they are used', () => {
    using _ = scope();
    expect(() => tf.add(tf.ones([2, 3]), tf.ones([4, 3]))).toThrow(/shapes.*2,3.*4,3|\[2, 3\].*\[4, 3\]/);
  });
});
