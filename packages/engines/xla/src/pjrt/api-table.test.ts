/** Struct layouts against sizes measured with a C compiler on the header of API 0.115. */
import { describe, expect, test } from 'vitest';
import { functionOffset, layoutOf } from './api-table.ts';

describe('layoutOf', () => {
  test.each([
    ['Client_Create', 88],
    ['Client_BufferFromHostBuffer', 120],
    ['Client_Compile', 56],
    ['LoadedExecutable_Execute', 80],
    ['ExecuteOptions', 112],
  ] as const)('%s takes %i bytes', (name, size) => {
    expect(layoutOf(name, 115).size).toBe(size);
  });

  test('leaves room for fields of later versions', () => {
    expect(layoutOf('Client_Compile', 116).size).toBe(56 + 64);
  });

  test('aligns pointers after an int, and begins after the two common fields', () => {
    const { offsets } = layoutOf('Client_BufferFromHostBuffer', 115);
    expect([offsets['client'], offsets['type'], offsets['dims'], offsets['semantics'], offsets['device']]).toEqual([
      16, 32, 40, 72, 80,
    ]);
    expect(layoutOf('NamedValue', 115).size).toBe(56);
    expect(layoutOf('Event_IsReady', 115)).toMatchObject({ size: 25, offsets: { event: 16, isReady: 24 } });
  });
});

test('functions follow the 40 bytes of the head', () => {
  expect(functionOffset('Error_Destroy')).toBe(40);
  expect(functionOffset('Client_Create')).toBe(40 + 8 * 10);
  expect(functionOffset('LoadedExecutable_Execute')).toBe(40 + 8 * 55);
});
