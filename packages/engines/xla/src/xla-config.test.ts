import { expect, test } from 'vitest';
import { xlaProvider } from './provider.ts';
import { storeOf } from './xla-config.ts';
import type { XlaConfig } from './xla-config.ts';

test.each([
  [null, 'the settings must be an object, but got null'],
  [{ flush: 'never' }, `'flush' must be 'reads' or 'each', but got "never"`],
  [{ asynchronous: 'x' }, `'asynchronous' must be true or false, but got "x"`],
  [{ programCache: 'off' }, `'programCache' must be true, false or { folder, maxBytes }, but got "off"`],
  [{ gpuMemory: 7 }, "at most 1, but got '7'"],
  [{ gpuMemory: '0.5' }, `'gpuMemory' must be 'grow' or a number, but got "0.5"`],
  [{ cache: true }, "unknown setting 'cache'; known are programCache, asynchronous, flush, gpuMemory"],
])('%j is refused', (config, message) => {
  expect(() => xlaProvider(config as unknown as XlaConfig)).toThrow(message);
});

test('settings that are left out or undefined are the defaults', () => {
  expect(xlaProvider({ flush: undefined } as unknown as XlaConfig).names).toEqual(['xla:cuda', 'xla:cpu']);
});

test('the variable switches the cache off, and refuses what it does not know', () => {
  expect(storeOf({}, {})).toBeDefined();
  expect(storeOf({}, { TESSERAE_PROGRAM_CACHE: 'on' })).toBeDefined();
  expect(storeOf({}, { TESSERAE_PROGRAM_CACHE: 'off' })).toBeUndefined();
  expect(storeOf({ programCache: false }, { TESSERAE_PROGRAM_CACHE: 'on' })).toBeUndefined();
  expect(() => storeOf({}, { TESSERAE_PROGRAM_CACHE: '0' })).toThrow(
    "TESSERAE_PROGRAM_CACHE must be 'on' or 'off', but got '0'",
  );
});
