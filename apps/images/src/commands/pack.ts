import { defineCommand } from 'citty';
import { pictureFlags, whole } from '../flags.ts';
import { writePacked } from '../packed-pictures.ts';
import { openFiles } from '../pictures.ts';
import { UsageError } from '../usage-error.ts';

/** Decodes pictures once. */
export const pack = defineCommand({
  meta: { name: 'pack', description: 'Decode pictures once into one file, for --images FILE' },
  args: {
    ...pictureFlags,
    file: { type: 'string', default: 'pictures.safetensors', valueHint: 'FILE', description: 'What to write' },
  },
  async run({ args }) {
    if (!args.file.endsWith('.safetensors'))
      throw new UsageError(`--file must end in .safetensors, got '${args.file}'.`);
    const config = { images: args.images, size: whole('size', args.size, 4), classes: args.classes, seed: 0 };
    const { dataset, groups } = await openFiles(config);
    using open = dataset;
    await writePacked(args.file, { pictures: open, shape: open.shape, groups, classes: open.classes });
    console.log(`${args.file}: ${open.length} pictures of ${open.shape.join('×')}`);
  },
});
