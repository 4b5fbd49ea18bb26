import { random, tf, useEngine } from '@tesserae/tensor';
import { checkGradients, expectClose, expectNoLeak } from '@tesserae/tensor/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  Conv2d,
  ConvTranspose2d,
  Downsample2d,
  Dropout,
  Embedding,
  GroupNorm,
  groupsFor,
  init,
  LayerNorm,
  Linear,
  type Module,
  ResNetBlock,
  RMSNorm,
  Sequential,
  Upsample2d,
  upsampleNearest,
} from '../index.ts';

beforeAll(() => useEngine('cpu'));

const build = <M extends Module>(fn: () => M): M =>
  tf.tidy(() => ({ m: random.withKey(random.key(0), fn) as never })).m as M;

/** Fixed values with little structure, in about ±1. */
function wave(shape: number[], phase = 0): tf.Tensor {
  const size = shape.reduce((product, length) => product * length, 1);
  return tf.tensor(
    Float32Array.from({ length: size }, (_, i) => Math.sin(2.3 * i + phase)),
    shape,
  );
}

/** Sets every parameter to a wave, so that nothing is zero or one. */
function shake(module: Module): void {
  Object.values(module.parameters()).forEach((variable, i) => tf.tidy(() => variable.assign(wave(variable.shape, i))));
}

/** Gradients with respect to the input and every parameter, against finite differences. */
function checkLayer(module: Module, call: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor): void {
  const variables = Object.values(module.parameters());
  const originals = variables.map((variable) => tf.clone(variable));
  checkGradients(call, [x], { elements: 12 });
  for (const [i, variable] of variables.entries()) {
    // The variable's own gradient: read through a function of a tensor by assigning it for the finite differences and
    // by tf.variableGrads for the exact value.
    const exact = tf.tidy(() => {
      const weights = wave(call(x).shape, 9);
      const { grads } = tf.variableGrads(() => tf.sum(tf.mul(call(x), weights)), [variable]);
      return tf.keep(grads[variable.name] as tf.Tensor);
    });
    const values = originals[i]!.dataSync();
    for (let k = 0; k < Math.min(6, variable.size); k++) {
      const element = Math.floor((k * variable.size) / Math.min(6, variable.size));
      const at = (delta: number): number => {
        const moved = Float32Array.from(values);
        moved[element]! += delta;
        tf.tidy(() => variable.assign(tf.tensor(moved, variable.shape)));
        const result = tf.tidy(() => tf.sum(tf.mul(call(x), wave(call(x).shape, 9)))).dataSync()[0]!;
        return result;
      };
      const numeric = (at(1e-2) - at(-1e-2)) / 2e-2;
      expect(Math.abs(exact.dataSync()[element]! - numeric)).toBeLessThan(5e-3 + 2e-2 * Math.abs(numeric));
    }
    tf.tidy(() => variable.assign(tf.clone(originals[i]!)));
    exact.dispose();
  }
}

describe('Linear', () => {
  test('y = x W + b by hand, over any number of axes', () => {
    using layer = build(() => new Linear({ in: 2, out: 3 }));
    tf.tidy(() => {
      layer.weight.assign(tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]));
      layer.bias!.assign(tf.tensor1d([0.5, 0, -1]));
      expectClose(layer.call(tf.tensor2d([[1, 10]])), [[41.5, 52, 62]]);
      const y = layer.call(tf.tensor3d([1, 10, 0, 1], [1, 2, 2]));
      expect(y.shape).toEqual([1, 2, 3]);
      expectClose(y, [41.5, 52, 62, 4.5, 5, 5]);
      expectClose(layer.call(tf.tensor1d([1, 10])), [41.5, 52, 62]);
    });
  });

  test('gradients', () => {
    using layer = build(() => new Linear({ in: 3, out: 2 }));
    tf.tidy(() => checkLayer(layer, (x) => layer.call(x), wave([2, 2, 3])));
  });

  test('says which shape it wants', () => {
    using layer = build(() => new Linear({ in: 3, out: 2 }));
    using x = tf.zeros([2, 4]);
    expect(() => layer.call(x)).toThrow(/Linear.call: 'x' must have shape \[..., 3\], got \[2, 4\]/);
    expect(() => new Linear({ in: 0, out: 2 })).toThrow(/'in' must be a whole number of at least 1, got 0/);
  });
});

describe('Conv2d', () => {
  test('a 3×3 kernel of ones sums neighbours; padding and stride', () => {
    tf.tidy(() => {
      const x = tf.reshape(tf.range(0, 16), [1, 4, 4, 1]);
      const layer = build(() => new Conv2d({ in: 1, out: 1, kernel: 3, init: init.ones() }));
      const y = layer.call(x);
      expect(y.shape).toEqual([1, 4, 4, 1]);
      expectClose(tf.slice(y, [0, 1, 1, 0], [1, 2, 2, 1]), [45, 54, 81, 90]);
      const symmetric = build(() => new Conv2d({ in: 1, out: 1, kernel: 3, stride: 2, padding: 1, init: init.ones() }));
      // PyTorch pads before the first pixel: the first output sees rows 0–1, columns 0–1.
      expectClose(symmetric.call(x), [10, 24, 51, 90]);
      const same = build(() => new Conv2d({ in: 1, out: 1, kernel: 3, stride: 2, init: init.ones() }));
      expectClose(same.call(x), [45, 39, 66, 50]);
      const valid = build(() => new Conv2d({ in: 1, out: 1, kernel: [1, 2], padding: 'valid', init: init.ones() }));
      expect(valid.call(x).shape).toEqual([1, 4, 3, 1]);
    });
  });

  test('groups equal separate convolutions, depthwise too', () => {
    tf.tidy(() => {
      for (const groups of [2, 4]) {
        const layer = build(() => new Conv2d({ in: 4, out: 8, kernel: 3, groups, bias: false }));
        const x = wave([2, 5, 5, 4]);
        const y = layer.call(x);
        const perInput = 4 / groups;
        const perOutput = 8 / groups;
        for (let g = 0; g < groups; g++) {
          const expected = tf.conv2d(
            tf.slice(x, [0, 0, 0, g * perInput], [2, 5, 5, perInput]) as tf.Tensor4D,
            tf.slice(layer.weight, [0, 0, 0, g * perOutput], [3, 3, perInput, perOutput]) as tf.Tensor4D,
            1,
            'same',
          );
          expectClose(tf.slice(y, [0, 0, 0, g * perOutput], [2, 5, 5, perOutput]), expected);
        }
      }
    });
    expect(() => new Conv2d({ in: 4, out: 8, kernel: 3, groups: 3 })).toThrow(/'groups' must divide/);
  });

  test('gradients', () => {
    using layer = build(() => new Conv2d({ in: 2, out: 3, kernel: 3, stride: 2 }));
    tf.tidy(() => checkLayer(layer, (x) => layer.call(x), wave([1, 4, 4, 2])));
  });
});

describe('ConvTranspose2d', () => {
  test('is the transpose of Conv2d: ⟨conv x, y⟩ = ⟨x, convᵀ y⟩', () => {
    tf.tidy(() => {
      for (const padding of ['same', 'valid', 1] as const) {
        const forward = build(() => new Conv2d({ in: 2, out: 3, kernel: 4, stride: 2, padding, bias: false }));
        const back = build(() => new ConvTranspose2d({ in: 3, out: 2, kernel: 4, stride: 2, padding, bias: false }));
        back.weight.assign(tf.clone(forward.weight));
        const x = wave([1, 8, 8, 2]);
        const y = forward.call(x);
        const z = wave(y.shape, 1);
        const up = back.call(z);
        expect(up.shape).toEqual([1, 8, 8, 2]);
        expectClose(tf.sum(tf.mul(y, z)), tf.sum(tf.mul(x, up)), { rtol: 1e-4, atol: 1e-4 });
      }
    });
  });

  test('gradients', () => {
    using layer = build(() => new ConvTranspose2d({ in: 2, out: 2, kernel: 4, stride: 2 }));
    tf.tidy(() => checkLayer(layer, (x) => layer.call(x), wave([1, 3, 3, 2])));
  });
});

describe('norms', () => {
  test('LayerNorm and RMSNorm by hand', () => {
    tf.tidy(() => {
      const layer = build(() => new LayerNorm({ dim: 3, epsilon: 0 }));
      layer.weight!.assign(tf.tensor1d([1, 2, 3]));
      layer.bias!.assign(tf.tensor1d([0, 0, 1]));
      const d = Math.sqrt(1.5);
      expectClose(layer.call(tf.tensor2d([[1, 2, 3]])), [[-d, 0, 3 * d + 1]]);
      const rms = build(() => new RMSNorm({ dim: 2, epsilon: 0 }));
      expectClose(rms.call(tf.tensor2d([[3, 4]])), [[3 / Math.sqrt(12.5), 4 / Math.sqrt(12.5)]]);
    });
  });

  test('GroupNorm normalises each group over all positions', () => {
    tf.tidy(() => {
      const layer = build(() => new GroupNorm({ channels: 4, groups: 2 }));
      const y = layer.call(wave([2, 3, 3, 4]));
      for (let g = 0; g < 2; g++) {
        const { mean, variance } = tf.moments(tf.slice(y, [1, 0, 0, 2 * g], [1, 3, 3, 2]));
        expectClose(mean, 0, { atol: 1e-5 });
        expectClose(variance, 1, { rtol: 1e-3 });
      }
    });
    expect(() => new GroupNorm({ channels: 40 })).toThrow(/'groups' must divide channels \(40\), got 32/);
    expect([groupsFor(40), groupsFor(64), groupsFor(3), groupsFor(7, 2)]).toEqual([20, 32, 3, 1]);
  });

  test('gradients', () => {
    using group = build(() => new GroupNorm({ channels: 4, groups: 2 }));
    using layer = build(() => new LayerNorm({ dim: 4 }));
    using rms = build(() => new RMSNorm({ dim: 4 }));
    for (const norm of [group, layer, rms]) {
      shake(norm);
      tf.tidy(() => checkLayer(norm, (x) => norm.call(x), wave([2, 3, 4])));
    }
  });
});

describe('Embedding', () => {
  test('looks rows up; repeated rows add their gradients', () => {
    using table = build(() => new Embedding({ size: 3, dim: 2 }));
    tf.tidy(() => {
      table.weight.assign(tf.tensor2d([0, 1, 10, 11, 20, 21], [3, 2]));
      const ids = tf.tensor2d([2, 0, 2, 1], [2, 2], 'int32');
      const y = table.call(ids);
      expect(y.shape).toEqual([2, 2, 2]);
      expectClose(y, [20, 21, 0, 1, 20, 21, 10, 11]);
      const { grads } = tf.variableGrads(() => tf.sum(table.call(ids)) as tf.Scalar, [table.weight]);
      expectClose(grads[table.weight.name]!, [1, 1, 1, 1, 2, 2]);
      expect(() => table.call(tf.tensor1d([1]))).toThrow(/'ids' must be int32, got float32 \[1\]/);
    });
  });
});

describe('Dropout', () => {
  test('keeps a fraction, scaled, and is the identity without training', () => {
    const layer = new Dropout({ rate: 0.25 });
    tf.tidy(() => {
      const x = tf.ones([100, 100]);
      expect(layer.call(x)).toBe(x);
      const [a, b] = [1, 1].map(() => random.withKey(random.key(4), () => layer.call(x, { training: true })));
      expectClose(a!, b!);
      const values = new Set(a!.dataSync());
      expect([...values].sort()).toEqual([0, Math.fround(1 / 0.75)]);
      expectClose(tf.mean(a!), 1, { atol: 0.02 });
      const shared = new Dropout({ rate: 0.5, sharedAxes: [1] });
      const y = random.withKey(random.key(4), () => shared.call(x, { training: true }));
      expectClose(tf.max(y, 1), tf.min(y, 1));
    });
    expect(() => new Dropout({ rate: 1 })).toThrow(/'rate' must lie in \[0, 1\), got 1/);
  });
});

describe('blocks', () => {
  test('ResNetBlock: shapes, embedding, and the identity when it starts at zero', () => {
    tf.tidy(() => {
      const x = wave([2, 4, 4, 6]);
      const block = build(() => new ResNetBlock({ in: 6, out: 8, embedding: 5 }));
      expect(block.call(x, { embedding: wave([2, 5]) }).shape).toEqual([2, 4, 4, 8]);
      expect(() => block.call(x)).toThrow(/'embedding' must be given, got none/);
      const zero = build(() => new ResNetBlock({ in: 6, zeroInit: true }));
      expectClose(zero.call(x), x);
      expect(() => zero.call(wave([2, 4, 4, 5]))).toThrow(/\[batch, height, width, 6\], got \[2, 4, 4, 5\]/);
    });
  });

  test('ResNetBlock: gradients', () => {
    using block = build(() => new ResNetBlock({ in: 2, out: 4, groups: 2 }));
    tf.tidy(() => checkLayer(block, (x) => block.call(x), wave([1, 3, 3, 2])));
  });

  test('resampling: sizes, and each pixel four times', () => {
    tf.tidy(() => {
      const x = wave([2, 5, 6, 3]);
      expect(build(() => new Downsample2d({ in: 3, out: 4 })).call(x).shape).toEqual([2, 3, 3, 4]);
      expect(build(() => new Downsample2d({ in: 3, kind: 'average' })).call(x).shape).toEqual([2, 2, 3, 3]);
      expect(build(() => new Upsample2d({ in: 3, out: 2 })).call(x).shape).toEqual([2, 10, 12, 2]);
      expectClose(upsampleNearest(x as tf.Tensor4D), tf.image.resizeNearestNeighbor(x as tf.Tensor4D, [10, 12]));
    });
  });

  test('Sequential runs layers and functions, and leaves nothing behind', () => {
    using net = build(
      () => new Sequential([new Linear({ in: 2, out: 3 }), (x) => tf.relu(x), new Linear({ in: 3, out: 1 })]),
    );
    expect(Object.keys(net.parameters())).toEqual([
      'layers.0.weight',
      'layers.0.bias',
      'layers.2.weight',
      'layers.2.bias',
    ]);
    using x = wave([4, 2]);
    expectNoLeak(() => net.call(x).dispose());
  });
});
