/** What the words of a command line mean, before any work begins. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { silentRun } from './testing/silent-run.ts';

const commands = ['demo', 'train-tokenizer', 'train-prior', 'sample', 'reconstruct', 'evaluate', 'pack'];

test('help lists the commands; no words at all are a mistake', async () => {
  for (const words of [['--help'], ['-h']]) {
    const { code, out } = await silentRun(...words);
    expect(code).toBe(0);
    for (const command of commands) expect(out).toContain(command);
  }
  expect(await silentRun()).toMatchObject({ code: 2, out: expect.stringContaining('train-tokenizer') });
});

const flags: Readonly<Record<string, readonly string[]>> = {
  demo: ['images', 'size', 'tokenizer', 'engine', 'out', 'resume', 'quick', 'seed', 'batch', 'precision', 'classes'],
  'train-tokenizer': ['images', 'size', 'tokenizer', 'engine', 'out', 'resume', 'steps', 'rate', 'checkpoint', 'log'],
  'train-prior': ['engine', 'out', 'resume', 'steps', 'layers', 'dim', 'heads', 'dropout', 'checkpoint', 'log'],
  sample: ['count', 'temperature', 'top-k', 'top-p', 'cfg', 'class', 'file', 'seed', 'out', 'engine'],
  reconstruct: ['images', 'file', 'out', 'engine'],
  evaluate: ['out', 'engine'],
  pack: ['images', 'size', 'classes', 'file'],
};

test.each(commands)('%s --help names its flags and does nothing', async (command) => {
  for (const help of ['--help', '-h']) {
    const { code, out, err } = await silentRun(command, '--bogus', help);
    expect(code).toBe(0);
    expect(err).toBe('');
    for (const flag of flags[command] as readonly string[]) expect(out).toContain(`--${flag}`);
  }
});

test.each(['train', 'toString', '__proto__', '--version'])('there is no command %s', async (word) => {
  const { code, err } = await silentRun(word);
  expect(code).toBe(2);
  expect(err).toContain(`there is no command '${word}'; there are demo, train-tokenizer, train-prior, sample`);
});

test.each([
  [['demo', '--stepz', '3'], 'there is no flag --stepz; demo has --images, --size'],
  [['sample', '--images', 'emoji'], 'there is no flag --images; sample has'],
  [['evaluate', '--no-images'], 'there is no flag --no-images'],
  [['demo', '--no-out'], 'there is no flag --no-out'],
  [['demo', 'emoji'], "'emoji' is unexpected: demo takes flags only"],
  [['demo', '-q'], "'-q' is unexpected"],
  [['demo', '--out'], '--out needs a value'],
  [['demo', '--out='], '--out needs a value'],
  [['demo', '--out', '--quick'], '--out needs a value'],
  [['demo', '--quick=perhaps'], "--quick takes no value, got 'perhaps'"],
])('%j makes no sense', async (words, message) => {
  const { code, err } = await silentRun(...words);
  expect(err).toContain(message);
  expect(err).toContain(`Run \`tesserae-images ${words[0]} --help\` for help.`);
  expect(code).toBe(2);
});

test.each([
  [['train-tokenizer', '--steps', '0'], "--steps must be a whole number of at least 1, got '0'"],
  [['train-tokenizer', '--steps', '1.5'], "--steps must be a whole number of at least 1, got '1.5'"],
  [['train-tokenizer', '--steps=many'], "--steps must be a whole number of at least 1, got 'many'"],
  [['train-tokenizer', '--log', '0'], '--log must be a whole number of at least 1'],
  [['train-tokenizer', '--seed', '-5'], "--seed must be a whole number of at least 0, got '-5'"],
  [['train-tokenizer', '--rate', 'fast'], "--rate must be a number of at least 0, got 'fast'"],
  [['train-tokenizer', '--size', '3'], '--size must be a whole number of at least 4'],
  [['train-tokenizer', '--precision', 'float64'], '--precision must be one of auto, float32, tf32, bfloat16'],
  [['train-prior', '--dropout', '1'], "--dropout must be a number from 0 to 0.99, got '1'"],
  [['train-prior', '--checkpoint', '1e400'], '--checkpoint must be a whole number'],
  [['sample', '--count', '-1'], "--count must be a whole number of at least 1, got '-1'"],
  [['sample', '--top-p', '2'], "--top-p must be a number from 0 to 1, got '2'"],
  [['sample', '--temperature', 'NaN'], '--temperature must be a number of at least 0'],
  [['sample', '--top-k', '0.5'], '--top-k must be a whole number of at least 0'],
  [['pack', '--file', 'pictures.zip'], "--file must end in .safetensors, got 'pictures.zip'"],
])('%j has a bad value', async (words, message) => {
  const { code, err } = await silentRun(...words);
  expect(err).toContain(message);
  expect(code).toBe(2);
});

test('the program hands its exit code to the shell', () => {
  const bin = new URL('bin.ts', import.meta.url).pathname;
  const status = (...words: string[]): number | null =>
    spawnSync(process.execPath, ['-C', '@tesserae/source', bin, ...words]).status;
  expect(status('--help')).toBe(0);
  expect(status('evaluate', '--out', '/nowhere')).toBe(1);
  expect(status('evaluate', '--outt')).toBe(2);
});
