import { describe, expect, test } from 'vitest';
import { parseOptions } from './options.ts';
import type { Options } from './options.ts';
import { report } from './report.ts';

const engine = { detail: 'a test', hostKernels: () => ({ Unique: 2, Where: 1 }), compiled: () => undefined };
const result = { passed: ['a {} b'], failed: [], pending: 0, late: 0, seconds: 1 };
const options = (...words: string[]): Options => parseOptions(['--engine', 'cpu', ...words]) as Options;
const listed = 'mirrorPad {} grad';

describe('a run', () => {
  test('passes without failures, and says what the host computed', () => {
    const { exitCode, lines } = report(options(), engine, result);
    expect(exitCode).toBe(0);
    expect(lines).toContain('computed on the host: 3 kernel calls (Unique 2, Where 1)');
    expect(lines.at(-1)).toBe('cpu: 1 passed, 0 failed (0 as listed) in 1 s');
  });

  test('fails on a failure that is not listed', () => {
    const failed = [{ spec: 'a {} c', messages: ['wrong'] }];
    const { exitCode, lines } = report(options(), engine, { ...result, failed });
    expect(exitCode).toBe(1);
    expect(lines).toContain('FAILED a {} c');
  });

  test('passes on one that is listed, only where it is', () => {
    const failed = [{ spec: listed, messages: ['wrong'] }];
    expect(report(options('--gradients', 'tesserae'), engine, { ...result, failed }).exitCode).toBe(0);
    expect(report(options(), engine, { ...result, failed }).exitCode).toBe(1);
  });

  test('fails on one that is listed and passes', () => {
    const passed = [listed];
    const { exitCode, lines } = report(options('--gradients', 'tesserae'), engine, { ...result, passed });
    expect(exitCode).toBe(1);
    expect(lines.join()).toContain('PASSED but listed');
  });
});

test('words that are wrong are named', () => {
  expect(() => options('--shard', '3/2')).toThrow(/--shard: expected I\/N.*received '3\/2'/);
  expect(() => options('--flush', 'never')).toThrow(/--flush: expected one of reads, each, received 'never'/);
  expect(() => options('--limit', 'soon')).toThrow(/--limit: expected a number of seconds, received 'soon'/);
  expect(() => parseOptions([])).toThrow(/--engine: expected one of .* received nothing/);
});
