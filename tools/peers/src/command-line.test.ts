import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { run } from './command-line.ts';
import type { Peer } from './peers.ts';
import type { Report } from './report.ts';
import { tinyPrograms } from './testing/tiny-program.ts';

const node = [process.execPath, '-C', '@tesserae/source'] as const;
const script = (file: string): string => join(import.meta.dirname, 'testing', file);

/** Our side, on the plain CPU engine. */
const ours: Peer = {
  name: 'ours',
  ours: true,
  python: false,
  command: (task) => ({ words: [...node, script('worker.ts'), JSON.stringify({ ...task, peer: 'cpu' })] }),
};

function other(mode: string): Peer {
  return {
    name: mode,
    ours: false,
    python: false,
    command: (task) => ({ words: [...node, script('other-peer.ts'), mode, JSON.stringify({ ...task, peer: mode })] }),
  };
}

let lines: string[];
let folder: string;
const output = { out: (line: string) => lines.push(line), err: () => {} };
const never = new AbortController().signal;

beforeEach(async () => {
  lines = [];
  folder = await mkdtemp(join(tmpdir(), 'peers-'));
});

afterEach(() => rm(folder, { recursive: true }));

/** Runs the command with these peers; gives its exit code and what `--json` wrote. */
async function compare(peers: Peer[], ...words: string[]): Promise<{ code: number; report: Report }> {
  const json = join(folder, 'report.json');
  const code = await run(['cpu', '--rounds', '2', '--seconds', '0.01', '--json', json, ...words], output, never, {
    programs: tinyPrograms,
    peers,
  });
  return { code, report: JSON.parse(await readFile(json, 'utf8')) as Report };
}

describe('npm run peers', () => {
  it('times every case with every peer, checks that results agree, and says who lacks what', async () => {
    const { code, report } = await compare([ours, other('right'), other('missing')]);
    expect(code).toBe(0);
    expect(report.results.map(({ case: row }) => row.id)).toEqual(['tiny.3', 'tiny.5']);
    const [first] = report.results;
    expect(first!.reference).toBe('right');
    expect(first!.best).toBe('right');
    expect(first!.peers['right']).toMatchObject({ median: 2, turns: [2, 2], version: 'other 1.0', buildSeconds: 0.5 });
    expect(first!.peers['missing']).toEqual({ missing: 'it has no such program' });
    const own = first!.peers['ours']!;
    expect(own.difference).toBeLessThan(1e-6);
    expect(own.median).toBeGreaterThan(0);
    expect(first!.ratio).toBeCloseTo(own.median! / 2, 12);
    expect(lines.join('\n')).toContain('- tiny.3, missing, missing: it has no such program');
    expect(lines.join('\n')).toMatch(/\| three numbers +\|/);
  });

  it('fails and leaves a peer out of the ratio whose results disagree or whose process dies', async () => {
    const { code, report } = await compare([ours, other('right'), other('wrong'), other('dying')], '--only', 'tiny.3');
    expect(code).toBe(1);
    expect(report.results).toHaveLength(1);
    const { peers, best } = report.results[0]!;
    expect(peers['wrong']!.error).toMatch(/^disagrees with right: \d\.\de-\d, at most 0.000001 expected$/);
    expect(peers['dying']!.error).toBe('its process ended (3):\nout of luck');
    expect(best).toBe('right');
  });

  it('times whole processes where a case is about starting', async () => {
    const { program } = await tinyPrograms[0]!.load();
    const row = { id: 'tiny.start', title: 'start', params: { size: 2 }, tolerance: 1e-6, start: 'warm' as const };
    const starting = { name: 'tiny', load: async () => ({ program: { ...program, cases: () => [row] } }) };
    const json = join(folder, 'report.json');
    const code = await run(['cpu', '--rounds', '1', '--json', json], output, never, {
      programs: [starting],
      peers: [ours, other('right'), other('missing')],
    });
    expect(code).toBe(0);
    const { results } = JSON.parse(await readFile(json, 'utf8')) as Report;
    const { peers, ratio } = results[0]!;
    // A process and its imports: never less than some milliseconds.
    expect(peers['ours']!.median).toBeGreaterThan(20);
    expect(peers['ours']!.turns).toHaveLength(1);
    expect(ratio).toBeCloseTo(peers['ours']!.median! / peers['right']!.median!, 12);
    expect(peers['missing']).toEqual({ missing: 'it has no such program' });
  });

  it('ends its workers and says 130 when it is interrupted', async () => {
    const interrupt = new AbortController();
    const stopping = {
      out: output.out,
      err: (line: string) => {
        if (line.includes('round 1')) interrupt.abort();
      },
    };
    const words = ['cpu', '--rounds', '100000'];
    const code = await run(words, stopping, interrupt.signal, { programs: tinyPrograms, peers: [ours] });
    expect(code).toBe(130);
  });

  it.each([
    [['tpu'], "one of 'cpu' and 'gpu' was expected, got 'tpu'."],
    [['cpu', '--rounds', '0'], "--rounds must be a whole number above 0, got '0'."],
    [['cpu', '--only', 'big'], '--only big fits none of tiny.3, tiny.5.'],
    [['cpu', '--peers', 'abacus'], '--peers abacus: there are ours.'],
    [['cpu', '--fast'], "Unknown option '--fast'"],
  ])('refuses %j', async (words, message) => {
    const errors: string[] = [];
    const listening = { out: output.out, err: (line: string) => errors.push(line) };
    expect(await run(words, listening, never, { programs: tinyPrograms, peers: [ours] })).toBe(2);
    expect(errors.join('\n')).toContain(message);
    expect(errors.join('\n')).toContain('--help');
  });
});
