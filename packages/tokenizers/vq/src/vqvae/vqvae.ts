/**
 * VQ-VAE: pictures to a grid of integer tokens and back.
 *
 * Neural Discrete Representation Learning (van den Oord, Vinyals, Kavukcuoglu 2017, arXiv 1711.00937).
 *
 *   encode: i = quantize(encoder(x))    decode: x̂ = decoder(lookup(i))    loss: mse(x, x̂) + the quantizer's terms
 *
 * Differs from the paper: residual blocks with group norm and SiLU instead of two bare ones with ReLU, a narrow code
 * (16), and any quantizer of this package. The error is not divided by the variance of the data.
 */
import { tf } from '@tesserae/tensor';
import type { random } from '@tesserae/tensor';
import { checkTokenRange, checkTokens, sumLosses, Tokenizer } from '@tesserae/tokenizer';
import type {
  DiscreteTokenSpec,
  Quantizer,
  TokenizerLoss,
  TokenizerLossOptions,
  TrainableTokenizer,
} from '@tesserae/tokenizer';
import { readable } from '../checks.ts';
import { createQuantizer } from '../quantizers.ts';
import { completeConfig } from './config.ts';
import type { CompleteVQVAEConfig, VQVAEConfig } from './config.ts';
import { Decoder } from './decoder.ts';
import { Encoder } from './encoder.ts';

/**
 * Convolutional tokenizer of images with a quantizer in its middle.
 *
 * @example
 * const tokenizer = random.withKey(random.key(0), () => new VQVAE({ shape: [32, 32, 3] }));
 * const tokens = tokenizer.encode(images); // float32 [B,32,32,3] in [−1,1] -> int32 [B,8,8] below 512
 * const again = tokenizer.decode(tokens); // [B,32,32,3]
 */
export class VQVAE extends Tokenizer implements TrainableTokenizer {
  override readonly kind = 'vqvae';
  override readonly spec: DiscreteTokenSpec;
  override readonly config: CompleteVQVAEConfig;
  readonly encoder: Encoder;
  readonly quantizer: Quantizer;
  readonly decoder: Decoder;

  /**
   * Draws initial parameters from the ambient key.
   *
   * @throws RangeError naming an option that cannot be.
   */
  constructor(config: VQVAEConfig) {
    super();
    this.config = completeConfig(config);
    const { shape, downsampling, codeDim, quantizer } = this.config;
    this.encoder = new Encoder(this.config);
    this.quantizer = createQuantizer(quantizer, codeDim);
    this.decoder = new Decoder(this.config);
    this.spec = {
      kind: 'discrete',
      signal: 'image',
      shape,
      vocabulary: this.quantizer.codebookSize,
      grid: [(shape[0] as number) / downsampling, (shape[1] as number) / downsampling],
    };
  }

  /**
   * float32 `[B, H, W, C]` in [−1, 1] -> int32 `[B, h, w]`.
   *
   * @throws RangeError on another shape; on NaN outside `compile`.
   */
  override encode(images: tf.Tensor): tf.Tensor {
    this.#checkImages(images, 'encode');
    return tf.tidy(() => this.quantizer.quantize(this.encoder.call(images as tf.Tensor4D)).indices);
  }

  /**
   * int32 `[B, h, w]` -> float32 `[B, H, W, C]`, about [−1, 1] and not clipped.
   *
   * @throws RangeError on another shape; on a token outside `[0, vocabulary)` outside `compile`, where it is clamped.
   */
  override decode(tokens: tf.Tensor): tf.Tensor {
    checkTokens(tokens, this.spec, 'VQVAE.decode');
    const values = readable(tokens);
    if (values) checkTokenRange(values, this.spec, 'VQVAE.decode');
    return tf.tidy(() => this.decoder.call(this.quantizer.lookup(tokens) as tf.Tensor4D));
  }

  /**
   * Mean squared error of the reconstruction plus the quantizer's terms. Traceable.
   *
   * `terms`: `reconstruction`, the quantizer's losses (`commitment`, …) and its figures (`usage`, `perplexity`, …).
   */
  loss(images: tf.Tensor, options: TokenizerLossOptions = {}): TokenizerLoss {
    this.#checkImages(images, 'loss');
    return tf.tidy(() => {
      const latents = this.encoder.call(images as tf.Tensor4D);
      const { codes, indices, losses, stats } = this.quantizer.quantize(latents, {
        training: options.training ?? false,
      });
      const reconstruction = this.decoder.call(codes as tf.Tensor4D);
      const error = reconstruction.sub(images).square().mean() as tf.Scalar;
      const loss = error.add(sumLosses(losses)) as tf.Scalar;
      return { loss, terms: { reconstruction: error, ...losses, ...stats }, reconstruction, tokens: indices };
    });
  }

  /** Give the quantizer the latents of these images to start from (k-means). Runs once, before training. */
  prepare(images: tf.Tensor, key: random.Key): void {
    this.#checkImages(images, 'prepare');
    tf.tidy(() => this.quantizer.prepare?.(this.encoder.call(images as tf.Tensor4D), key));
  }

  #checkImages(images: tf.Tensor, method: string): void {
    const { shape } = this.spec;
    if (images.dtype !== 'float32') {
      throw new TypeError(`VQVAE.${method}: images must be float32 in [-1, 1], got ${images.dtype}; convert and scale`);
    }
    if (images.rank !== 4 || shape.some((side, axis) => side !== images.shape[axis + 1])) {
      throw new RangeError(
        `VQVAE.${method}: images must have shape [batch, ${shape.join(', ')}], got [${images.shape.join(', ')}]`,
      );
    }
  }
}
