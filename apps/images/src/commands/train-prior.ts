import { defineCommand } from 'citty';
import { startEngine } from '../engine.ts';
import { decimal, intervalFlags, meshFlags, oneOf, runFlags, seedFlags, trainingFlags, whole } from '../flags.ts';
import { loadRunTokenizer, openRunPictures } from '../load-run.ts';
import { writeMetrics } from '../metrics-file.ts';
import { trainPrior as train } from '../prior-run.ts';
import { full } from '../recipe.ts';
import { RunFolder } from '../run-folder.ts';
import { scorePrior, scoreTokenizer } from '../score.ts';

const number = (value: number, description: string) =>
  ({ type: 'string', default: String(value), valueHint: 'NUMBER', description }) as const;

/** Trains a prior over the tokens of a run's tokenizer. */
export const trainPrior = defineCommand({
  meta: { name: 'train-prior', description: 'Learn which tokens follow which; writes OUT/prior and samples.png' },
  args: {
    steps: number(full.prior.steps, 'Updates in all'),
    rate: number(full.prior.learningRate, 'Peak learning rate'),
    layers: number(full.prior.layers, 'Transformer blocks'),
    dim: number(full.prior.dim, 'Width'),
    heads: number(full.prior.heads, 'Attention heads'),
    dropout: number(full.prior.dropout, 'Dropout rate'),
    ...intervalFlags,
    ...trainingFlags,
    ...meshFlags,
    ...seedFlags,
    ...runFlags,
  },
  async run({ args }) {
    const settings = {
      steps: whole('steps', args.steps, 1),
      learningRate: decimal('rate', args.rate, 0),
      layers: whole('layers', args.layers, 1),
      dim: whole('dim', args.dim, 4),
      heads: whole('heads', args.heads, 1),
      dropout: decimal('dropout', args.dropout, 0, 0.99),
      batch: whole('batch', args.batch, 1),
      seed: whole('seed', args.seed, 0),
      resume: args.resume,
      precision: oneOf('precision', args.precision, ['auto', 'float32', 'tf32', 'bfloat16']),
      checkpointEvery: whole('checkpoint', args.checkpoint, 1),
      logEvery: whole('log', args.log, 1),
      devices: whole('devices', args.devices, 1),
      sharding: oneOf('sharding', args.sharding, ['replicated', 'sharded']),
    };
    const run = new RunFolder(args.out);
    await run.description();
    await startEngine(args.engine);
    using tokenizer = await loadRunTokenizer(run);
    using pictures = await openRunPictures(run, undefined);
    using model = await train(run, pictures, tokenizer, settings);
    await writeMetrics(run, {
      tokenizer: await scoreTokenizer(tokenizer, pictures.heldOut),
      prior: await scorePrior(model, tokenizer, pictures),
    });
  },
});
