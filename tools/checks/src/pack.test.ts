/**
 * The packages as a person installs them: packed, installed into an empty folder with install scripts disabled, and the
 * example of the vq README run there by plain Node, without the workspace and its source condition.
 */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { examplesIn, withChecks } from './examples.ts';
import { runProgram } from './run-program.ts';
import { root } from './workspace-root.ts';

/** What is installed by name; their workspace dependencies come along. */
const wanted = ['@tesserae/tensor', '@tesserae/xla', '@tesserae/vq', 'tesserae'];

interface Manifest {
  readonly name: string;
  readonly dependencies?: Record<string, string>;
}

test('packed packages install and run', { tags: ['slow'], timeout: 600_000 }, async ({ skip }) => {
  const registry = await runProgram(['npm', 'view', '@tensorflow/tfjs-core', 'version'], { cwd: root, seconds: 60 });
  if (registry.code !== 0) {
    console.log(`The pack test is skipped, because the npm registry cannot be reached:\n${registry.output}`);
    skip('the npm registry cannot be reached');
  }

  const folders = await packagesToPack();
  const names = [...folders.keys()];
  await must(['nx', 'run-many', '-t', 'build', '-p', names.join(','), '--output-style=static'], root, 300, {
    NX_DAEMON: 'false',
    NX_TUI: 'false',
  });

  const folder = await mkdtemp(join(tmpdir(), 'tesserae-pack-'));
  try {
    const tarballs = join(folder, 'tarballs');
    const app = join(folder, 'app');
    await mkdir(tarballs);
    await mkdir(app);
    for (const path of folders.values()) await must(['pnpm', 'pack', '--pack-destination', tarballs], path, 120);
    const files = (await readdir(tarballs)).map((file) => join(tarballs, file));
    expect(files).toHaveLength(names.length);

    await writeFile(join(app, 'package.json'), JSON.stringify({ name: 'app', private: true, type: 'module' }));
    await must(['npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund', ...files], app, 300);

    // Exactly the packed files: no tests, no second tensor core.
    const tensor = await readdir(join(app, 'node_modules/@tesserae/tensor'), { recursive: true });
    expect(tensor.filter((file) => file.includes('.test.'))).toEqual([]);
    const manifest = JSON.parse(
      await readFile(join(app, 'node_modules/@tesserae/vq/package.json'), 'utf8'),
    ) as Manifest;
    expect(JSON.stringify(manifest.dependencies)).not.toMatch(/workspace:|catalog:/);
    const copies = await must(['npm', 'ls', '--all', '--parseable', '@tensorflow/tfjs-core'], app, 60);
    expect(copies.split('\n').filter((line) => line.endsWith('@tensorflow/tfjs-core'))).toHaveLength(1);

    const examples = examplesIn(root, 'packages/tokenizers/vq/README.md').filter((example) => !example.skip);
    expect(examples.length).toBeGreaterThan(0);
    for (const [i, example] of examples.entries()) {
      await writeFile(join(app, `example-${i}.ts`), withChecks(example.code));
      await must([process.execPath, `example-${i}.ts`], app, 150);
    }
    await writeFile(
      join(app, 'engine.ts'),
      "import { xla } from '@tesserae/xla';\nfor (const name of xla.names) console.log(name, await xla.probe(name));\n",
    );
    expect(await must([process.execPath, 'engine.ts'], app, 60)).toContain('xla:cpu');
    expect(await must([join(app, 'node_modules/.bin/tesserae'), '--help'], app, 60)).toContain('doctor');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

/** The wanted packages and what they need of the workspace: name to folder. */
async function packagesToPack(): Promise<Map<string, string>> {
  const all = new Map<string, { path: string; manifest: Manifest }>();
  for (const group of [...(await readdir(join(root, 'packages'))).map((role) => `packages/${role}`), 'tools']) {
    for (const entry of await readdir(join(root, group), { withFileTypes: true }).catch(() => [])) {
      const path = join(root, group, entry.name);
      const text = await readFile(join(path, 'package.json'), 'utf8').catch(() => undefined);
      if (text === undefined) continue;
      const manifest = JSON.parse(text) as Manifest;
      all.set(manifest.name, { path, manifest });
    }
  }
  const chosen = new Map<string, string>();
  const visit = (name: string): void => {
    const found = all.get(name);
    if (!found || chosen.has(name)) return;
    chosen.set(name, found.path);
    for (const dependency of Object.keys(found.manifest.dependencies ?? {})) visit(dependency);
  };
  wanted.forEach(visit);
  expect([...chosen.keys()]).toEqual(expect.arrayContaining(wanted));
  return chosen;
}

async function must(
  words: readonly [string, ...string[]],
  cwd: string,
  seconds: number,
  env: Record<string, string> = {},
): Promise<string> {
  const outcome = await runProgram(words, { cwd, seconds, env });
  expect(outcome.code, `${words.join(' ')}\n${outcome.output}`).toBe(0);
  return outcome.output;
}
