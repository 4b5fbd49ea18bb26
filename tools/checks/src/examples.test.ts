/** Every TypeScript example of every README runs as it stands, on the sources, and gives what its comments say. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { examplesIn, markdownFiles, withChecks } from './examples.ts';
import { runProgram } from './run-program.ts';
import { root } from './workspace-root.ts';

// Inside this package, where every workspace package resolves; Node does not strip types below node_modules.
const folder = join(import.meta.dirname, '..', '.cache', 'examples');
const examples = markdownFiles(root).flatMap((file) => examplesIn(root, file));
const nameOf = (file: string, line: number): string => `${file.replaceAll(/[^\w]+/g, '-')}-${line}.ts`;

test('there are examples', () => {
  expect(examples.length).toBeGreaterThan(5);
});

for (const example of examples) {
  const name = `${example.file}:${example.line}`;
  test(name, { timeout: 180_000 }, async ({ skip }) => {
    if (example.skip !== undefined) {
      console.log(`${name} is skipped, because ${example.skip}`);
      skip(example.skip);
    }
    await mkdir(folder, { recursive: true });
    const file = join(folder, nameOf(example.file, example.line));
    await writeFile(file, withChecks(example.code));
    // An empty working directory: an example that needs a file makes it.
    const cwd = await mkdtemp(join(tmpdir(), 'tesserae-example-'));
    try {
      const outcome = await runProgram([process.execPath, '-C', '@tesserae/source', file], { cwd, seconds: 150 });
      expect(outcome.code, `${name}\n${outcome.output}`).toBe(0);
    } finally {
      await rm(cwd, { recursive: true, force: true });
    }
  });
}

test('the examples type-check', { timeout: 180_000 }, async () => {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const example of examples) {
    // `export {}` makes a module of a block without imports.
    await writeFile(join(folder, nameOf(example.file, example.line)), `${withChecks(example.code)}\nexport {};\n`);
  }
  const compilerOptions = {
    noEmit: true,
    composite: false,
    declarationMap: false,
    isolatedDeclarations: false,
    types: ['node'],
  };
  const base = join(root, 'tsconfig.base.json');
  await writeFile(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      extends: base,
      compilerOptions: { ...compilerOptions, emitDeclarationOnly: false },
      include: ['*.ts'],
    }),
  );
  const tsc = join(root, 'node_modules', '.bin', 'tsc');
  const outcome = await runProgram([tsc, '-p', folder, '--pretty', 'false'], { cwd: folder, seconds: 170 });
  // Only what is wrong in the examples: the packages have a check of their own.
  const faults = outcome.output.split('\n').filter((line) => /error TS/.test(line) && !line.startsWith('..'));
  expect(faults).toEqual([]);
});
