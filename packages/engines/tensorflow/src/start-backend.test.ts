import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startBackend } from './start-backend.ts';

test('an addon that does not load is an error with what the loader said and one line that mends it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tesserae-start-'));
  try {
    const addon = join(folder, 'tfjs_binding.node');
    await writeFile(addon, 'no library');
    const start = (device: 'cpu' | 'gpu') => () => startBackend({ device, package: folder, addon });
    expect(start('cpu')).toThrow(`tensorflow: ${addon} does not load: `);
    expect(start('cpu')).toThrow('Run `npx tesserae engine install tensorflow` after removing its folder.');
    expect(start('gpu')).toThrow('Run `npx tesserae engine install tensorflow --gpu` after removing its folder.');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
