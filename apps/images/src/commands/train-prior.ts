import { defineCommand } from 'citty';
import { startEngine } from '../engine.ts';
import {
  decimal,
  intervalFlags,
  meshFlags,
  numberFlag,
  oneOf,
  precisions,
  runFlags,
  seedFlags,
  shardings,
  trainingFlags,
  whole,
} from '../flags.ts';
import { loadRunTokenizer, openRunPictures } from '../load-run.ts';
import { writeMetrics } from '../metrics-file.ts';
import { trainPrior as train } from '../prior-run.ts';
import { full } from '../recipe.ts';
import { RunFolder } from '../run-folder.ts';
import { scorePrior, scoreTokenizer } from '../score.ts';

/** Trains a prior over the tokens of a run's tokenizer. */
export const trainPrior = defineCommand({
  meta: { name: 'train-prior', description: 'Learn which tokens follow which; writes OUT/prior and samples.png' },
  args: {
    steps: numberFlag(full.prior.steps, 'Updates in all'),
    rate: numberFlag(full.prior.learningRate, 'Peak learning rate'),
    layers: numberFlag(full.prior.layers, 'Transformer blocks'),
    dim: numberFlag(full.prior.dim, 'Width'),
    heads: numberFlag(full.prior.heads, 'Attention heads'),
    dropout: numberFlag(full.prior.dropout, 'Dropout rate'),
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
      precision: oneOf('precision', args.precision, precisions),
      checkpointEvery: whole('checkpoint', args.checkpoint, 1),
      logEvery: whole('log', args.log, 1),
      devices: whole('devices', args.devices, 1),
      sharding: oneOf('sharding', args.sharding, shardings),
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
