/**
 * The figures of a run on its held-out pictures, each beside a baseline that anybody can work out: the mean colour of
 * blocks for reconstruction, the frequencies of the tokens for the prior.
 */
import type { ImageGPT } from '@tesserae/autoregressive';
import { loader, toTensors } from '@tesserae/data';
import { CodebookStats, decibels, psnr, ssim } from '@tesserae/metrics';
import { compile, tf } from '@tesserae/tensor';
import type { Tokenizer } from '@tesserae/tokenizer';
import type { Pictures, PictureSet } from './pictures.ts';
import { tokenize } from './tokens.ts';

/** Of a tokenizer. PSNR in decibels for pictures in [-1, 1]. */
export interface TokenizerScore {
  readonly pictures: number;
  /** Mean of the PSNRs of the pictures. */
  readonly psnr: number;
  /** PSNR of the error pooled over all pictures; lower, since hard pictures weigh more. */
  readonly pooledPsnr: number;
  /** Absent where the pictures are smaller than its window of 11×11. */
  readonly ssim?: number;
  /** Of the vocabulary, over the held-out pictures. */
  readonly usage: number;
  readonly perplexity: number;
  readonly vocabulary: number;
  readonly baselines: { readonly psnrOf8x8Means: number; readonly psnrOf4x4Means: number };
}

/** Of a prior: nats per token. */
export interface PriorScore {
  readonly pictures: number;
  readonly natsPerToken: number;
  /** Bits for a whole picture. */
  readonly bitsPerPicture: number;
  readonly baselines: {
    /** Entropy of the training tokens' frequencies, on the held-out tokens (one is added to each count). */
    readonly unigramNats: number;
    readonly uniformNats: number;
  };
}

/** Scores reconstruction. */
export async function scoreTokenizer(tokenizer: Tokenizer, heldOut: PictureSet): Promise<TokenizerScore> {
  const { spec } = tokenizer;
  const vocabulary = spec.kind === 'discrete' ? spec.vocabulary : 0;
  const stats = vocabulary > 0 ? new CodebookStats(vocabulary) : undefined;
  const [height = 0, width = 0] = spec.shape;
  const similar = Math.min(height, width) >= 11;
  using measure = compile(
    (images: tf.Tensor4D) => {
      const tokens = tokenizer.encode(images);
      const again = tf.clipByValue(tokenizer.decode(tokens), -1, 1);
      // [B, 5]: squared error, PSNR of the block means of two sizes, PSNR, SSIM.
      const figures = tf.stack(
        [
          tf.mean(tf.squaredDifference(images, again), [1, 2, 3]),
          psnr(images, blockMeans(images, 8)),
          psnr(images, blockMeans(images, 4)),
          psnr(images, again),
          similar ? ssim(images, again) : tf.zeros([images.shape[0]]),
        ],
        1,
      );
      return { tokens, figures };
    },
    { name: 'score' },
  );
  const sums = new Float64Array(5);
  let pictures = 0;
  for await (const host of loader(heldOut, { batchSize: 64, shuffle: false, epochs: 1 })) {
    const { images, labels } = toTensors(host);
    const { tokens, figures } = measure(images as tf.Tensor4D);
    stats?.add(await tokens.data<'int32'>());
    const values = await figures.data();
    values.forEach((value, i) => (sums[i % 5] = (sums[i % 5] as number) + value));
    pictures += images.shape[0] as number;
    tf.dispose([images, tokens, figures, ...(labels === undefined ? [] : [labels])]);
  }
  const mean = (column: number): number => (sums[column] as number) / pictures;
  return {
    pictures,
    psnr: mean(3),
    pooledPsnr: decibels(mean(0)),
    ...(similar && { ssim: mean(4) }),
    usage: stats?.usage ?? 1,
    perplexity: stats?.perplexity ?? NaN,
    vocabulary,
    baselines: { psnrOf8x8Means: mean(1), psnrOf4x4Means: mean(2) },
  };
}

/** Each block of a picture in its mean colour; [B, H, W, C] -> the same. A block at the edge may be smaller. */
function blockMeans(images: tf.Tensor4D, size: number): tf.Tensor4D {
  const [, height, width] = images.shape;
  const small = tf.avgPool(images, size, size, 'same');
  const [, rows, columns] = small.shape;
  const large = tf.reshape(tf.tile(tf.expandDims(tf.expandDims(small, 2), 4), [1, 1, size, 1, size, 1]), [
    images.shape[0],
    rows * size,
    columns * size,
    images.shape[3],
  ]);
  return tf.slice(large, [0, 0, 0, 0], [-1, height, width, -1]) as tf.Tensor4D;
}

/** Scores a prior. */
export async function scorePrior(model: ImageGPT, tokenizer: Tokenizer, pictures: Pictures): Promise<PriorScore> {
  const { vocabulary } = model.config;
  const train = await tokenize(tokenizer, pictures.train, pictures.mirror);
  const heldOut = await tokenize(tokenizer, pictures.heldOut, false);
  const counts = new Float64Array(vocabulary).fill(1);
  for (const token of train.tokens) counts[token] = (counts[token] as number) + 1;
  const total = train.tokens.length + vocabulary;
  const unigramNats =
    heldOut.tokens.reduce((sum, token) => sum - Math.log((counts[token] as number) / total), 0) / heldOut.tokens.length;

  const labelled = model.config.condition.type === 'class';
  using measure = compile(
    (tokens: tf.Tensor, labels: tf.Tensor) => model.nll(tokens, labelled ? { condition: labels } : {}),
    { name: 'nll' },
  );
  let nats = 0;
  for await (const host of loader(heldOut.dataset, { batchSize: 64, shuffle: false, epochs: 1 })) {
    const { tokens, labels } = toTensors(host) as { tokens: tf.Tensor; labels: tf.Tensor };
    const nll = measure(tokens, labels);
    for (const value of await nll.data()) nats += value;
    tf.dispose([tokens, labels, nll]);
  }
  const natsPerToken = nats / heldOut.tokens.length;
  return {
    pictures: heldOut.dataset.length,
    natsPerToken,
    bitsPerPicture: (natsPerToken * model.length) / Math.LN2,
    baselines: { unigramNats, uniformNats: Math.log(vocabulary) },
  };
}
