/**
 * The smallest real tokenizer, for this package's own tests: each patch of a picture is projected to a vector, replaced
 * by the nearest row of a codebook, and projected back. `fault` breaks one promise of the contract at a time.
 */
import { init, Linear, Module, buffer, parameter } from '@tesserae/nn';
import { isTracing, ops, random, tf } from '@tesserae/tensor';
import { Tokenizer, type TokenizerConfig } from './tokenizer.ts';
import { checkTokenRange, checkTokens, type DiscreteTokenSpec } from './spec.ts';
import type { TokenizerFactory } from './factory.ts';
import type { TokenizerLoss, TokenizerLossOptions, TrainableTokenizer } from './trainable.ts';

/** Which promise a `PatchTokenizer` breaks. */
export type Fault =
  | 'none'
  | 'wrong-kind'
  | 'incomplete-config'
  | 'wrong-vocabulary'
  | 'float-tokens'
  | 'flat-tokens'
  | 'stale-lookup'
  | 'decoder-skips-quantizer'
  | 'batch-statistics'
  | 'silent-on-odd-sizes'
  | 'vague-on-odd-sizes'
  | 'takes-any-token'
  | 'sticky-training'
  | 'validation-updates'
  | 'tokens-differ-in-training'
  | 'hidden-randomness'
  | 'cut-gradient'
  | 'unsaved-shift'
  | 'leak-in-encode'
  | 'leak-in-loss'
  | 'leak-on-dispose'
  | 'reads-values'
  | 'nan-in-decode';

const PATCH = 2;
const DIM = 3;

class Codebook extends Module {
  readonly codes: tf.Variable = tf.tidy(() => buffer(random.normal(random.next(), [8, DIM], { std: 0.5 })));
}

/** See the file's header. */
export class PatchTokenizer extends Tokenizer implements TrainableTokenizer {
  override readonly kind: string;
  override readonly spec: DiscreteTokenSpec;
  override readonly config: TokenizerConfig;
  readonly encoder: Linear;
  readonly codebook: Codebook;
  readonly decoder: Linear;
  readonly dead?: tf.Variable;
  readonly #fault: Fault;
  #sticky = false;
  #shift: ArrayLike<number> = [0, 0, 0];
  #stale: Float32Array | undefined;

  constructor(config: TokenizerConfig, fault: Fault = 'none') {
    super();
    const [height, width, channels] = config.shape as [number, number, number];
    if (height % PATCH || width % PATCH) {
      throw new RangeError(`PatchTokenizer: shape must be a multiple of ${PATCH}, got ${height}×${width}`);
    }
    this.#fault = fault;
    this.kind = fault === 'wrong-kind' ? 'other' : 'patch';
    this.config =
      fault === 'incomplete-config' ? ({ size: height } as unknown as TokenizerConfig) : { shape: config.shape };
    this.spec = {
      kind: 'discrete',
      signal: 'image',
      shape: [height, width, channels],
      vocabulary: fault === 'wrong-vocabulary' ? 4 : 8,
      grid: [height / PATCH, width / PATCH],
    };
    this.encoder = new Linear({ in: PATCH * PATCH * channels, out: DIM });
    this.codebook = new Codebook();
    this.decoder = new Linear({ in: DIM, out: PATCH * PATCH * channels });
    if (fault === 'cut-gradient') this.dead = parameter([2], init.ones());
    if (fault === 'unsaved-shift') {
      this.#shift = tf.tidy(() => random.normal(random.next(), [DIM], { std: 3 }).dataSync<'float32'>());
    }
    if (fault === 'hidden-randomness') this.encoder.weight.assign(tf.randomNormal(this.encoder.weight.shape));
  }

  override encode(images: tf.Tensor): tf.Tensor {
    this.#check(images, 'encode');
    if (this.#fault === 'leak-in-encode') tf.keep(tf.zeros([1]));
    if (this.#fault === 'reads-values') images.dataSync();
    const indices = tf.tidy(() => this.#nearest(this.#latents(images)));
    if (this.#fault === 'float-tokens') return indices.toFloat();
    if (this.#fault === 'flat-tokens') return indices.reshape([images.shape[0] as number, -1]);
    return indices;
  }

  override decode(tokens: tf.Tensor): tf.Tensor {
    if (this.#fault !== 'takes-any-token') {
      if (!['float-tokens', 'flat-tokens', 'silent-on-odd-sizes'].includes(this.#fault)) {
        checkTokens(tokens, this.spec, 'PatchTokenizer.decode');
      }
      if (!isTracing()) checkTokenRange(tokens.dataSync(), { vocabulary: 8 }, 'PatchTokenizer.decode');
    }
    return tf.tidy(() => {
      const [rows, columns] = this.spec.grid as [number, number];
      const flat = tf.reshape(tokens, [-1]).toInt().clipByValue(0, 7).toInt();
      const images = this.#pixels(tf.gather(this.#codes(), flat), [tokens.shape[0] as number, rows, columns]);
      return this.#fault === 'nan-in-decode' ? images.div(0) : images;
    });
  }

  loss(images: tf.Tensor, { training = false }: TokenizerLossOptions = {}): TokenizerLoss {
    this.#check(images, 'loss');
    if (this.#fault === 'leak-in-loss') tf.keep(tf.zeros([1]));
    return tf.tidy(() => {
      const latents = this.#latents(images); // [B, h, w, D]
      const flat = tf.reshape(latents, [-1, DIM]);
      let tokens = this.#nearest(latents);
      if (training && this.#fault === 'tokens-differ-in-training') tokens = tf.zerosLike(tokens);
      const chosen = tf.gather(this.codebook.codes, tf.reshape(tokens, [-1]).toInt());
      const codes = this.#fault === 'decoder-skips-quantizer' ? flat : ops.straightThrough(flat, chosen);
      const reconstruction = this.#pixels(codes, latents.shape.slice(0, 3));
      const error = tf.mean(tf.squaredDifference(reconstruction, images)) as tf.Scalar;
      const commitment = tf.mean(tf.squaredDifference(flat, ops.stopGradient(chosen))) as tf.Scalar;
      if (training || this.#fault === 'validation-updates') {
        // Codes drift towards the mean of the latents: enough of a moving average for a test.
        const drift = ops.stopGradient(tf.mean(flat, 0, true));
        this.codebook.codes.assign(tf.add(tf.mul(this.codebook.codes, 0.9), tf.mul(drift, 0.1)));
      }
      if (training) this.#sticky = true;
      return { loss: tf.add(error, commitment) as tf.Scalar, terms: { error, commitment }, reconstruction, tokens };
    });
  }

  override dispose(): void {
    if (this.#fault !== 'leak-on-dispose') super.dispose();
  }

  /** [B, H, W, C] -> [B, H/2, W/2, D] */
  #latents(images: tf.Tensor): tf.Tensor {
    const [batch, height, width, channels] = images.shape as [number, number, number, number];
    const rows = Math.floor(height / PATCH);
    const columns = Math.floor(width / PATCH);
    const cropped = tf.slice(images, [0, 0, 0, 0], [batch, rows * PATCH, columns * PATCH, channels]);
    const patches = tf.transpose(tf.reshape(cropped, [batch, rows, PATCH, columns, PATCH * channels]), [0, 1, 3, 2, 4]);
    let latents = this.encoder.call(tf.reshape(patches, [batch, rows, columns, PATCH * PATCH * channels]));
    latents = tf.add(latents, tf.tensor1d(Array.from(this.#shift)));
    if (this.#fault === 'batch-statistics') latents = tf.sub(latents, tf.mean(latents, 0, true));
    if (this.#fault === 'sticky-training' && this.#sticky) latents = tf.neg(latents);
    return latents;
  }

  /** [B, h, w, D] -> int32 [B, h, w] */
  #nearest(latents: tf.Tensor): tf.Tensor {
    const flat = tf.reshape(latents, [-1, 1, DIM]);
    const distances = tf.sum(tf.squaredDifference(flat, tf.expandDims(this.codebook.codes, 0)), 2);
    return tf.reshape(tf.argMin(distances, 1).toInt(), latents.shape.slice(0, 3));
  }

  #codes(): tf.Tensor {
    if (this.#fault !== 'stale-lookup') return this.codebook.codes;
    this.#stale ??= this.codebook.codes.dataSync<'float32'>().slice();
    return tf.tensor2d(this.#stale, [8, DIM]);
  }

  /** [B·h·w, D] -> [B, H, W, C] */
  #pixels(codes: tf.Tensor, [batch, rows, columns]: number[]): tf.Tensor {
    const channels = this.spec.shape[2] as number;
    const patches = tf.reshape(this.decoder.call(codes), [batch!, rows!, columns!, PATCH, PATCH * channels]);
    return tf.reshape(tf.transpose(patches, [0, 1, 3, 2, 4]), [batch!, rows! * PATCH, columns! * PATCH, channels]);
  }

  #check(images: tf.Tensor, method: string): void {
    const { shape } = this.spec;
    if (images.rank === 4 && shape.every((side, axis) => side === images.shape[axis + 1])) return;
    if (this.#fault === 'silent-on-odd-sizes' && images.rank === 4) return;
    if (this.#fault === 'vague-on-odd-sizes') throw new Error('bad input');
    throw new RangeError(
      `PatchTokenizer.${method}: images must have shape [batch, ${shape.join(', ')}], got [${images.shape.join(', ')}]`,
    );
  }
}

/** The factory, whole or broken. */
export function patchFactory(fault: Fault = 'none'): TokenizerFactory {
  return { kind: 'patch', create: (config) => new PatchTokenizer(config, fault) };
}

/** Some pictures: `[count, height, width, 2]`, deterministic. */
export function samplePictures(count = 3, height = 4, width = 6): tf.Tensor {
  return tf.tidy(() => random.uniform(random.key(5), [count, height, width, 2], { min: -1, max: 1 }));
}
