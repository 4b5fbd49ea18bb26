import { defineCommand } from 'citty';
import { startEngine } from '../engine.ts';
import { decimal, runFlags, seedFlags, samplingFlags, whole } from '../flags.ts';
import { loadRunTokenizer, openRunPictures } from '../load-run.ts';
import { loadPrior } from '../prior-run.ts';
import { RunFolder } from '../run-folder.ts';
import { writeSamples } from '../samples.ts';
import { UsageError } from '../usage-error.ts';

/** Makes new pictures. */
export const sample = defineCommand({
  meta: { name: 'sample', description: 'Make new pictures with a trained run; writes OUT/samples.png' },
  args: {
    ...samplingFlags,
    class: { type: 'string', valueHint: 'NAME', description: 'Only pictures of this class' },
    file: { type: 'string', default: 'samples.png', valueHint: 'NAME', description: 'File in OUT' },
    ...seedFlags,
    ...runFlags,
  },
  async run({ args }) {
    const count = whole('count', args.count, 1);
    const drawing = {
      count,
      seed: whole('seed', args.seed, 0),
      temperature: decimal('temperature', args.temperature, 0),
      topK: whole('top-k', args['top-k'], 0),
      topP: decimal('top-p', args['top-p'], 0, 1),
      cfgScale: decimal('cfg', args.cfg, 0),
    };
    const run = new RunFolder(args.out);
    await run.description();
    await startEngine(args.engine);
    using tokenizer = await loadRunTokenizer(run);
    using model = await loadPrior(run);
    const { condition } = model.config;
    let labels: number[] | undefined;
    if (condition.type === 'class') {
      using pictures = await openRunPictures(run, undefined);
      labels = Array.from({ length: count }, (_, i) => i % condition.classes);
      if (args.class !== undefined) {
        const label = pictures.classes.indexOf(args.class);
        if (label < 0)
          throw new UsageError(`there is no class '${args.class}'; there are ${pictures.classes.join(', ')}.`);
        labels.fill(label);
      }
    } else if (args.class !== undefined) {
      throw new UsageError('this prior has no classes; train with --classes.');
    }
    const started = performance.now();
    await writeSamples(run.path(args.file), model, tokenizer, {
      ...drawing,
      ...(labels !== undefined && { condition: labels }),
    });
    console.log(`${run.path(args.file)}: ${count} pictures in ${((performance.now() - started) / 1000).toFixed(1)} s`);
  },
});
