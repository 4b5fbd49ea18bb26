import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EngineProvider } from '@tesserae/tensor';
import { ExecutableStore } from '@tesserae/xla/plugins';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { run } from './command-line.ts';
import { doctor } from './doctor.ts';
import type { Terminal } from './terminal.ts';

let home: string;
let out: string[];
let err: string[];
let terminal: Terminal;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'tesserae-cli-'));
  process.env['TESSERAE_HOME'] = home;
  out = [];
  err = [];
  terminal = { out: (line) => out.push(line), err: (line) => err.push(line) };
});
afterEach(async () => {
  delete process.env['TESSERAE_HOME'];
  await rm(home, { recursive: true, force: true });
});

test.each([
  [['--help'], 'engine'],
  [['engine', '--help'], 'install'],
  [['engine', 'install', '--help'], 'cuda13'],
  [['engine', 'list', '-h'], 'List the engines'],
  [['doctor', '--help'], 'devices'],
])('%j prints help to standard output and succeeds', async (words, text) => {
  expect(await run(words, terminal)).toBe(0);
  expect(out.join('\n')).toContain(text);
  expect(err).toEqual([]);
});

test('no command prints help and is a usage error', async () => {
  expect(await run([], terminal)).toBe(2);
  expect(out.join('\n')).toContain('doctor');
});

test.each([
  [['enjine'], "Unknown command 'enjine' for `tesserae`. Known: engine, doctor, launch."],
  [['engine', 'instal'], "Unknown command 'instal' for `tesserae engine`. Known: install, list, cache."],
  [['engine', 'install', 'tpu'], "Unknown engine plugin 'tpu'. Known: cpu, cuda13, cuda12, tensorflow."],
  [['engine', 'install', 'toString'], "Unknown engine plugin 'toString'."],
  [['engine', 'install', 'cpu', 'now'], "takes no 'now'"],
  [['engine', 'cache', 'clear'], "`tesserae engine cache` takes no 'clear'."],
  [['engine', 'cache', '--clean'], "Unknown option '--clean' for `tesserae engine cache`."],
  [['engine', 'install', 'cpu', '--gpu'], '--gpu goes with tensorflow'],
  [
    ['engine', 'cache', '--clear=no'],
    "'--clear' is a switch and takes no value, got 'no'. Write it alone, or leave it out.",
  ],
  [['engine', 'install', 'cpu', '--gpu=maybe'], "'--gpu' is a switch and takes no value, got 'maybe'."],
  [['engine', 'list', '--al'], "Unknown option '--al' for `tesserae engine list`."],
])('%j is a usage error that says what is known', async (words, text) => {
  expect(await run(words, terminal)).toBe(2);
  expect(err[0]).toContain(text);
  expect(err[1]).toContain('--help');
  expect(out).toEqual([]);
});

test('--version prints the version', async () => {
  expect(await run(['--version'], terminal)).toBe(0);
  expect(out).toEqual([expect.stringMatching(/^\d+\.\d+\.\d+/)]);
});

test('engine list names every plugin and how to get it', async () => {
  expect(await run(['engine', 'list'], terminal)).toBe(0);
  expect(out).toHaveLength(5);
  expect(out[0]).toMatch(/^cpu +not installed \(\d+ MB\): tesserae engine install cpu$/);
  expect(out[4]).toMatch(/^tensorflow --gpu +not installed \(\d+ MB\): tesserae engine install tensorflow --gpu$/);
});

test('engine cache counts the compiled programs and clears them', async () => {
  const store = new ExecutableStore();
  store.write('0'.repeat(64), { kind: 'program', bytes: new Uint8Array(3_000_000) });
  store.write('1'.repeat(64), { kind: 'refusal', reason: 'no' });
  for (const words of [[], ['--clear'], []]) expect(await run(['engine', 'cache', ...words], terminal)).toBe(0);
  const folder = join(home, 'programs');
  const today = new Date().toISOString().slice(0, 10);
  expect(out).toEqual([
    `${folder}: 2 compiled programs, 3.0 of at most 2147 MB, the oldest last used on ${today}`,
    'To delete them: tesserae engine cache --clear',
    `Deleted 2 compiled programs, 3.0 MB, from ${folder}.`,
    `${folder}: 0 compiled programs, 0.0 of at most 2147 MB`,
  ]);
});

test('an installation that cannot reach an index fails with the remedy', async () => {
  const before = { ...process.env };
  Object.assign(process.env, { PIP_INDEX_URL: 'http://127.0.0.1:9/simple', PIP_CONFIG_FILE: '/dev/null' });
  delete process.env['PIP_FIND_LINKS'];
  try {
    expect(await run(['engine', 'install', 'cpu'], terminal)).toBe(1);
  } finally {
    process.env = before;
  }
  expect(err.at(-1)).toContain('127.0.0.1:9 cannot be reached');
  expect(err.at(-1)).toContain('run the command again');
});

test('the TensorFlow engine without a compiler ends with the line that installs one', async () => {
  const before = process.env['CXX'];
  process.env['CXX'] = '/nowhere/g++';
  try {
    expect(await run(['engine', 'install', 'tensorflow', '--gpu'], terminal)).toBe(1);
  } finally {
    if (before === undefined) delete process.env['CXX'];
    else process.env['CXX'] = before;
  }
  expect(err).toEqual([expect.stringContaining('CXX names, /nowhere/g++, does not run')]);
});

const tensorflow = (available: boolean): EngineProvider => ({
  family: 'tensorflow',
  names: ['tensorflow'],
  probe: () =>
    Promise.resolve(
      available
        ? { available: true, detail: 'TensorFlow 2.21.0 on the CPU' }
        : { available: false, reason: 'no TensorFlow', remedy: 'compile it' },
    ),
  start: () => Promise.reject(new Error('not started by doctor')),
});

test('the TensorFlow engine is a choice: doctor shows it, misses nothing without it, and it is no XLA', async () => {
  expect(await doctor([provider(true), tensorflow(false)], terminal, describe)).toBe(0);
  expect(out.join('\n')).toContain('tensorflow   not available: no TensorFlow');
  expect(out.at(-1)).toBe('Nothing is missing.');
  expect(await doctor([provider(false), tensorflow(true)], terminal, describe)).toBe(1);
});

function provider(available: boolean): EngineProvider {
  return {
    family: 'xla',
    names: ['xla:cuda', 'xla:cpu'],
    probe: (name) =>
      Promise.resolve(
        available && name === 'xla:cpu'
          ? { available: true, detail: 'PJRT 0.106, 1 device' }
          : { available: false, reason: `no ${name}`, remedy: `get ${name}` },
      ),
    start: () => Promise.reject(new Error('not started by doctor')),
  };
}

const describe = (): Promise<string> => Promise.resolve('PJRT API 0.106, 1 device: cpu');

test('doctor is content with a CPU engine and shows the plugins and devices', async () => {
  expect(await doctor([provider(true)], terminal, describe)).toBe(0);
  const text = out.join('\n');
  expect(text).toContain(`node         ${process.versions.node}`);
  expect(text).toContain(home);
  expect(text).toContain('xla:cpu      PJRT API 0.106, 1 device: cpu');
  expect(text).toContain('xla:cuda     not available: no xla:cuda');
  expect(out.at(-1)).toBe('Nothing is missing.');
});

test('doctor without XLA fails and ends with the line that fixes it', async () => {
  expect(await doctor([provider(false)], terminal, describe)).toBe(1);
  expect(out.at(-1)).toBe('To fix: get xla:cpu');
});

test('a plugin that is damaged is said to be so, with the line that fixes it', async () => {
  const plugin = join(home, 'plugin.so');
  await writeFile(plugin, 'half of a download');
  process.env['TESSERAE_PJRT_PLUGIN'] = plugin;
  try {
    expect(await run(['doctor'], terminal)).toBe(1);
  } finally {
    delete process.env['TESSERAE_PJRT_PLUGIN'];
  }
  expect(out.join('\n')).toContain(`xla:cpu      found, but does not start: ${plugin} is no shared library`);
  expect(out.at(-1)).toBe(
    'To fix: Correct TESSERAE_PJRT_PLUGIN, or unset it and run `npx tesserae engine install cpu`.',
  );
});

test('a plugin that is there but does not start is said to be so', async () => {
  const fail = (): Promise<string> => Promise.reject(new Error('wrong ELF class'));
  expect(await doctor([provider(true)], terminal, fail)).toBe(1);
  expect(out.join('\n')).toContain('xla:cpu      found, but does not start: wrong ELF class');
  expect(out.at(-1)).toContain('To fix: ');
});
