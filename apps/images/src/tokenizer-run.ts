/** Training a tokenizer on pictures. */
import { horizontalFlip, loader } from '@tesserae/data';
import { AdamW, schedules, StateMismatchError } from '@tesserae/nn';
import { random } from '@tesserae/tensor';
import { isTrainable, saveTokenizer, type TrainableTokenizer } from '@tesserae/tokenizer';
import { Evaluator, fit } from '@tesserae/train';
import { foreignCheckpoint } from './foreign-checkpoint.ts';
import { InterruptedError } from './interrupted-error.ts';
import type { Pictures } from './pictures.ts';
import type { RunFolder } from './run-folder.ts';
import { atPrecision, meshOptions } from './training-settings.ts';
import type { TrainingSettings } from './training-settings.ts';
import { findTokenizer } from './tokenizers.ts';
import { writeReconstructions } from './picture-grids.ts';

/** Settings of {@link trainTokenizer}. */
export interface TokenizerTraining extends TrainingSettings {
  readonly tokenizer: string;
}

/**
 * Trains and saves a tokenizer.
 *
 * @returns The trained tokenizer, which the caller disposes.
 * @throws InterruptedError after a checkpoint when stopped.
 */
export async function trainTokenizer(
  run: RunFolder,
  pictures: Pictures,
  settings: TokenizerTraining,
): Promise<TrainableTokenizer> {
  const { steps, batch, learningRate, seed, resume, precision, checkpointEvery, logEvery } = settings;
  const factory = await findTokenizer(settings.tokenizer);
  using key = random.key(seed);
  const tokenizer = random.withKey(key, () => factory.create({ shape: pictures.shape }));
  try {
    if (!isTrainable(tokenizer)) {
      throw new Error(`tokenizer '${settings.tokenizer}' cannot be trained here: it has no method 'loss'.`);
    }
    console.log(`tokenizer: ${factory.kind}, ${(tokenizer.parameterCount / 1e6).toFixed(2)} M parameters`);
    const loss = (
      images: Parameters<TrainableTokenizer['loss']>[0],
      training: boolean,
    ): ReturnType<TrainableTokenizer['loss']> => atPrecision(precision, () => tokenizer.loss(images, { training }));
    using optimizer = new AdamW({
      learningRate: schedules.cosine({ peak: learningRate, warmup: Math.ceil(steps / 6), total: steps }),
      // A second moment that remembers a thousand steps still counts the large gradients of the start after six
      // hundred: 0.999 costs 1.4 dB here.
      betas: [0.9, 0.95],
      weightDecay: 0.01,
    });
    using evaluator = new Evaluator({
      loss: ({ images }, { training }) => loss(images, training),
      data: loader(pictures.heldOut, { batchSize: batch, shuffle: false, epochs: 1 }),
    });
    const result = await fit({
      name: 'tokenizer',
      model: tokenizer,
      loss: ({ images }, { training }) => loss(images, training),
      data: loader(pictures.train, {
        batchSize: Math.min(batch, pictures.train.length),
        seed,
        ...(pictures.mirror && { augment: horizontalFlip() }),
      }),
      optimizer,
      steps,
      seed,
      ...meshOptions(settings),
      prepare:
        tokenizer.prepare === undefined ? false : ({ images }, prepareKey) => tokenizer.prepare?.(images, prepareKey),
      out: run.path('tokenizer'),
      every: { log: logEvery, checkpoint: checkpointEvery, validate: 200, sample: 200 },
      validate: () => evaluator.run(),
      onSample: () => writeReconstructions(run.path('reconstructions.png'), tokenizer, pictures.heldOut),
      resume,
    });
    if (result.stopped === 'interrupted') {
      throw new InterruptedError(`Stopped after step ${result.steps}; the same command with --resume continues.`);
    }
    await saveTokenizer(tokenizer, run.path('tokenizer'));
    return tokenizer;
  } catch (error) {
    tokenizer.dispose();
    if (error instanceof StateMismatchError) throw foreignCheckpoint(run.path('tokenizer', 'checkpoint'), error);
    throw error;
  }
}
