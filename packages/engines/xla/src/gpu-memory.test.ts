import { expect, test } from 'vitest';
import { gpuMemoryOptions } from './gpu-memory.ts';

test('the setting goes before the variable, and neither leaves it to the plugin', () => {
  expect(gpuMemoryOptions(undefined, {})).toEqual({});
  expect(gpuMemoryOptions('grow', {})).toEqual({ preallocate: false });
  expect(gpuMemoryOptions(undefined, { TESSERAE_GPU_MEMORY: 'grow' })).toEqual({ preallocate: false });
  expect(gpuMemoryOptions(undefined, { TESSERAE_GPU_MEMORY: '0.3' })).toEqual({
    preallocate: true,
    memory_fraction: 0.3,
  });
  expect(gpuMemoryOptions(1, { TESSERAE_GPU_MEMORY: '0.3' })).toEqual({ preallocate: true, memory_fraction: 1 });
});

test.each([0, -1, 1.5, NaN])('a share of %s is refused', (share) => {
  expect(() => gpuMemoryOptions(share, {})).toThrow(`at most 1, but got '${share}'`);
});

test.each(['', 'all', '75%'])("a variable of '%s' is refused by name", (value) => {
  expect(() => gpuMemoryOptions(undefined, { TESSERAE_GPU_MEMORY: value })).toThrow(
    `TESSERAE_GPU_MEMORY must be 'grow' or a share of the card's memory above 0 and at most 1, but got '${value}'.`,
  );
});
