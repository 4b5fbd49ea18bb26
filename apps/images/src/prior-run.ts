/** Training an autoregressive prior over a tokenizer's tokens, and loading one. */
import { ImageGPT, type ImageGPTConfig } from '@tesserae/autoregressive';
import { loader } from '@tesserae/data';
import { AdamW, schedules, StateMismatchError } from '@tesserae/nn';
import { random } from '@tesserae/tensor';
import type { Tokenizer } from '@tesserae/tokenizer';
import { Evaluator, findCheckpoint, fit, loadCheckpoint, type Loss } from '@tesserae/train';
import { tree, type tf } from '@tesserae/tensor';
import { foreignCheckpoint } from './foreign-checkpoint.ts';
import { InterruptedError } from './interrupted-error.ts';
import type { Pictures } from './pictures.ts';
import type { RunFolder } from './run-folder.ts';
import { atPrecision, meshOptions } from './training-settings.ts';
import type { TrainingSettings } from './training-settings.ts';
import { tokenize } from './tokens.ts';
import { writeSamples } from './samples.ts';

/** Settings of {@link trainPrior}. */
export interface PriorTraining extends TrainingSettings {
  readonly layers: number;
  readonly dim: number;
  readonly heads: number;
  readonly dropout: number;
}

/**
 * Trains a prior.
 *
 * @returns The trained model, which the caller disposes.
 * @throws InterruptedError after a checkpoint when stopped.
 */
export async function trainPrior(
  run: RunFolder,
  pictures: Pictures,
  tokenizer: Tokenizer,
  settings: PriorTraining,
): Promise<ImageGPT> {
  const { steps, batch, learningRate, seed, resume, precision, dropout, checkpointEvery, logEvery } = settings;
  const { spec } = tokenizer;
  if (spec.kind !== 'discrete')
    throw new Error(`the prior models discrete tokens, but this tokenizer's are ${spec.kind}.`);
  const classes = pictures.classes.length;
  const config: ImageGPTConfig = {
    vocabulary: spec.vocabulary,
    grid: [spec.grid[0] as number, spec.grid[1] as number],
    layers: settings.layers,
    dim: settings.dim,
    heads: settings.heads,
    dropout: { token: dropout, residual: dropout },
    ...(classes > 0 && { condition: { type: 'class', classes } }),
  };
  console.log('encoding the pictures …');
  const train = await tokenize(tokenizer, pictures.train, pictures.mirror);
  const heldOut = await tokenize(tokenizer, pictures.heldOut, false);
  using key = random.key(seed);
  const model = random.withKey(key, () => new ImageGPT(config));
  try {
    console.log(`prior: ${(model.parameterCount / 1e6).toFixed(2)} M parameters`);
    const loss: Loss<{ tokens: tf.Tensor; labels: tf.Tensor }> = ({ tokens, labels }, { training }) =>
      atPrecision(precision, () => model.loss(tokens, { training, condition: classes > 0 ? labels : undefined }));
    using optimizer = new AdamW({
      learningRate: schedules.cosine({ peak: learningRate, warmup: Math.min(40, Math.ceil(steps / 10)), total: steps }),
      betas: [0.9, 0.95],
      weightDecay: 0.05,
    });
    using evaluator = new Evaluator({
      loss,
      data: loader(heldOut.dataset, { batchSize: batch, shuffle: false, epochs: 1 }),
    });
    const result = await fit({
      name: 'prior',
      model,
      loss,
      data: loader(train.dataset, { batchSize: Math.min(batch, train.dataset.length), seed }),
      optimizer,
      steps,
      seed,
      ...meshOptions(settings),
      clip: 1,
      out: run.path('prior'),
      every: { log: logEvery, checkpoint: checkpointEvery, validate: 100, sample: 200 },
      validate: () => evaluator.run(),
      onSample: () =>
        writeSamples(run.path('samples.png'), model, tokenizer, {
          count: 64,
          seed,
          topP: 0.95,
          ...(classes > 0 && { condition: Array.from({ length: 64 }, (_, i) => i % classes) }),
        }),
      resume,
      config: JSON.parse(JSON.stringify(config)) as never,
    });
    if (result.stopped === 'interrupted') {
      throw new InterruptedError(`Stopped after step ${result.steps}; the same command with --resume continues.`);
    }
    return model;
  } catch (error) {
    model.dispose();
    if (error instanceof StateMismatchError) throw foreignCheckpoint(run.path('prior', 'checkpoint'), error);
    throw error;
  }
}

/**
 * The prior of a run.
 *
 * @throws CheckpointError when there is none or it is damaged.
 */
export async function loadPrior(run: RunFolder): Promise<ImageGPT> {
  if ((await findCheckpoint(run.path('prior', 'checkpoint'))) === undefined) {
    throw new Error(
      `${run.folder} has no trained prior; run \`tesserae-images train-prior --out ${run.folder}\` first.`,
    );
  }
  const checkpoint = await loadCheckpoint(run.path('prior', 'checkpoint'));
  try {
    const { config } = checkpoint.state;
    if (config === undefined) throw new Error(`${checkpoint.folder} does not say how the prior was made.`);
    using key = random.key(0);
    const model = random.withKey(key, () => new ImageGPT(config as unknown as ImageGPTConfig));
    try {
      model.load(checkpoint.model);
    } catch (error) {
      model.dispose();
      throw error;
    }
    return model;
  } finally {
    tree.dispose({ ...checkpoint });
  }
}
