import { defineCommand } from 'citty';
import { startEngine } from '../engine.ts';
import { runFlags } from '../flags.ts';
import { loadRunTokenizer, openRunPictures } from '../load-run.ts';
import { writeReconstructions } from '../picture-grids.ts';
import { RunFolder } from '../run-folder.ts';

/** Shows what a tokenizer keeps. */
export const reconstruct = defineCommand({
  meta: { name: 'reconstruct', description: 'Show pictures beside what the tokenizer keeps of them' },
  args: {
    images: { type: 'string', valueHint: 'emoji|fashion-mnist|FOLDER', description: 'Other pictures than the run’s' },
    file: { type: 'string', default: 'reconstructions.png', valueHint: 'NAME', description: 'File in OUT' },
    ...runFlags,
  },
  async run({ args }) {
    const run = new RunFolder(args.out);
    await run.description();
    await startEngine(args.engine);
    using tokenizer = await loadRunTokenizer(run);
    using pictures = await openRunPictures(run, args.images);
    await writeReconstructions(run.path(args.file), tokenizer, pictures.heldOut);
    console.log(`${run.path(args.file)}: pairs of original and reconstruction`);
  },
});
