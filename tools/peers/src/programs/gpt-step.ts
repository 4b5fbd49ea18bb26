/**
 * A training step of a GPT: learned positions, pre-norm blocks with exact GELU, an untied head, AdamW.
 *
 * The parameters' names and shapes are those of `@tesserae/nn`; `python/gpt.py` makes the same ones.
 */
import { AdamW, Embedding, LayerNorm, Linear, Module, TransformerBlock } from '@tesserae/nn';
import { compile, ops, tf, valueAndGrad, withPrecision, type Precision } from '@tesserae/tensor';
import { initialised, integers } from '../inputs.ts';
import { number, type Case, type Device, type Params, type Program } from '../program.ts';

const sizes: Record<Device, Params> = {
  cpu: { layers: 4, dim: 256, heads: 4, time: 128, batch: 8, vocabulary: 1024 },
  gpu: { layers: 8, dim: 512, heads: 8, time: 256, batch: 32, vocabulary: 8192 },
};

/** The model of this program. */
export class GPT extends Module {
  readonly tokens: Embedding;
  readonly positions: Embedding;
  readonly blocks: TransformerBlock[];
  readonly norm: LayerNorm;
  readonly head: Linear;

  constructor(params: Params) {
    super();
    const [dim, heads, vocabulary] = [number(params, 'dim'), number(params, 'heads'), number(params, 'vocabulary')];
    this.tokens = new Embedding({ size: vocabulary, dim });
    this.positions = new Embedding({ size: number(params, 'time'), dim });
    this.blocks = Array.from({ length: number(params, 'layers') }, () => new TransformerBlock({ dim, heads }));
    this.norm = new LayerNorm({ dim });
    this.head = new Linear({ in: dim, out: vocabulary, bias: false });
  }

  /** int32 `[B, T]` -> `[B, T, V]`. */
  call(ids: tf.Tensor): tf.Tensor {
    let x = tf.add(this.tokens.call(ids), this.positions.weight); // [B, T, D]
    for (const block of this.blocks) x = block.call(x, { causal: true });
    return this.head.call(this.norm.call(x));
  }
}

/** See the file header. */
export const program: Program = {
  cases: (device) => {
    const size = sizes[device];
    const row = (precision: Precision, tolerance: number): Case => ({
      id: `gpt-step.${precision}`,
      title: `GPT train step, ${size['layers']} layers, d ${size['dim']}, T ${size['time']}, B ${size['batch']}, ${precision}`,
      params: { ...size, precision },
      tolerance,
      makes: { count: number(size, 'batch') * number(size, 'time'), unit: 'tokens' },
    });
    const ends = [row('float32', 1e-3), row('bfloat16', 2e-2)];
    return device === 'cpu' ? ends : [...ends, row('tf32', 1e-2)];
  },
  build: (params) => {
    const model = initialised(() => new GPT(params));
    const shape = [number(params, 'batch'), number(params, 'time')];
    const [ids, labels] = ['ids', 'labels'].map((name) => integers(name, shape, number(params, 'vocabulary'))) as [
      tf.Tensor,
      tf.Tensor,
    ];
    const optimizer = new AdamW({ learningRate: 1e-3, weightDecay: 0.1 });
    const parameters = model.parameters();
    optimizer.init(parameters);
    const train = compile(
      (ids: tf.Tensor, labels: tf.Tensor) => {
        const { value, grads } = valueAndGrad(
          () =>
            withPrecision(
              params['precision'] as Precision,
              () => tf.mean(ops.softmaxCrossEntropy(model.call(ids), labels)) as tf.Scalar,
            ),
          parameters,
        );
        optimizer.update(parameters, grads);
        return value;
      },
      { name: 'gpt_step' },
    );
    return { step: () => train(ids, labels) };
  },
};
