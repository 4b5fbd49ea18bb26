/** Every TypeScript snippet of the README runs as it stands. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const folder = new URL('..', import.meta.url);
const readme = readFileSync(new URL('README.md', folder), 'utf8');
const snippets = [...readme.matchAll(/^```ts\n(.*?)^```/gms)].map((match) => match[1] as string);

describe('README', () => {
  it.each(snippets.map((snippet, i) => [i + 1, snippet] as const))('snippet %i runs', (_, snippet) => {
    const run = spawnSync(process.execPath, ['-C', '@tesserae/source', '--input-type=module-typescript', '-'], {
      cwd: folder,
      input: snippet,
      encoding: 'utf8',
    });
    expect(run.stderr).toBe('');
    expect(run.status).toBe(0);
  });
});
