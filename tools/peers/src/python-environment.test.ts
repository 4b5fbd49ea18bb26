import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { pythonEnvironment } from './python-environment.ts';

let home: string;
let lines: string[];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'peers-python-'));
  vi.stubEnv('TESSERAE_HOME', home);
  lines = [];
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(home, { recursive: true });
});

/** Asks for an environment of these requirements, which must not need a package index. */
async function make(requirements: string): Promise<string> {
  await writeFile(join(home, 'requirements.txt'), `--no-index\n${requirements}`);
  const signal = new AbortController().signal;
  return pythonEnvironment({ folder: home, base: 'python3', signal, progress: (line) => lines.push(line) });
}

it('makes an environment once', { tags: ['slow'] }, async () => {
  const python = await make('# nothing');
  expect(execFileSync(python, ['-c', 'import sys; print(sys.prefix)'], { encoding: 'utf8' })).toContain(home);
  const made = (await stat(python)).birthtimeMs;
  expect(await make('# nothing')).toBe(python);
  expect((await stat(python)).birthtimeMs).toBe(made);
  expect(lines).toHaveLength(1);
});

it('says what pip said when it fails, and holds nothing for complete', { tags: ['slow'] }, async () => {
  await expect(make('tesserae-has-no-such-package==1')).rejects.toThrow(
    /-m pip install failed \(1\).*no-such-package/s,
  );
  const [environment] = await readdir(join(home, 'peers'));
  expect(await readdir(join(home, 'peers', environment as string))).not.toContain('complete');
});
