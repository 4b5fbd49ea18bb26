/**
 * The Python that PyTorch and JAX run in: made once in the per-user cache from the pins of `python/requirements.txt`.
 *
 * The folder's name holds a hash of the pins, and a file is written last, so an environment is complete and of these
 * pins, or made anew.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tesseraeHome } from '@tesserae/downloads';

/** Options of {@link pythonEnvironment}. */
export interface PythonOptions {
  /** Folder of `requirements.txt`. */
  readonly folder: string;
  /** The Python to make the environment with. */
  readonly base: string;
  readonly signal: AbortSignal;
  progress(line: string): void;
}

/**
 * The environment's Python.
 *
 * @throws Error with the last lines of pip or Python, if it cannot be made.
 */
export async function pythonEnvironment(options: PythonOptions): Promise<string> {
  const requirements = join(options.folder, 'requirements.txt');
  const hash = createHash('sha256')
    .update(await readFile(requirements))
    .digest('hex')
    .slice(0, 12);
  const folder = join(tesseraeHome(), 'peers', `python-${hash}`);
  const python = join(folder, 'bin', 'python');
  const complete = join(folder, 'complete');
  if (existsSync(complete)) return python;
  options.progress(`making ${folder} (once; several GB with PyTorch's libraries)`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(join(folder, '..'), { recursive: true });
  await runQuietly(options.base, ['-m', 'venv', folder], options.signal);
  await runQuietly(python, ['-m', 'pip', 'install', '--quiet', '--requirement', requirements], options.signal);
  await writeFile(complete, '');
  return python;
}

function runQuietly(program: string, words: readonly string[], signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'], signal });
    let tail = '';
    const keep = (chunk: Buffer): void => {
      tail = (tail + chunk.toString()).split('\n').slice(-8).join('\n');
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${program} ${words.slice(0, 3).join(' ')} failed (${code}): ${tail.trim()}`));
    });
  });
}
