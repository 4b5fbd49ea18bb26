/** Our side of a comparison, in a process of its own: the counterpart of `python/worker.py`. */
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { EngineUnavailableError, tf, tree, useEngine, type EngineProvider } from '@tesserae/tensor';
import type { Built, ProgramEntry, Result } from '../program.ts';
import {
  MissingError,
  type Answer,
  type BuildAnswer,
  type Request,
  type StartAnswer,
  type Task,
  type TimeAnswer,
} from './protocol.ts';

/** Values of a result that are compared at most. */
const sampled = 4096;

/** Serves requests about one of `programs` until standard input ends. */
export async function serve(task: Task, programs: readonly ProgramEntry[]): Promise<void> {
  // Ctrl-C is the parent's: it ends this process.
  process.on('SIGINT', () => {});
  let built: Built | undefined;
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line) as Request;
    try {
      if (request.do === 'start') {
        const { name, detail } = await useEngine(task.peer, await providersOf(task.peer));
        answer({ version: `${name} (${detail})` } satisfies StartAnswer);
      } else if (request.do === 'build') {
        const started = performance.now();
        built = await build(task, programs);
        const values: number[][] = [];
        for (let check = 0; check < request.checks; check++) values.push(await firstValues(await built.step()));
        answer({ values, seconds: (performance.now() - started) / 1000 } satisfies BuildAnswer);
      } else {
        if (built === undefined) throw new Error("peers: 'time' was asked before 'build'.");
        answer({ times: await timed(built, request.seconds, request.calls) } satisfies TimeAnswer);
      }
    } catch (error) {
      const missing = error instanceof MissingError || error instanceof EngineUnavailableError;
      const message = error instanceof Error ? error.message : String(error);
      if (!missing) console.error(error);
      answer(missing ? { missing: message } : { error: message });
    }
  }
}

/** Only what the peer needs: TensorFlow's binding is large. */
async function providersOf(engine: string): Promise<readonly EngineProvider[]> {
  if (engine.startsWith('xla')) return [(await import('@tesserae/xla')).xla];
  return engine === 'tensorflow' ? [(await import('@tesserae/tensorflow')).tensorflow] : [];
}

function answer(message: Answer): void {
  writeSync(3, `${JSON.stringify(message)}\n`);
}

async function build(task: Task, programs: readonly ProgramEntry[]): Promise<Built> {
  const entry = programs.find(({ name }) => name === task.program);
  if (entry === undefined) throw new MissingError(`there is no program '${task.program}'`);
  return (await entry.load()).program.build(task.params);
}

/** Values of each tensor of a result, evenly spread in the order of memory. Disposes them. */
async function firstValues(result: Result): Promise<number[]> {
  const all: number[] = [];
  for (const tensor of listOf(result)) {
    const values = await tensor.data();
    const count = Math.min(sampled, values.length);
    for (let i = 0; i < count; i++) all.push(Number(values[Math.floor((i * values.length) / count)]));
  }
  tree.dispose(result);
  return all;
}

function listOf(result: Result): readonly tf.Tensor[] {
  return result instanceof tf.Tensor ? [result] : result;
}

/** Milliseconds of a call: the mean of each batch of `calls`, until the time is over. */
async function timed(program: Built, seconds: number, calls: number): Promise<number[]> {
  const times: number[] = [];
  const started = performance.now();
  while (times.length === 0 || performance.now() - started < seconds * 1000) {
    const begin = performance.now();
    for (let call = 1; call < calls; call++) tree.dispose(await program.step());
    await finish(await program.step());
    times.push((performance.now() - begin) / calls);
  }
  return times;
}

/** Waits for a result by reading one number of its last tensor. Disposes it. */
async function finish(result: Result): Promise<void> {
  const last = listOf(result).at(-1) as tf.Tensor;
  const one = last.size === 1 ? last : tf.tidy(() => tf.slice(tf.reshape(last, [last.size]), 0, 1));
  await one.data();
  tree.dispose([one, result]);
}
