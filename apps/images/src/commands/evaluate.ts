import { defineCommand } from 'citty';
import { startEngine } from '../engine.ts';
import { runFlags } from '../flags.ts';
import { loadRunTokenizer, openRunPictures } from '../load-run.ts';
import { writeMetrics } from '../metrics-file.ts';
import { loadPrior } from '../prior-run.ts';
import { RunFolder } from '../run-folder.ts';
import { scorePrior, scoreTokenizer } from '../score.ts';

/** Measures a run. */
export const evaluate = defineCommand({
  meta: { name: 'evaluate', description: 'Measure a run on its held-out pictures; writes OUT/metrics.json' },
  args: runFlags,
  async run({ args }) {
    const run = new RunFolder(args.out);
    await run.description();
    await startEngine(args.engine);
    using tokenizer = await loadRunTokenizer(run);
    using pictures = await openRunPictures(run, undefined);
    const tokenizerScore = await scoreTokenizer(tokenizer, pictures.heldOut);
    if (!(await run.has('prior', 'checkpoint'))) {
      await writeMetrics(run, { tokenizer: tokenizerScore });
      return;
    }
    using model = await loadPrior(run);
    await writeMetrics(run, { tokenizer: tokenizerScore, prior: await scorePrior(model, tokenizer, pictures) });
  },
});
