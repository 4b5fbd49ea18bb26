import { random, tf, tree, useEngine, valueAndGrad } from '@tesserae/tensor';
import { expectClose, expectNoLeak } from '@tesserae/tensor/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  Adam,
  AdamW,
  clipByGlobalNorm,
  Ema,
  globalNorm,
  init,
  Linear,
  Lion,
  type Optimizer,
  parameter,
  type Schedule,
  schedules,
  SGD,
} from '../index.ts';

beforeAll(() => useEngine('cpu'));

/** A matrix, which decays, and a vector, which does not. */
function createParams(): Record<string, tf.Variable> {
  const weight = parameter([1, 2], init.zeros());
  const bias = parameter([1], init.zeros());
  tf.tidy(() => weight.assign(tf.tensor2d([[1, -2]])));
  tf.tidy(() => bias.assign(tf.tensor1d([0.5])));
  return { weight, bias };
}

/** Gradients of three steps. */
const GRADIENTS: readonly [number, number, number][] = [
  [0.5, -0.1, 2],
  [-0.25, 0.3, 1],
  [0.125, 0, -4],
];

/** Three updates with those gradients; the values of [weight, bias] after each. */
function run(optimizer: Optimizer): number[][] {
  const params = createParams();
  optimizer.init(params);
  const after = GRADIENTS.map(([a, b, c]) => {
    tf.tidy(() => optimizer.update(params, { weight: tf.tensor2d([[a, b]]), bias: tf.tensor1d([c]) }));
    return [...params.weight!.dataSync(), ...params.bias!.dataSync()];
  });
  tree.dispose(params);
  optimizer.dispose();
  return after;
}

/** torch/optim/adamw.py and adam.py, single tensor, in float64. */
function torchAdam(decoupled: boolean, decayed: readonly boolean[], wd: number): number[][] {
  const [lr, b1, b2, eps] = [0.1, 0.9, 0.99, 1e-8];
  const p = [1, -2, 0.5];
  const m = [0, 0, 0];
  const v = [0, 0, 0];
  return GRADIENTS.map((gradients, i) => {
    const t = i + 1;
    gradients.forEach((gradient, j) => {
      let g = gradient;
      if (decayed[j] && decoupled) p[j]! *= 1 - lr * wd;
      if (decayed[j] && !decoupled) g += wd * p[j]!;
      m[j] = b1 * m[j]! + (1 - b1) * g;
      v[j] = b2 * v[j]! + (1 - b2) * g * g;
      const denominator = Math.sqrt(v[j]!) / Math.sqrt(1 - b2 ** t) + eps;
      p[j]! -= (lr / (1 - b1 ** t)) * (m[j]! / denominator);
    });
    return [...p];
  });
}

describe('AdamW', () => {
  const config = { learningRate: 0.1, betas: [0.9, 0.99], weightDecay: 0.1 } as const;

  test('first step by hand: 1 · (1 − 0.01) − 0.1 · sign, and no decay of a bias', () => {
    expectClose(run(new AdamW(config))[0]!, [0.89, -1.88, 0.4]);
  });

  test('three steps equal PyTorch’s formula', () => {
    expectClose(run(new AdamW(config)), torchAdam(true, [true, true, false], 0.1), { rtol: 2e-6 });
  });

  test('Adam puts the decay into the gradient, and a filter chooses what decays', () => {
    const decay = (name: string): boolean => name === 'bias';
    expectClose(run(new Adam({ ...config, decay })), torchAdam(false, [false, false, true], 0.1), { rtol: 2e-6 });
    const params = createParams();
    expect(new AdamW(config).decayed(params)).toEqual(['weight']);
    tree.dispose(params);
  });
});

describe('SGD and Lion', () => {
  test('SGD by hand', () => {
    expectClose(run(new SGD({ learningRate: 0.1 }))[1]!, [0.975, -2.02, 0.2]);
    // Momentum 0.5: directions 0.5, then 0.5 · 0.5 − 0.25 = 0, then 0.125.
    const momentum = run(new SGD({ learningRate: 0.1, momentum: 0.5 }));
    expectClose([momentum[0]![0]!, momentum[1]![0]!, momentum[2]![0]!], [0.95, 0.95, 0.9375]);
    // Nesterov: g + 0.5 u = 0.75, −0.25, 0.1875.
    const nesterov = run(new SGD({ learningRate: 0.1, momentum: 0.5, nesterov: true }));
    expectClose([nesterov[0]![0]!, nesterov[1]![0]!, nesterov[2]![0]!], [0.925, 0.95, 0.93125]);
    expect(() => new SGD({ learningRate: 0.1, nesterov: true })).toThrow(/'nesterov' needs a 'momentum'/);
  });

  test('Lion by hand', () => {
    // sign(0.1 · 0.5) = 1; m = 0.005; sign(0.9 · 0.005 − 0.1 · 0.25) = −1; decay 0.1 · 0.5 · p.
    const after = run(new Lion({ learningRate: 0.1, weightDecay: 0.5 }));
    expectClose(after[0]!, [1 - 0.1 - 0.05, -2 + 0.1 + 0.1, 0.4]);
    expectClose(after[1]![0]!, 0.85 + 0.1 - 0.05 * 0.85);
  });
});

describe('state', () => {
  test('has stable names, is saved and continued exactly', () => {
    const optimizers = [
      () => new AdamW({ learningRate: 0.1 }),
      () => new SGD({ learningRate: 0.1, momentum: 0.9 }),
      () => new Lion({ learningRate: 0.1 }),
    ];
    for (const create of optimizers) {
      tf.tidy(() => {
        const grads = { weight: tf.tensor2d([[0.3, 0.1]]), bias: tf.tensor1d([-1]) };
        const one = createParams();
        const first = create();
        first.init(one);
        first.update(one, grads);
        const two = createParams();
        const second = create();
        second.init(two);
        second.load(first.state());
        for (const name of ['weight', 'bias']) two[name]!.assign(tf.clone(one[name]!));
        first.update(one, grads);
        second.update(two, grads);
        expect([...two.weight!.dataSync()]).toEqual([...one.weight!.dataSync()]);
        for (const [name, variable] of Object.entries(first.state())) {
          expect([...second.state()[name]!.dataSync()]).toEqual([...variable.dataSync()]);
        }
      });
    }
    const params = createParams();
    using optimizer = new AdamW({ learningRate: 0.1 });
    optimizer.init(params);
    expect(Object.keys(optimizer.state())).toEqual(['step', 'm.weight', 'm.bias', 'v.weight', 'v.bias']);
    expect(optimizer.state().step!.dtype).toBe('int32');
    expect(() => optimizer.load({ step: optimizer.state().step! })).toThrow(/'m.weight' is missing/);
    tree.dispose(params);
  });

  test('mistakes', () => {
    const params = createParams();
    using optimizer = new AdamW({ learningRate: 0.1 });
    expect(() => optimizer.update(params, {})).toThrow(/AdamW.update: call init/);
    expect(() => optimizer.init({})).toThrow(/'params' is empty/);
    optimizer.init(params);
    expect(() => optimizer.init(params)).toThrow(/already initialised/);
    expect(() => optimizer.update(params, {})).toThrow(/gradient of 'weight' must have shape \[1, 2\], got none/);
    expect(() => new AdamW({ learningRate: -1 })).toThrow(/AdamW: 'learningRate' must be a number of at least 0/);
    expect(() => new AdamW({ learningRate: 1, betas: [1, 0.9] })).toThrow(/'betas\[0\]' must lie in \[0, 1\), got 1/);
    tree.dispose(params);
  });
});

describe('schedules', () => {
  const at = (schedule: Schedule, step: number): number => tf.tidy(() => schedule(tf.scalar(step)).dataSync()[0]!);

  test('cosine: from peak/warmup to peak, down to the floor, and there', () => {
    const schedule = schedules.cosine({ peak: 1, warmup: 4, total: 12, floor: 0.2 });
    const expected = [0.25, 0.5, 0.75, 1, 1, 0.2 + 0.4 * (1 + Math.cos(Math.PI / 8))];
    expectClose(
      [0, 1, 2, 3, 4, 5].map((step) => at(schedule, step)),
      expected,
    );
    expectClose(
      [8, 12, 99].map((step) => at(schedule, step)),
      [0.6, 0.2, 0.2],
    );
    expectClose(at(schedules.cosine({ peak: 1, total: 10 }), 0), 1);
  });

  test('linear, inverse square root, constant', () => {
    const linear = schedules.warmupLinear({ peak: 2, warmup: 2, total: 6 });
    expectClose(
      [0, 1, 2, 4, 6, 7].map((step) => at(linear, step)),
      [1, 2, 2, 1, 0, 0],
    );
    expectClose(
      [0, 9].map((step) => at(schedules.warmupLinear({ peak: 2, warmup: 2 }), step)),
      [1, 2],
    );
    const root = schedules.inverseSquareRoot({ peak: 1, warmup: 4 });
    expectClose(
      [0, 3, 4, 15].map((step) => at(root, step)),
      [0.25, 1, Math.sqrt(4 / 5), 0.5],
    );
    expectClose(at(schedules.constant(3), 5), 3);
  });

  test('drive an optimizer by its own step count', () => {
    const params = createParams();
    using optimizer = new SGD({ learningRate: schedules.warmupLinear({ peak: 1, warmup: 2 }) });
    optimizer.init(params);
    const grads = { weight: tf.tensor2d([[1, 1]]), bias: tf.tensor1d([1]) };
    for (let i = 0; i < 3; i++) optimizer.update(params, grads);
    expectClose(params.bias!, [0.5 - 0.5 - 1 - 1]);
    tf.tidy(() => expectClose(optimizer.learningRate(), 1));
    tree.dispose([params, grads]);
  });
});

describe('clipByGlobalNorm', () => {
  test('scales all gradients by one factor', () => {
    tf.tidy(() => {
      const grads = { a: tf.tensor1d([3, 0]), b: tf.tensor2d([[0, 4]]) };
      expectClose(globalNorm(grads), 5);
      const clipped = clipByGlobalNorm(grads, 1);
      expectClose(clipped.norm, 5);
      expectClose(clipped.grads.a!, [0.6, 0]);
      expectClose(clipped.grads.b!, [[0, 0.8]]);
      expectClose(clipByGlobalNorm(grads, 10).grads.a!, [3, 0]);
    });
    expect(() => clipByGlobalNorm({}, 0)).toThrow(/'max' must be positive/);
  });
});

describe('Ema', () => {
  test('averages, swaps and puts back', async () => {
    const params = createParams();
    using ema = new Ema({ decay: 0.9 });
    ema.init(params);
    tf.tidy(() => params.bias!.assign(tf.tensor1d([1.5])));
    ema.update(params);
    expectClose(ema.averages().bias!, [0.6]);
    const seen = await ema.within(params, () => params.bias!.dataSync()[0]);
    expect(seen).toBeCloseTo(0.6, 6);
    expectClose(params.bias!, [1.5]);
    await expect(ema.within(params, () => Promise.reject(new Error('stop')))).rejects.toThrow('stop');
    expectClose(params.bias!, [1.5]);
    ema.swap(params);
    expect(() => ema.update(params)).toThrow(/swapped in/);
    ema.swap(params);
    using other = new Ema({ decay: 0.9 });
    other.init(params);
    other.load(ema.state());
    expectClose(other.averages().bias!, [0.6]);
    expect(Object.keys(ema.state())).toEqual(['step', 'average.weight', 'average.bias']);
    tree.dispose(params);
  });

  test('warms up with (1 + t) / (10 + t)', () => {
    const params = createParams();
    using ema = new Ema({ decay: 0.999, warmup: true });
    ema.init(params);
    tf.tidy(() => params.bias!.assign(tf.tensor1d([1.5])));
    ema.update(params);
    expectClose(ema.averages().bias!, [0.5 * 0.1 + 1.5 * 0.9]);
    ema.update(params);
    expectClose(ema.averages().bias!, [1.4 * (2 / 11) + 1.5 * (9 / 11)]);
    tree.dispose(params);
  });
});

test('a hundred steps of training leave no tensor behind, on either engine', async () => {
  for (const engine of ['cpu', 'wasm']) {
    await useEngine(engine);
    expectNoLeak(() => {
      const model = tf.tidy(() => ({
        m: random.withKey(random.key(0), () => new Linear({ in: 3, out: 2 })) as never,
      })).m as Linear;
      const params = model.parameters();
      const optimizer = new AdamW({ learningRate: schedules.cosine({ peak: 0.05, warmup: 5, total: 100 }) });
      const ema = new Ema();
      optimizer.init(params);
      ema.init(params);
      const x = tf.tidy(() => tf.sin(tf.reshape(tf.range(0, 24), [8, 3])));
      const losses: number[] = [];
      let afterFirst = 0;
      for (let i = 0; i < 100; i++) {
        tf.tidy(() => {
          const { value, grads } = valueAndGrad(
            () => tf.mean(tf.square(tf.sub(model.call(x), tf.slice(x, [0, 0], [8, 2])))) as tf.Scalar,
            params,
          );
          optimizer.update(params, clipByGlobalNorm(grads, 1).grads);
          ema.update(params);
          losses.push(value.dataSync()[0]!);
        });
        if (i === 0) afterFirst = tf.memory().numTensors;
      }
      expect(tf.memory().numTensors).toBe(afterFirst);
      expect(losses[99]!).toBeLessThan(0.05 * losses[0]!);
      model.dispose();
      optimizer.dispose();
      ema.dispose();
      x.dispose();
    });
  }
});
