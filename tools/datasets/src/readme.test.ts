/** Every snippet of the README runs. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const folder = fileURLToPath(new URL('..', import.meta.url));
const snippets = [...readFileSync(`${folder}README.md`, 'utf8').matchAll(/^```ts\n(.*?)^```$/gms)].map(
  (match) => match[1] as string,
);

test('there is a snippet', () => {
  expect(snippets.length).toBeGreaterThan(0);
});

test.each(snippets.map((code, i) => [i, code] as const))('snippet %i runs', (_, code) => {
  const flags = ['--conditions', '@tesserae/source', '--input-type', 'module-typescript', '--eval', code];
  const output = execFileSync(process.execPath, flags, {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  expect(output).not.toBe('');
});
