/** Training in a process of its own that is killed and interrupted. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tree } from '@tesserae/tensor';
import { useEngine } from '@tesserae/tensor';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findCheckpoint, loadCheckpoint, readJsonl } from './index.ts';

const root = mkdtempSync(join(tmpdir(), 'kill-'));
const child = new URL('testing/child.ts', import.meta.url).pathname;
const STEPS = 40;

beforeAll(() => useEngine('cpu'));
afterAll(() => rmSync(root, { recursive: true }));

/** A run; `during` may do something to the process as soon as it has trained a step. */
async function run(out: string, during?: (process: ChildProcess) => Promise<void> | void): Promise<string> {
  const args = ['-C', '@tesserae/source', child, 'cpu', out, String(STEPS), '2'];
  const started = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  const trained = new Promise<void>((resolve) => {
    started.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (/\d+\/\d+ \(/.test(output)) resolve();
    });
  });
  const ended = new Promise<void>((resolve) => started.on('close', () => resolve()));
  await Promise.race([trained, ended]);
  await during?.(started);
  await ended;
  return output;
}

/** Loss by step, and every tensor of the checkpoint. */
async function outcome(out: string): Promise<unknown> {
  const checkpoint = await loadCheckpoint(join(out, 'checkpoint'));
  const { model, optimizer, ema } = checkpoint;
  const tensors = tree.paths({ model, optimizer, ema }).map(([path, tensor]) => [path, ...tensor.dataSync()]);
  tree.dispose({ model, optimizer, ema });
  const losses = readJsonl(join(out, 'log.jsonl')).map(({ step, loss }) => [step, loss]);
  return { losses, tensors, step: checkpoint.state.step, loader: checkpoint.state.loader };
}

describe('SIGKILL', () => {
  test('at three moments, then once more to the end: the same bits as an uninterrupted run', async () => {
    const straight = join(root, 'straight');
    expect(await run(straight)).toContain('end');
    const broken = join(root, 'broken');
    let kills = 0;
    for (const delay of [13, 47, 90]) {
      const output = await run(broken, async (process) => {
        await new Promise((resolve) => setTimeout(resolve, delay));
        process.kill('SIGKILL');
      });
      if (!output.includes('end')) kills++;
    }
    expect(kills).toBeGreaterThanOrEqual(2);
    expect(await run(broken)).toContain('end');
    expect(await outcome(broken)).toEqual(await outcome(straight));
    const left = readdirSync(broken).filter((name) => !name.startsWith('events.'));
    expect(left.sort()).toEqual(['checkpoint', 'log.jsonl']);
  });
});

describe('SIGINT', () => {
  test('stops after the step with a checkpoint; the run continues to the same bits', async () => {
    const out = join(root, 'interrupted');
    const output = await run(out, (process) => void process.kill('SIGINT'));
    expect(output).toMatch(/Stopping after this step/);
    expect(output).toMatch(/Stopped after step \d+ of 40; continue with resume/);
    expect(output).toContain('end');
    expect(await findCheckpoint(join(out, 'checkpoint'))).toBeDefined();
    await run(out);
    expect(await outcome(out)).toEqual(await outcome(join(root, 'straight')));
  });
});
