/**
 * A case that times whole processes: from their start to their first finished call, one after the other, in rounds.
 *
 * `cold` gives every process caches that are empty or off; for `warm` a process of the same program has run before, untimed,
 * with the same caches.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Peer } from './peers.ts';
import type { Case } from './program.ts';
import { judge, median, type CaseOptions, type CaseResult, type PeerResult } from './run-case.ts';
import { MissingError } from './worker/protocol.ts';
import { Worker } from './worker/worker.ts';

/** Processes take seconds: more rounds than this tell nothing new. */
const mostRounds = 3;

/** Variables that put everybody's caches of compiled programs into `folder`, or switch them off where that is asked. */
function caches(folder: string, cold: boolean): Record<string, string> {
  return {
    ...(cold && { TESSERAE_PROGRAM_CACHE: 'off' }),
    TORCHINDUCTOR_CACHE_DIR: join(folder, 'inductor'),
    TRITON_CACHE_DIR: join(folder, 'triton'),
    JAX_COMPILATION_CACHE_DIR: join(folder, 'jax'),
    JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS: '0',
  };
}

/** Runs such a case. Failing peers get their reason in the result; only an abort throws. */
export async function runStart(
  program: string,
  row: Case,
  peers: readonly Peer[],
  options: CaseOptions,
): Promise<CaseResult> {
  const turns = new Map<string, number[]>();
  const results: Record<string, PeerResult> = {};
  const warm = await mkdtemp(join(tmpdir(), 'peers-warm-'));
  const first = row.start === 'warm' ? -1 : 0;
  try {
    for (let round = first; round < Math.min(mostRounds, options.rounds); round++) {
      for (const peer of round % 2 === 0 ? peers : [...peers].reverse()) {
        if (results[peer.name] !== undefined) continue;
        options.signal.throwIfAborted();
        options.progress(`${row.id}: ${round < 0 ? 'filling the cache of' : `round ${round + 1},`} ${peer.name}`);
        const folder = row.start === 'warm' ? warm : await mkdtemp(join(tmpdir(), 'peers-cold-'));
        try {
          const milliseconds = await firstCall(program, row, peer, caches(folder, row.start === 'cold'), options);
          if (round >= 0) turns.set(peer.name, [...(turns.get(peer.name) ?? []), milliseconds]);
        } catch (error) {
          options.signal.throwIfAborted();
          const message = error instanceof Error ? error.message : String(error);
          results[peer.name] = error instanceof MissingError ? { missing: message } : { error: message };
        } finally {
          if (folder !== warm) await rm(folder, { recursive: true, force: true });
        }
      }
    }
  } finally {
    await rm(warm, { recursive: true, force: true });
  }
  for (const [name, times] of turns) results[name] ??= { median: median(times), turns: times };
  const ordered = Object.fromEntries(peers.map(({ name }) => [name, results[name] ?? { missing: 'no turn' }]));
  return { case: row, reference: undefined, peers: ordered, ...judge(peers, ordered) };
}

/** Milliseconds from the start of a process to its first finished call. */
async function firstCall(
  program: string,
  row: Case,
  peer: Peer,
  env: Readonly<Record<string, string>>,
  options: CaseOptions,
): Promise<number> {
  const { device, threads, limitSeconds, signal } = options;
  const command = peer.command({ program, params: row.params, device, threads });
  const started = performance.now();
  const worker = new Worker({ ...command, env: { ...command.env, ...env } });
  const end = (): void => worker.end();
  signal.addEventListener('abort', end);
  try {
    await worker.start(limitSeconds);
    await worker.build(1, limitSeconds);
    return performance.now() - started;
  } finally {
    signal.removeEventListener('abort', end);
    worker.end();
  }
}
