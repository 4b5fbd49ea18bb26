import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { compare, ints, run, startBackends, v, w, type Case } from './compare.ts';
import { registerComposedKernels } from './index.ts';
import type { WasmBackend } from './wasmBackend.ts';

beforeAll(startBackends);

const transposes = [false, true].flatMap((a) => [false, true].map((b) => [a, b] as const));
const paddings = [
  'same',
  'valid',
  1,
  [
    [0, 0],
    [2, 1],
    [0, 2],
    [0, 0],
  ],
] as const;

const matmulCases: Case[] = transposes.flatMap(([ta, tb]): Case[] => {
  const a = ta ? [19, 23] : [23, 19];
  const b = tb ? [21, 19] : [19, 21];
  const label = `matMul ${ta ? 'aT' : 'a'} ${tb ? 'bT' : 'b'}`;
  return [
    [label, () => tf.matMul(v(...a), w(...b), ta, tb)],
    [`${label}, batch`, () => tf.matMul(v(3, ...a), w(3, ...b), ta, tb)],
    [`${label}, shared b`, () => tf.matMul(v(3, ...a), w(...b), ta, tb)],
    [`${label}, shared a`, () => tf.matMul(v(...a), w(3, ...b), ta, tb)],
    [`${label}, small`, () => tf.matMul(v(5, ...(ta ? [3, 2] : [2, 3])), w(5, ...(tb ? [4, 3] : [3, 4])), ta, tb)],
  ];
});
matmulCases.push(
  [
    'matMul with broadcast batches',
    () => [
      tf.matMul(v(2, 1, 23, 19), w(1, 3, 19, 21)),
      tf.matMul(v(2, 3, 23, 19), w(2, 1, 19, 21)),
      tf.matMul(v(3, 23, 19), w(2, 3, 19, 21)),
    ],
  ],
  [
    'matMul after a reshape',
    () => {
      const b = w(40, 20);
      return [tf.matMul(v(9, 40), b), tf.matMul(v(9, 20), tf.reshape(b, [20, 40])), tf.matMul(v(9, 40), b)];
    },
  ],
  [
    'matMul of empty sides',
    () => [tf.matMul(tf.zeros([2, 0]), tf.zeros([0, 3])), tf.matMul(tf.zeros([0, 2]), v(2, 3))],
  ],
  ['matMul of integers', () => tf.matMul(ints([1, 2, 3, 4], [2, 2]), ints([5, 6, 7, 8], [2, 2]))],
  ['fused matMul', () => tf.fused.matMul({ a: v(5, 7), b: w(3, 7), transposeB: true, bias: v(3), activation: 'relu' })],
  [
    'fused matMul, leaky',
    () => tf.fused.matMul({ a: v(5, 7), b: w(7, 3), activation: 'leakyrelu', leakyreluAlpha: 0.3 }),
  ],
  [
    'einsum',
    () => [
      tf.einsum('bqd,bkd->bqk', v(2, 3, 4), w(2, 5, 4)),
      tf.einsum('ij->ji', v(2, 3)),
      tf.einsum('ij,k->i', v(2, 3), w(4)),
      tf.einsum('i,j->', v(2), w(3)),
      tf.einsum('bhtd,bhsd->bhts', v(2, 2, 3, 4), w(2, 2, 5, 4)),
    ],
  ],
);

const convolutionCases: Case[] = paddings.flatMap((pad) =>
  [1, 2, 3].flatMap((stride): Case[] => {
    const label = `stride ${stride}, pad ${JSON.stringify(pad)}`;
    const shapes = { x: [2, 9, 7, 3], filter: [3, 2, 3, 5] };
    const dyOf = (depthwise = false): tf.Tensor => {
      const info = tf.backend_util.computeConv2DInfo(
        shapes.x as [number, number, number, number],
        shapes.filter as [number, number, number, number],
        stride,
        1,
        pad as 'same',
        'floor',
        depthwise,
      );
      return w(...info.outShape);
    };
    const attrs = { strides: [stride, stride], pad, dataFormat: 'NHWC', dimRoundingMode: 'floor' };
    const plain: Case[] = [
      [
        `Conv2DBackpropInput, ${label}`,
        () =>
          run('Conv2DBackpropInput', { dy: dyOf(), filter: v(...shapes.filter) }, { ...attrs, inputShape: shapes.x }),
      ],
      [
        `Conv2DBackpropFilter, ${label}`,
        () => run('Conv2DBackpropFilter', { x: v(...shapes.x), dy: dyOf() }, { ...attrs, filterShape: shapes.filter }),
      ],
    ];
    if (Array.isArray(pad)) return plain;
    const depthwise = { ...attrs, dilations: [1, 1] };
    return [
      ...plain,
      [
        `DepthwiseConv2dNativeBackpropInput, ${label}`,
        () =>
          run(
            'DepthwiseConv2dNativeBackpropInput',
            { dy: dyOf(true), filter: v(...shapes.filter) },
            { ...depthwise, inputShape: shapes.x },
          ),
      ],
      [
        `DepthwiseConv2dNativeBackpropFilter, ${label}`,
        () =>
          run(
            'DepthwiseConv2dNativeBackpropFilter',
            { x: v(...shapes.x), dy: dyOf(true) },
            { ...depthwise, filterShape: shapes.filter },
          ),
      ],
    ];
  }),
);
convolutionCases.push(
  [
    'conv2d, channels first',
    () =>
      tf.conv2d(
        v(1, 3, 6, 5) as tf.Tensor4D,
        w(3, 2, 3, 4) as tf.Tensor4D,
        1,
        [
          [0, 0],
          [0, 0],
          [1, 0],
          [0, 2],
        ],
        'NCHW',
      ),
  ],
  [
    'conv2dTranspose',
    () => tf.conv2dTranspose(v(2, 4, 5, 3) as tf.Tensor4D, w(4, 4, 2, 3) as tf.Tensor4D, [2, 8, 10, 2], 2, 'same'),
  ],
  [
    'depthwise with dilation',
    () => {
      const [x, filter] = [v(1, 8, 7, 2), w(2, 3, 2, 2)] as [tf.Tensor4D, tf.Tensor4D];
      const y = tf.depthwiseConv2d(x, filter, 1, 'same', 'NHWC', 2);
      return tf.grads((a, b) => tf.depthwiseConv2d(a as tf.Tensor4D, b as tf.Tensor4D, 1, 'same', 'NHWC', 2))(
        [x, filter],
        y,
      );
    },
  ],
  [
    'a filter larger than the stride reaches',
    () =>
      run(
        'Conv2DBackpropFilter',
        { x: v(1, 6, 6, 2), dy: w(1, 2, 2, 3) },
        { strides: [3, 3], pad: 'valid', dataFormat: 'NHWC', filterShape: [1, 1, 2, 3] },
      ),
  ],
);

const convolution3dCases: Case[] = (['same', 'valid'] as const).flatMap((pad) =>
  [1, [2, 1, 2], [1, 3, 3]].map((strides): Case => [
    `conv3d and its gradients, strides ${strides}, pad ${pad}`,
    () => {
      const x = v(2, 5, 4, 5, 2) as tf.Tensor5D;
      const filter = w(3, 2, 2, 2, 3) as tf.Tensor5D;
      const y = tf.conv3d(x, filter, strides as number, pad);
      const attrs = { strides, pad };
      return [
        y,
        run('Conv3DBackpropInputV2', { dy: y, filter }, { ...attrs, inputShape: x.shape }),
        run('Conv3DBackpropFilterV2', { x, dy: y }, { ...attrs, filterShape: filter.shape }),
      ];
    },
    1e-3,
  ]),
);

const complexCases: Case[] = [1, 2, 3, 5, 8, 12, 31].flatMap((n): Case[] => [
  [
    `fft of ${n}`,
    () => {
      const y = tf.fft(tf.complex(v(2, n), w(2, n)));
      return [tf.real(y), tf.imag(y)];
    },
  ],
  [
    `ifft of ${n}`,
    () => {
      const y = tf.ifft(tf.complex(v(2, n), w(2, n)));
      return [tf.real(y), tf.imag(y)];
    },
  ],
]);
complexCases.push(
  ['complex values', () => tf.complex(v(3), w(3))],
  ['abs', () => tf.abs(tf.complex(v(3), w(3)))],
  ['rfft and irfft', () => [tf.abs(tf.spectral.rfft(v(2, 6))), tf.spectral.irfft(tf.spectral.rfft(v(2, 6)))]],
  [
    'complex arithmetic',
    () => {
      const [a, b] = [tf.complex(v(2, 3), w(2, 3)), tf.complex(w(2, 3), v(2, 3))];
      return [
        tf.add(a, b),
        tf.sub(a, b),
        tf.mul(a, b),
        tf.concat([a, b], 1),
        tf.zerosLike(a),
        tf.cast(v(2), 'complex64'),
        tf.cast(a, 'float32'),
        // Last: on the CPU backend it also changes the shape of the parts of `a`.
        tf.reshape(a, [3, 2]),
      ];
    },
  ],
);

const hostCases: Case[] = [
  ['staticRegexReplace', () => tf.string.staticRegexReplace(tf.tensor1d(['abc', 'xbz']), 'b', '-')],
  [
    'RaggedRange',
    () =>
      tf
        .engine()
        .runKernel('RaggedRange', { starts: ints([0, 5]), limits: ints([3, 7]), deltas: ints([1, 1]) }) as tf.Tensor[],
  ],
  [
    'Conv2DBackpropFilter, channels first',
    () =>
      run(
        'Conv2DBackpropFilter',
        { x: v(1, 2, 5, 5), dy: w(1, 3, 3, 3) },
        { strides: [1, 1], pad: 'valid', dataFormat: 'NCHW', filterShape: [3, 3, 2, 3] },
      ),
  ],
];

describe.each([
  ['matrix products', matmulCases],
  ['convolution', convolutionCases],
  ['3-D convolution', convolution3dCases],
  ['complex numbers', complexCases],
  ['the host', hostCases],
])('%s on wasm and cpu', (_, cases) => {
  it.each(cases)('%s', async (_name, f, tolerance) => {
    await compare(f, tolerance);
  });
});

describe('a stride larger than the filter', () => {
  it.each(['cpu', 'wasm'])('picks elements, and puts their gradients back, on %s', async (backend) => {
    await tf.setBackend(backend);
    tf.tidy(() => {
      const x = tf.tensor(
        Array.from({ length: 8 }, (_, i) => i),
        [1, 1, 2, 4, 1],
      ) as tf.Tensor5D;
      const filter = tf.ones([1, 1, 1, 1, 1]) as tf.Tensor5D;
      const pick = (y: tf.Tensor): tf.Tensor => tf.conv3d(y as tf.Tensor5D, filter, [1, 1, 3], 'same');
      expect([...pick(x).dataSync()]).toEqual([0, 3, 4, 7]);
      expect([...tf.grad(pick)(x).dataSync()]).toEqual([1, 0, 0, 1, 1, 0, 0, 1]);
    });
  });
});

describe('training on wasm', () => {
  it('neither leaks tensors nor grows the heap', async () => {
    await tf.setBackend('wasm');
    const heap = (): number => (tf.backend() as unknown as WasmBackend).wasm.HEAPU8.length;
    const weights = [tf.variable(v(3, 3, 2, 4)), tf.variable(w(4 * 16, 5))] as [tf.Variable, tf.Variable];
    const x = v(4, 8, 8, 2) as tf.Tensor4D;
    const step = (): void =>
      tf.tidy(() => {
        const { grads } = tf.variableGrads(() => {
          const h = tf.relu(tf.conv2d(x, weights[0] as tf.Tensor as tf.Tensor4D, 2, 'same'));
          return tf.mean(tf.square(tf.matMul(tf.reshape(h, [4, -1]), weights[1])));
        }, weights);
        for (const weight of weights) weight.assign(tf.sub(weight, tf.mul(grads[weight.name] as tf.Tensor, 0.1)));
      });
    for (let i = 0; i < 5; i++) step();
    const before = { heap: heap(), tensors: tf.memory().numTensors, blocks: tf.engine().backend.numDataIds() };
    for (let i = 0; i < 50; i++) step();
    expect({ heap: heap(), tensors: tf.memory().numTensors, blocks: tf.engine().backend.numDataIds() }).toEqual(before);
    tf.dispose([x, ...weights]);
  });
});

describe('registerComposedKernels', () => {
  it('leaves no kernel of the CPU backend out', () => {
    const names = tf.getKernelsForBackend('cpu').map(({ kernelName }) => kernelName);
    expect(names.filter((name) => tf.getKernel(name, 'wasm') === undefined)).toEqual([]);
  });

  it('can be called again', () => {
    const kernel = tf.getKernel('BatchMatMul', 'wasm');
    registerComposedKernels('wasm');
    expect(tf.getKernel('BatchMatMul', 'wasm')).toBe(kernel);
  });

  it('names what is out of range', async () => {
    await tf.setBackend('wasm');
    tf.tidy(() => {
      expect(() => tf.gather(v(3, 2), ints([3]))).toThrow('the index value 3 is not in [0, 2]');
      expect(() => tf.scatterND(ints([4], [1, 1]), v(1, 2), [3, 2])).toThrow('expected index 0 in [0, 3), received 4');
    });
  });
});
