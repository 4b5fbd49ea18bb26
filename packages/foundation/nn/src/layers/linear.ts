/** Linear map of the last axis: y = x W + b, with PyTorch's initialisation. */
import { tf } from '@tesserae/tensor';
import { checkLastAxis, checkWhole } from '../check.ts';
import { biasUniform, type Initializer, kaimingUniform } from '../initializers.ts';
import { Module } from '../module.ts';
import { parameter } from '../parameter.ts';

/** Options of {@link Linear}. */
export interface LinearConfig {
  /** Size of the last axis of the input. */
  readonly in: number;
  /** Size of the last axis of the output. */
  readonly out: number;
  /** Default true. */
  readonly bias?: boolean;
  /** Of the weight. Default `kaimingUniform()`: uniform in ±1/√in. */
  readonly init?: Initializer;
  /** Of the bias. Default uniform in ±1/√in; zeros where `init` is given. */
  readonly biasInit?: Initializer;
}

/**
 * y = x W + b.
 *
 * @example
 * const layer = random.withKey(random.key(0), () => new Linear({ in: 64, out: 10 }));
 * layer.call(tf.zeros([32, 64])); // [32, 10]
 */
export class Linear extends Module {
  /** `[in, out]`: the transpose of PyTorch's. */
  readonly weight: tf.Variable;
  /** `[out]`. */
  readonly bias: tf.Variable | undefined;

  /** @throws RangeError on sizes below 1. */
  constructor(config: LinearConfig) {
    super();
    const { in: inputs, out: outputs, bias = true, init, biasInit } = config;
    checkWhole('Linear', 'in', inputs);
    checkWhole('Linear', 'out', outputs);
    this.weight = parameter([inputs, outputs], init ?? kaimingUniform());
    const defaultBias: Initializer = init ? (shape) => tf.zeros([...shape]) : biasUniform(inputs);
    this.bias = bias ? parameter([outputs], biasInit ?? defaultBias) : undefined;
  }

  /** `[..., in]` -> `[..., out]`. */
  call<T extends tf.Tensor>(x: T): T {
    const [inputs, outputs] = this.weight.shape as [number, number];
    checkLastAxis('Linear.call', x, inputs);
    return tf.tidy(() => {
      const rows = x.rank === 2 ? x : tf.reshape(x, [-1, inputs]); // [N, in]
      const product = tf.matMul(rows as tf.Tensor2D, this.weight as tf.Variable<tf.Rank.R2>); // [N, out]
      const y = this.bias ? tf.add(product, this.bias) : product;
      return x.rank === 2 ? y : tf.reshape(y, [...x.shape.slice(0, -1), outputs]);
    }) as T;
  }
}
