/**
 * Checkpoints: a folder with `model.safetensors`, `optimizer.safetensors`, `ema.safetensors` and `state.json`.
 *
 * A new one is written to a sibling folder with a temporary name, flushed to the disk, and takes the place of the old
 * one by renaming. Between the two renames the old one is called `NAME.previous`, where `loadCheckpoint` looks too: a
 * crash at any moment leaves a complete checkpoint. `state.json` holds size and SHA-256 of each file, so that a damaged
 * one is noticed.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { tf } from '@tesserae/tensor';
import { removeLeftovers, syncFolder, temporarySibling, WriteError, writeFileDurably } from '../atomic-write.ts';
import { readSafetensors } from '../safetensors/read.ts';
import { encodeSafetensors, type SafetensorsInput } from '../safetensors/write.ts';
import { type CheckpointState, parseState, type SavedState } from './state.ts';

/** A checkpoint that is missing, damaged or foreign: names the file and what is wrong. */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError';
}

/** Sets of tensors in a checkpoint; each becomes a file of its name. */
export interface CheckpointTensors<T> {
  /** `Module.stateDict()`. */
  readonly model: T;
  /** `Optimizer.state()`. */
  readonly optimizer?: T | undefined;
  /** `Ema.state()`. */
  readonly ema?: T | undefined;
}

/** What {@link saveCheckpoint} takes. */
export interface CheckpointInput extends CheckpointTensors<SafetensorsInput> {
  /** Step, loader position, configuration, …: plain JSON. */
  readonly state: CheckpointState;
}

/** What {@link loadCheckpoint} returns. */
export interface Checkpoint extends CheckpointTensors<Record<string, tf.Tensor>> {
  /** The folder it was found in: the one asked for, or `….previous` after a crash at the wrong moment. */
  readonly folder: string;
  readonly state: CheckpointState;
}

const PARTS = ['model', 'optimizer', 'ema'] as const;

/** Where the last checkpoint is while a new one takes its place. */
function previousOf(folder: string): string {
  return join(dirname(folder), `${basename(folder)}.previous`);
}

/**
 * Writes a checkpoint in the place of the one at `folder`, if there is one. Values are read from the device first, so
 * the variables may change again as soon as the promise is settled.
 *
 * @throws WriteError if it cannot be written (a full disk, no permission); the old checkpoint is then intact.
 */
export async function saveCheckpoint(folder: string, input: CheckpointInput): Promise<void> {
  const target = resolve(folder);
  const temporary = temporarySibling(target);
  try {
    await mkdir(dirname(target), { recursive: true });
    if ((await exists(target)) && !(await exists(join(target, 'state.json')))) {
      throw new WriteError(
        target,
        new Error('something that is not a checkpoint is in the way. Move it, or save elsewhere.'),
      );
    }
    await removeLeftovers(target);
    await mkdir(temporary);
    const files: [string, { bytes: number; sha256: string }][] = [];
    for (const part of PARTS) {
      const tensors = input[part];
      if (tensors === undefined) continue;
      const bytes = await encodeSafetensors(tensors, { format: 'tesserae', step: String(input.state.step) });
      await writeFileDurably(join(temporary, `${part}.safetensors`), bytes);
      files.push([`${part}.safetensors`, { bytes: bytes.length, sha256: sha256(bytes) }]);
    }
    const state: SavedState = {
      format: 'tesserae-checkpoint',
      version: 1,
      ...input.state,
      files: Object.fromEntries(files),
    };
    await writeFileDurably(join(temporary, 'state.json'), `${JSON.stringify(state, null, 2)}\n`);
    await syncFolder(temporary);
    await putInPlace(temporary, target);
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true }).catch(() => {});
    throw cause instanceof WriteError || !(cause as NodeJS.ErrnoException).code ? cause : new WriteError(target, cause);
  }
}

/** Old away, new in, old deleted. At every moment one of `target` and `previous` is complete. */
async function putInPlace(temporary: string, target: string): Promise<void> {
  const previous = previousOf(target);
  const replaces = await exists(target);
  if (replaces) {
    await rm(previous, { recursive: true, force: true });
    await rename(target, previous);
  }
  try {
    await rename(temporary, target);
  } catch (error) {
    if (replaces) await rename(previous, target);
    throw error;
  }
  await syncFolder(dirname(target));
  await rm(previous, { recursive: true, force: true });
}

/** The folder that `loadCheckpoint(folder)` would read; undefined if there is no checkpoint. */
export async function findCheckpoint(folder: string): Promise<string | undefined> {
  for (const candidate of [resolve(folder), previousOf(resolve(folder))]) {
    if (await exists(join(candidate, 'state.json'))) return candidate;
  }
  return undefined;
}

/**
 * Reads a checkpoint and checks every file against its hash.
 *
 * @returns Tensors that the caller owns: `tree.dispose(checkpoint)`.
 * @throws CheckpointError where there is none, or a file is missing, truncated, damaged or foreign.
 */
export async function loadCheckpoint(folder: string): Promise<Checkpoint> {
  const found = await findCheckpoint(folder);
  if (found === undefined) {
    const there = await exists(folder);
    throw new CheckpointError(
      `${folder}: ${there ? 'is not a checkpoint: it has no state.json' : 'does not exist'}. A checkpoint is a folder with state.json and model.safetensors.`,
    );
  }
  const { files, ...state } = parseState(
    await readFile(join(found, 'state.json'), 'utf8'),
    join(found, 'state.json'),
    fail,
  );
  const contents: [string, Uint8Array][] = [];
  for (const part of PARTS) {
    const name = `${part}.safetensors`;
    const expected = files[name];
    if (expected === undefined) {
      if (part === 'model') fail(`${join(found, 'state.json')}: lists no model.safetensors.`);
      continue;
    }
    contents.push([part, await readChecked(join(found, name), expected)]);
  }
  const tensors: [string, Record<string, tf.Tensor>][] = [];
  for (const [part, bytes] of contents) tensors.push([part, (await readSafetensors(bytes)).tensors]);
  return {
    folder: found,
    state,
    ...(Object.fromEntries(tensors) as unknown as CheckpointTensors<Record<string, tf.Tensor>>),
  };
}

async function readChecked(path: string, expected: { bytes: number; sha256: string }): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    return fail(`${path}: is listed in state.json but cannot be read (${(cause as Error).message}).`);
  }
  if (bytes.length !== expected.bytes) {
    const kind = bytes.length < expected.bytes ? 'truncated' : 'too long';
    fail(
      `${path}: is ${kind}: it has ${bytes.length} bytes, state.json says ${expected.bytes}. Use another checkpoint.`,
    );
  }
  if (sha256(bytes) !== expected.sha256) {
    fail(
      `${path}: is damaged or was replaced: its SHA-256 differs from the one in state.json. Use another checkpoint.`,
    );
  }
  return bytes;
}

function fail(message: string): never {
  throw new CheckpointError(message);
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
