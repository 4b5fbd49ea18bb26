import { defineCommand } from 'citty';
import { startEngine } from '../engine.ts';
import {
  oneOf,
  pictureFlags,
  precisions,
  runFlags,
  seedFlags,
  tokenizerFlags,
  trainingFlags,
  whole,
} from '../flags.ts';
import { writeMetrics } from '../metrics-file.ts';
import { openPictures } from '../pictures.ts';
import { writeReconstructions } from '../picture-grids.ts';
import { trainPrior } from '../prior-run.ts';
import { full, quick } from '../recipe.ts';
import { findTokenizer } from '../tokenizers.ts';
import { RunFolder } from '../run-folder.ts';
import { writeSamples } from '../samples.ts';
import { scorePrior, scoreTokenizer } from '../score.ts';
import { trainTokenizer } from '../tokenizer-run.ts';

/** Everything in one command. */
export const demo = defineCommand({
  meta: { name: 'demo', description: 'Train a tokenizer and a prior, and write picture grids and figures' },
  args: {
    ...pictureFlags,
    ...tokenizerFlags,
    quick: { type: 'boolean', default: false, description: 'Few steps, to see that everything runs' },
    ...trainingFlags,
    ...seedFlags,
    ...runFlags,
    out: { ...runFlags.out, default: 'runs/demo' },
  },
  async run({ args }) {
    const began = performance.now();
    const seed = whole('seed', args.seed, 0);
    const description = {
      pictures: { images: args.images, size: whole('size', args.size, 4), classes: args.classes, seed },
      tokenizer: args.tokenizer,
    };
    const common = {
      batch: whole('batch', args.batch, 1),
      seed,
      resume: args.resume,
      precision: oneOf('precision', args.precision, precisions),
      checkpointEvery: args.quick ? 10 : 100,
      logEvery: args.quick ? 10 : 50,
    };
    const recipe = args.quick ? quick : full;
    const run = new RunFolder(args.out);
    if (args.resume) await run.checkSame(description);
    await findTokenizer(args.tokenizer); // A wrong name is known before thousands of pictures are read.
    await startEngine(args.engine);
    using pictures = await openPictures(description.pictures);
    await run.describe(description, pictures.skipped);

    const seconds: Record<string, number> = { start: (performance.now() - began) / 1000 };
    const timed = async <R>(phase: string, work: () => Promise<R>): Promise<R> => {
      const start = performance.now();
      const result = await work();
      seconds[phase] = (performance.now() - start) / 1000;
      return result;
    };
    using tokenizer = await timed('tokenizer', () =>
      trainTokenizer(run, pictures, { ...common, ...recipe.tokenizer, tokenizer: args.tokenizer }),
    );
    using model = await timed('prior', () => trainPrior(run, pictures, tokenizer, { ...common, ...recipe.prior }));
    const scores = await timed('scores', async () => ({
      tokenizer: await scoreTokenizer(tokenizer, pictures.heldOut),
      prior: await scorePrior(model, tokenizer, pictures),
    }));
    await timed('pictures', async () => {
      await writeReconstructions(run.path('reconstructions.png'), tokenizer, pictures.heldOut);
      const classes = pictures.classes.length;
      const labels = classes > 0 ? { condition: Array.from({ length: 64 }, (_, i) => i % classes) } : {};
      await writeSamples(run.path('samples.png'), model, tokenizer, { count: 64, seed, topP: 0.95, ...labels });
    });
    seconds['all'] = (performance.now() - began) / 1000;
    const { peakMemory } = await writeMetrics(run, { ...scores, seconds });
    console.log(
      `done in ${seconds['all'].toFixed(0)} s, peak memory ${(peakMemory / 2 ** 30).toFixed(2)} GiB; look at`,
    );
    for (const file of ['reconstructions.png', 'samples.png', 'metrics.json']) console.log(`  ${run.path(file)}`);
  },
});
