import { describe, expect, test } from 'vitest';
import { formatBytes, formatDuration, formatNumber, formatProgress, formatRate, progressTarget } from './index.ts';

describe('formats', () => {
  test('numbers, durations, rates, bytes', () => {
    expect([0, 1.23456, 123456, 0.00001234, -0.5, NaN].map(formatNumber)).toEqual([
      '0',
      '1.235',
      '1.23e+5',
      '1.23e-5',
      '-0.5',
      'NaN',
    ]);
    expect([0, 59.4, 60, 125, 3600 * 3 + 420, 86400 * 2 + 3600 * 4, Infinity].map(formatDuration)).toEqual([
      '0s',
      '59s',
      '1m00s',
      '2m05s',
      '3h07m',
      '2d04h',
      '?',
    ]);
    expect([3.414, 0.4, 0, 123.4, 1803.6].map(formatRate)).toEqual([
      '3.41 steps/s',
      '2.50 s/step',
      '– steps/s',
      '123 steps/s',
      '1804 steps/s',
    ]);
    expect([5 * 2 ** 20, 3.25 * 2 ** 30].map(formatBytes)).toEqual(['5 MB', '3.3 GB']);
  });

  test('the line', () => {
    const line = formatProgress({
      name: 'prior',
      step: 75,
      steps: 600,
      loss: 0.1234,
      terms: { commitment: 0.03 },
      rate: 3.41,
      secondsLeft: 154,
      memory: 512 * 2 ** 20,
    });
    expect(line).toBe('prior  75/600 (12 %)  loss 0.1234  commitment 0.03  3.41 steps/s  2m34s left  512 MB');
  });
});

describe('progressTarget', () => {
  const record = (isTTY: boolean, columns = 30) => {
    const written: string[] = [];
    return { written, stream: { isTTY, columns, write: (text: string) => written.push(text) } };
  };

  test('plain lines where there is no terminal: only those that stay', () => {
    const { written, stream } = record(false);
    const target = progressTarget(undefined, stream);
    target.progress('1/3', false);
    target.progress('2/3', true);
    target.message('hello');
    expect(written).toEqual(['2/3\n', 'hello\n']);
  });

  test('one line that changes on a terminal, cut to its width', () => {
    const { written, stream } = record(true);
    const target = progressTarget(undefined, stream);
    target.progress('x'.repeat(50), false);
    expect(written[0]).toContain('x'.repeat(29));
    expect(written[0]).not.toContain('x'.repeat(30));
    expect(written[0]!.startsWith('\r')).toBe(true);
    target.message('hello');
    expect(written[1]).toContain('hello\n');
    target.progress('done', true);
    expect(written.at(-1)).toContain('done\n');
  });

  test('a log function gets everything instead', () => {
    const lines: string[] = [];
    const { written, stream } = record(true);
    const target = progressTarget((line) => lines.push(line), stream);
    target.progress('1/3', false);
    target.progress('2/3', true);
    target.message('hello');
    expect(lines).toEqual(['2/3', 'hello']);
    expect(written).toEqual([]);
  });
});
