/** Launching: what the processes are told, and that none is left behind. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { run } from './command-line.ts';
import { launch } from './launch.ts';

let out: string[];
let err: string[];
const terminal = { out: (line: string) => void out.push(line), err: (line: string) => void err.push(line) };
beforeEach(() => {
  out = [];
  err = [];
});

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tesserae-launch-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const node = (source: string): string[] => [process.execPath, '-e', source];
const alive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

test('each process knows which it is, and its lines say so', async () => {
  const source = `const e = process.env;
    console.log(e.TESSERAE_NODE, e.TESSERAE_NODES, e.CUDA_VISIBLE_DEVICES, /^[0-9a-f]{32}$/.test(e.TESSERAE_TOKEN));
    console.error(/^127\\.0\\.0\\.1:\\d+$/.test(e.TESSERAE_COORDINATOR));`;
  const code = await launch({ nodes: 2, command: node(source), env: { CUDA_VISIBLE_DEVICES: '3,5' } }, terminal);
  expect(code).toBe(0);
  expect(out.sort()).toEqual(['[0] 0 2 3 true', '[1] 1 2 5 true']);
  expect(err.sort()).toEqual(['[0] true', '[1] true']);
});

test('when one fails, the others are ended and its code is the result', async () => {
  const source = `if (process.env.TESSERAE_NODE === '1') process.exit(7);
    console.log(process.pid); setInterval(() => {}, 1000);`;
  expect(await launch({ nodes: 3, command: node(source) }, terminal)).toBe(7);
  expect(err).toContain('[1] ended with 7; ending the other processes.');
  for (const line of out) expect(alive(Number(line.slice(4)))).toBe(false);
});

test('one that does not end when it is asked is made to', async () => {
  const source = `process.on('SIGTERM', () => {}); setInterval(() => {}, 1000);
    if (process.env.TESSERAE_NODE === '1') setTimeout(() => process.exit(3), 300); console.log(process.pid);`;
  expect(await launch({ nodes: 2, command: node(source), patience: 300 }, terminal)).toBe(3);
  for (const line of out) expect(alive(Number(line.slice(4)))).toBe(false);
});

test('Ctrl-C ends all of them', async () => {
  const source = `require('fs').writeFileSync(process.argv[1] + '/' + process.pid, ''); setInterval(() => {}, 1000);`;
  const words = ['launch', '--nodes', '2', '--', ...node(source), folder];
  const bin = new URL('bin.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, ['-C', '@tesserae/source', bin, ...words], { stdio: 'pipe' });
  let pids: string[] = [];
  while (pids.length < 2) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    pids = await readdir(folder);
  }
  child.kill('SIGINT');
  const [code] = await once(child, 'close');
  expect(code).toBe(130);
  for (const pid of pids) expect(alive(Number(pid))).toBe(false);
});

test('a command line that makes no sense is a usage error', async () => {
  expect(await run(['launch', '--nodes', '2'], terminal)).toBe(2);
  expect(err[0]).toMatch(/the command is missing/);
  expect(await run(['launch', '--nodes', 'two', '--', 'true'], terminal)).toBe(2);
  expect(err[2]).toMatch(/'--nodes' must be a whole number from 1 to 256, got 'NaN'/);
  expect(await run(['launch', '--nodes', '1', '--', 'no-such-program-here'], terminal)).toBe(127);
  expect(err[4]).toMatch(/\[0\] cannot be started/);
});

test('what a process has started ends with it, and does not hide that it failed', async () => {
  const source = `require('child_process').spawn('sleep', ['60'], { stdio: 'inherit' });
    if (process.env.TESSERAE_NODE === '1') process.exit(4); setInterval(() => {}, 1000);`;
  const start = performance.now();
  expect(await launch({ nodes: 2, command: node(source), patience: 5000 }, terminal)).toBe(4);
  expect(performance.now() - start).toBeLessThan(20_000);
});

test('when nobody reads the output any more, no process is left behind', async () => {
  const source = `require('fs').writeFileSync(process.argv[1] + '/' + process.pid, '');
    process.stdout.on('error', () => {}); setInterval(() => console.log('line'), 20);`;
  const bin = new URL('bin.ts', import.meta.url).pathname;
  const words = ['launch', '--nodes', '1', '--', ...node(source), folder];
  const child = spawn(process.execPath, ['-C', '@tesserae/source', bin, ...words], { stdio: 'pipe' });
  await once(child.stdout, 'data');
  child.stdout.destroy();
  await once(child, 'exit');
  const [pid] = await readdir(folder);
  for (let i = 0; i < 100 && alive(Number(pid)); i++) await new Promise((resolve) => setTimeout(resolve, 50));
  expect(alive(Number(pid))).toBe(false);
});

test('each process gets one of the GPUs that are visible, or none where none is', async () => {
  const command = node('console.log(`(${process.env.CUDA_VISIBLE_DEVICES})`)');
  expect(await launch({ nodes: 1, command, env: { CUDA_VISIBLE_DEVICES: '' } }, terminal)).toBe(0);
  expect(out).toEqual(['[0] ()']);
  const tooMany = launch({ nodes: 2, command, env: { CUDA_VISIBLE_DEVICES: '3' } }, terminal);
  await expect(tooMany).rejects.toThrow(/'--nodes' is 2, but CUDA_VISIBLE_DEVICES='3' lists 1, .* Pass --nodes 1/);
});

test.each([['0'], ['-1'], ['1.5'], ['257'], ['']])('--nodes=%s is refused', async (nodes) => {
  expect(await run(['launch', `--nodes=${nodes}`, '--', 'true'], terminal)).toBe(2);
  expect(await run(['launch', '--nodes=1', '--', ''], terminal)).toBe(2);
});
