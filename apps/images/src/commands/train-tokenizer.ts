import { defineCommand } from 'citty';
import { startEngine } from '../engine.ts';
import {
  decimal,
  intervalFlags,
  meshFlags,
  numberFlag,
  oneOf,
  pictureFlags,
  precisions,
  runFlags,
  seedFlags,
  shardings,
  tokenizerFlags,
  trainingFlags,
  whole,
} from '../flags.ts';
import { writeMetrics } from '../metrics-file.ts';
import { openPictures } from '../pictures.ts';
import { full } from '../recipe.ts';
import { findTokenizer } from '../tokenizers.ts';
import { RunFolder } from '../run-folder.ts';
import { scoreTokenizer } from '../score.ts';
import { trainTokenizer as train } from '../tokenizer-run.ts';

/** Trains a tokenizer. */
export const trainTokenizer = defineCommand({
  meta: {
    name: 'train-tokenizer',
    description: 'Learn tokens from pictures; writes OUT/tokenizer and reconstructions.png',
  },
  args: {
    ...pictureFlags,
    ...tokenizerFlags,
    steps: numberFlag(full.tokenizer.steps, 'Updates in all'),
    rate: numberFlag(full.tokenizer.learningRate, 'Peak learning rate'),
    ...intervalFlags,
    ...trainingFlags,
    ...meshFlags,
    ...seedFlags,
    ...runFlags,
  },
  async run({ args }) {
    const seed = whole('seed', args.seed, 0);
    const description = {
      pictures: { images: args.images, size: whole('size', args.size, 4), classes: args.classes, seed },
      tokenizer: args.tokenizer,
    };
    const settings = {
      tokenizer: args.tokenizer,
      steps: whole('steps', args.steps, 1),
      batch: whole('batch', args.batch, 1),
      learningRate: decimal('rate', args.rate, 0),
      seed,
      resume: args.resume,
      precision: oneOf('precision', args.precision, precisions),
      checkpointEvery: whole('checkpoint', args.checkpoint, 1),
      logEvery: whole('log', args.log, 1),
      devices: whole('devices', args.devices, 1),
      sharding: oneOf('sharding', args.sharding, shardings),
    };
    const run = new RunFolder(args.out);
    if (settings.resume) await run.checkSame(description);
    await findTokenizer(args.tokenizer); // A wrong name is known before thousands of pictures are read.
    await startEngine(args.engine);
    using pictures = await openPictures(description.pictures);
    await run.describe(description, pictures.skipped);
    using tokenizer = await train(run, pictures, settings);
    await writeMetrics(run, { tokenizer: await scoreTokenizer(tokenizer, pictures.heldOut) });
  },
});
