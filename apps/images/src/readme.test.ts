/** The tokenizer file of the README trains as it stands, and the table of flags names every flag that there is. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { drawPictures } from './testing/pictures.ts';
import { silentRun } from './testing/silent-run.ts';

const home = new URL('..', import.meta.url).pathname;
const readme = readFileSync(join(home, 'README.md'), 'utf8');
// Inside the package, so that its imports are found from there.
const folder = mkdtempSync(join(home, 'src', '.readme-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('every snippet is a tokenizer file that trains', async () => {
  const snippets = [...readme.matchAll(/^```ts\n(.*?)^```/gms)].map((match) => match[1] as string);
  expect(snippets).toHaveLength(1);
  drawPictures(join(folder, 'pictures'), 8);
  for (const [i, snippet] of snippets.entries()) {
    const file = join(folder, `tokenizer-${i}.ts`);
    writeFileSync(file, snippet);
    const data = ['--images', join(folder, 'pictures'), '--size', '16', '--batch', '4', '--steps', '2'];
    const run = ['--tokenizer', file, '--engine', 'wasm', '--out', join(folder, 'run')];
    const { code, err } = await silentRun('train-tokenizer', ...data, ...run);
    expect(err).toBe('');
    expect(code).toBe(0);
  }
});

test('the table of flags is complete', async () => {
  for (const command of ['demo', 'train-tokenizer', 'train-prior', 'sample', 'reconstruct', 'evaluate', 'pack']) {
    const { out } = await silentRun(command, '--help');
    expect(readme).toContain(`\`${command}\``);
    for (const [flag] of out.matchAll(/--[a-z-]+/g)) {
      if (!flag.startsWith('--no-')) expect(readme, `${command} ${flag}`).toContain(`\`${flag}`);
    }
  }
});
