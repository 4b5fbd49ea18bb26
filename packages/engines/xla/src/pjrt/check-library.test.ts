/** Files that are no plugin, or not all of one: an error that says so, and never the end of the process. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EngineUnavailableError, useEngine } from '@tesserae/tensor';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { xla } from '../provider.ts';
import { PjrtApi } from './api.ts';
import { whyUnloadable } from './check-library.ts';
import { PluginFileError } from './errors.ts';

interface Report {
  sharedObjects: string[];
}
/** A library of the system: 64-bit, of this processor, and no plugin. */
const library = (process.report.getReport() as unknown as Report).sharedObjects.find((path) => /libm[.-]/.test(path))!;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tesserae-library-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const altered = (name: string, change: (file: Buffer) => Buffer | void): string => {
  const file = readFileSync(library);
  const path = join(folder, name);
  writeFileSync(path, change(file) ?? file);
  return path;
};

const cases: [string, () => string, RegExp][] = [
  ['text', () => altered('text.so', () => Buffer.from('this is not a library\n'.repeat(100))), /is no shared library/],
  ['an empty file', () => altered('empty.so', () => Buffer.alloc(0)), /is no shared library/],
  ['a folder', () => folder, /is not a file/],
  ['nothing', () => join(folder, 'none.so'), /cannot be read: ENOENT/],
  ['half a head', () => altered('head.so', (file) => file.subarray(0, 40)), /is cut short: it has 40 bytes/],
  ['a head alone', () => altered('alone.so', (file) => file.subarray(0, 64)), /is cut short: it has 64 of \d+ bytes/],
  ['half a library', () => altered('half.so', (file) => file.subarray(0, file.length / 2)), /is cut short: .* of \d+/],
  ['a byte less', () => altered('less.so', (file) => file.subarray(0, -1)), /is cut short/],
  [
    'another processor',
    () => altered('arm.so', (file) => void file.writeUInt16LE(40, 18)),
    /another processor: 32-bit ARM/,
  ],
  ['32 bits', () => altered('bits.so', (file) => void file.writeUInt8(1, 4)), /no 64-bit/],
  ['a program', () => altered('program.so', (file) => void file.writeUInt16LE(2, 16)), /but no shared library/],
  ['another library', () => library, /is a library, but no PJRT plugin: it has no function GetPjrtApi/],
];

test.skipIf(process.platform !== 'linux').each(cases)('%s', (_name, make, reason) => {
  const path = make();
  const open = (): unknown => new PjrtApi(path);
  expect(open).toThrow(PluginFileError);
  expect(open).toThrow(reason);
});

test.skipIf(process.platform !== 'linux')('a library that is whole passes', () => {
  expect(whyUnloadable(library)).toBeUndefined();
});

test.skipIf(process.platform !== 'linux')('the engine says what to do about it', async () => {
  const path = join(folder, 'pjrt_c_api_cpu_plugin.so');
  copyFileSync(library, path);
  truncateSync(path, 5000);
  const before = process.env['TESSERAE_PJRT_PLUGIN'];
  process.env['TESSERAE_PJRT_PLUGIN'] = path;
  try {
    const error: unknown = await useEngine('xla:cpu', [xla]).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(EngineUnavailableError);
    expect(error).toMatchObject({
      reason: expect.stringMatching(/pjrt_c_api_cpu_plugin\.so is cut short: it has 5000 of \d+ bytes\.$/) as string,
      remedy: 'Correct TESSERAE_PJRT_PLUGIN, or unset it and run `npx tesserae engine install cpu`.',
    });
  } finally {
    if (before === undefined) delete process.env['TESSERAE_PJRT_PLUGIN'];
    else process.env['TESSERAE_PJRT_PLUGIN'] = before;
  }
});
