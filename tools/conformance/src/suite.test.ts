/**
 * TensorFlow.js's own suite in every test run: all of it on XLA, with TensorFlow.js's gradient rules; what concerns our
 * own rules; and a part of it on the engines without a compiler.
 */
import { fileURLToPath } from 'node:url';
import { spawn } from 'node:child_process';
import { xla } from '@tesserae/xla';
import { expect, test } from 'vitest';

const bin = fileURLToPath(new URL('bin.ts', import.meta.url));

/** Runs the command to its end. */
function conformance(...words: string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['-C', '@tesserae/source', bin, ...words]);
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}

/** The counts of the last line. */
function counts(output: string): { passed: number; failed: number } {
  const [, passed, failed] = /: (\d+) passed, (\d+) failed/.exec(output) ?? [];
  return { passed: Number(passed), failed: Number(failed) };
}

const seconds = 1000;

test.for([
  { words: ['--engine', 'cpu'], passed: 4227 },
  { words: ['--engine', 'cpu', '--gradients', 'tesserae', '--filter', 'grad'], passed: 300 },
  { words: ['--engine', 'wasm', '--shard', '1/4'], passed: 900 },
])('$words', { timeout: 300 * seconds }, async ({ words, passed }) => {
  const { code, output } = await conformance(...words);
  expect(code, output).toBe(0);
  expect(counts(output).passed).toBeGreaterThanOrEqual(passed);
});

const probe = await xla.probe('xla:cpu');
if (!probe.available) process.stderr.write(`skipped: xla:cpu is not available, ${probe.reason} ${probe.remedy}\n`);

test.skipIf(!probe.available)('all of it on xla:cpu', { tags: ['slow'], timeout: 1800 * seconds }, async () => {
  const { code, output } = await conformance('--engine', 'xla:cpu');
  expect(code, output).toBe(0);
  expect(counts(output)).toEqual({ passed: 4225, failed: 0 });
});

test.skipIf(!probe.available)(
  'computing after every op, and our own gradient rules, on xla:cpu',
  { timeout: 600 * seconds },
  async () => {
    const { code, output } = await conformance(
      ...['--engine', 'xla:cpu', '--flush', 'each', '--gradients', 'tesserae', '--filter', 'ool {}'],
    );
    expect(code, output).toBe(0);
    expect(counts(output).passed).toBeGreaterThan(75);
    expect(output).toContain('failed as listed: avgPool');
  },
);

test(
  'a failure that is not listed, and a filter that fits nothing, end with 1',
  { timeout: 60 * seconds },
  async () => {
    const nothing = await conformance('--engine', 'cpu', '--filter', 'no such spec');
    expect([nothing.code, counts(nothing.output).passed]).toEqual([1, 0]);
    const unknown = await conformance('--engine', 'abacus');
    expect(unknown.code).toBe(2);
    expect(unknown.output).toMatch(/--engine: expected one of xla:cpu.*received 'abacus'/);
  },
);
