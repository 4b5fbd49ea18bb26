/** The tokens of a whole set of pictures, made once before the prior is trained. */
import { hostTensor, loader, tensorDataset, toTensors, type Dataset, type HostTensor } from '@tesserae/data';
import { compile, tf } from '@tesserae/tensor';
import { tokenCount, type Tokenizer } from '@tesserae/tokenizer';
import type { PictureSet } from './pictures.ts';

/** A batch for the prior: tokens `[B, N]`, labels `[B]`. */
export interface TokenBatch extends Record<string, HostTensor> {
  readonly tokens: HostTensor;
  readonly labels: HostTensor;
}

/** Tokens and labels of a set, in its order. */
export interface TokenSet {
  readonly dataset: Dataset<TokenBatch, TokenBatch>;
  /** `[pictures · N]`. */
  readonly tokens: Int32Array;
}

/**
 * Encodes every picture of a set, and its mirror image too if `mirror`: what flips are to the tokenizer's training.
 */
export async function tokenize(tokenizer: Tokenizer, pictures: PictureSet, mirror: boolean): Promise<TokenSet> {
  const length = tokenCount(tokenizer.spec);
  const copies = mirror ? 2 : 1;
  const tokens = new Int32Array(copies * pictures.length * length);
  const labels = new Int32Array(copies * pictures.length);
  using encode = compile(
    (images: tf.Tensor4D) => {
      const encoded = tokenizer.encode(images);
      return mirror ? [encoded, tokenizer.encode(tf.reverse(images, 2))] : [encoded];
    },
    { name: 'tokenize' },
  );
  let done = 0;
  for await (const host of loader(pictures, { batchSize: 64, shuffle: false, epochs: 1 })) {
    const batch = toTensors(host);
    const count = batch.images.shape[0] as number;
    const encoded = encode(batch.images as tf.Tensor4D);
    for (const [copy, tensor] of encoded.entries()) {
      const at = copy * pictures.length + done;
      tokens.set(await tensor.data<'int32'>(), at * length);
      if (host.labels !== undefined) labels.set(host.labels.data, at);
      tensor.dispose();
    }
    tf.dispose([batch.images, ...(batch.labels === undefined ? [] : [batch.labels])]);
    done += count;
  }
  const dataset = tensorDataset({
    tokens: hostTensor(tokens, [labels.length, length]),
    labels: hostTensor(labels, [labels.length]),
  });
  return { dataset: dataset as Dataset<TokenBatch, TokenBatch>, tokens };
}
