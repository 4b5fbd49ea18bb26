/** The part of `npm run demo` and `npm test` that runs before anything is installed. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { runProgram } from './run-program.ts';
import { root } from './workspace-root.ts';

const folder = join(root, 'tools', 'bootstrap');
const script = join(folder, 'run.mjs');
const run = (...words: string[]) => runProgram([process.execPath, script, ...words], { cwd: root, seconds: 30 });

const { closingLine } = (await import(pathToFileURL(join(folder, 'closing-line.mjs')).href)) as {
  closingLine: (report: string | undefined, code: number) => string;
};

function report(files: Record<string, string[]>): string {
  const testResults = Object.values(files).map((statuses) => ({
    status: statuses.includes('failed') || statuses.length === 0 ? 'failed' : 'passed',
    assertionResults: statuses.map((status) => ({ status })),
  }));
  return JSON.stringify({ testResults });
}

test('the closing line counts tests, and files that could not be loaded', () => {
  expect(closingLine(report({ a: ['passed', 'passed'], b: ['passed'] }), 0)).toBe('3 passed, 0 failed');
  expect(closingLine(report({ a: ['passed', 'skipped'], b: ['failed', 'passed'] }), 1)).toBe(
    '2 passed, 1 failed, 1 skipped',
  );
  expect(closingLine(report({ a: ['passed'], b: [] }), 1)).toBe('1 passed, 1 failed');
});

test('a run that failed never says that nothing failed', () => {
  expect(closingLine(report({ a: ['passed'] }), 1)).toBe('1 passed, 1 failed');
  expect(closingLine(undefined, 1)).toBe('0 passed, 1 failed');
  expect(closingLine('{"testResu', 1)).toBe('0 passed, 1 failed');
});

test('--help needs nothing installed', async () => {
  for (const words of [['--help'], ['test', '--help']]) {
    const { code, output } = await run(...words);
    expect(code).toBe(0);
    expect(output).toContain('npm run demo');
  }
});

test('an unknown task is an error that lists the known ones', async () => {
  expect(await run('dmeo')).toEqual({
    code: 2,
    output: "Unknown task 'dmeo'. Known: demo, test, peers, conformance, install.\n",
  });
  expect((await run()).code).toBe(2);
});
