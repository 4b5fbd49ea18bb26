/**
 * One case with all its peers: builds, checks that results agree, warms up, then times in rounds.
 *
 * Each peer is a process that lives through the case. In a round every peer has one turn; the order is reversed from round
 * to round (A B C C B A …), so that a slow drift of the machine meets all alike. While one works, the others wait on a
 * pipe. A figure is the median of a peer's turns, each of which is the median of its batches of calls.
 */
import { differenceOf } from './compare.ts';
import type { Peer } from './peers.ts';
import type { Case, Device } from './program.ts';
import { MissingError, type BuildAnswer } from './worker/protocol.ts';
import { Worker } from './worker/worker.ts';

/** How a case is run. */
export interface CaseOptions {
  readonly device: Device;
  readonly threads: number;
  /** Turns of each peer. */
  readonly rounds: number;
  /** Length of a turn; at least one call is made. */
  readonly turnSeconds: number;
  /** A build or turn longer than this counts as failed. */
  readonly limitSeconds: number;
  /** Stops everything. */
  readonly signal: AbortSignal;
  /** Gets a line about what is under way. */
  progress(line: string): void;
}

/** What came of a peer in a case. */
export interface PeerResult {
  /** Milliseconds of a call (or of one of its operations): the median of its turns. Undefined if it has none. */
  readonly median?: number;
  /** The turns. */
  readonly turns?: readonly number[];
  /** Seconds until the first results were there, compilation included. */
  readonly buildSeconds?: number;
  /** From the reference's results; undefined for the reference itself. */
  readonly difference?: number;
  readonly version?: string;
  /** Why it takes no part. */
  readonly missing?: string;
  /** What went wrong: it broke, or its results disagree. */
  readonly error?: string;
}

/** A row of the table. */
export interface CaseResult {
  readonly case: Case;
  /** The peer whose results are the reference. */
  readonly reference: string | undefined;
  readonly peers: Readonly<Record<string, PeerResult>>;
  /** The fastest peer that is not ours. */
  readonly best: string | undefined;
  /** Our time over the best peer's. */
  readonly ratio: number | undefined;
}

/** A peer whose process runs. */
interface Started {
  readonly peer: Peer;
  readonly worker: Worker;
  readonly version: Promise<string>;
}

/** A peer that was built. */
interface Entrant {
  readonly peer: Peer;
  readonly worker: Worker;
  readonly built: BuildAnswer;
  calls: number;
  milliseconds: number;
  readonly turns: number[];
  result: PeerResult;
}

/** Calls whose results are compared: a training step's second and third loss tell whether its update is the same. */
const checks = 3;

/** Batches are made this long, so that the clock and the last wait do not count. */
const batchMilliseconds = 20;

/** Runs a case. Failing peers get their reason in the result; only an abort throws. */
export async function runCase(
  program: string,
  row: Case,
  peers: readonly Peer[],
  options: CaseOptions,
): Promise<CaseResult> {
  const results: Record<string, PeerResult> = {};
  const entrants: Entrant[] = [];
  const workers: Started[] = [];
  const endAll = (): void => {
    for (const { worker } of workers) worker.end();
  };
  options.signal.addEventListener('abort', endAll);
  try {
    options.progress(`${row.id}: starting ${peers.map(({ name }) => name).join(', ')}`);
    // Imports take seconds and are not timed, so all at once.
    const { device, threads } = options;
    for (const peer of peers) {
      const worker = new Worker(peer.command({ program, params: row.params, device, threads }));
      workers.push({ peer, worker, version: worker.start(options.limitSeconds) });
    }
    await Promise.allSettled(workers.map(({ version }) => version));
    for (const started of workers) {
      options.signal.throwIfAborted();
      options.progress(`${row.id}: building ${started.peer.name}`);
      const entrant = await enter(started, options);
      if ('worker' in entrant) entrants.push(entrant);
      else results[started.peer.name] = entrant;
    }
    // PyTorch's eager results if there are any: no compiler stands between them and their source.
    const reference = entrants.find(({ peer }) => !peer.ours) ?? entrants[0];
    for (const entrant of entrants) {
      if (entrant === reference) continue;
      const difference = differenceOf((reference as Entrant).built.values, entrant.built.values, row.compare);
      entrant.result = { ...entrant.result, difference };
      if (!(difference <= row.tolerance)) {
        const error = `disagrees with ${(reference as Entrant).peer.name}: ${difference.toExponential(1)}, at most ${row.tolerance} expected`;
        entrant.result = { ...entrant.result, error };
      }
    }
    await timeInRounds(row, entrants, options);
    for (const { peer, result } of entrants) results[peer.name] = result;
    const ordered = Object.fromEntries(peers.map(({ name }) => [name, results[name] as PeerResult]));
    return { case: row, reference: reference?.peer.name, peers: ordered, ...judge(peers, ordered) };
  } finally {
    options.signal.removeEventListener('abort', endAll);
    endAll();
  }
}

/** Builds a peer's program, and finds how many calls make a batch. */
async function enter({ peer, worker, version }: Started, options: CaseOptions): Promise<Entrant | PeerResult> {
  const { limitSeconds, signal } = options;
  try {
    const result = { version: await version };
    const built = await worker.build(checks, limitSeconds);
    const first = await worker.time(0.1, 1, limitSeconds);
    const calls = Math.min(500, Math.max(1, Math.round(batchMilliseconds / median(first))));
    const warm = calls === 1 ? first : await worker.time(0.2, calls, limitSeconds);
    return {
      peer,
      worker,
      built,
      calls,
      milliseconds: median(warm),
      turns: [],
      result: { ...result, buildSeconds: built.seconds },
    };
  } catch (error) {
    worker.end();
    signal.throwIfAborted();
    const message = error instanceof Error ? error.message : String(error);
    return error instanceof MissingError ? { missing: message } : { error: message };
  }
}

async function timeInRounds(row: Case, entrants: readonly Entrant[], options: CaseOptions): Promise<void> {
  const { rounds, turnSeconds, limitSeconds, signal } = options;
  const fastest = Math.min(...entrants.map(({ milliseconds }) => milliseconds));
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? entrants : [...entrants].reverse();
    for (const entrant of order) {
      signal.throwIfAborted();
      // Whoever is hopelessly behind has its turn in the first and the last round.
      const slow = entrant.milliseconds > 1000 && entrant.milliseconds > 5 * fastest;
      if (slow && round > 0 && round < rounds - 1) continue;
      options.progress(`${row.id}: round ${round + 1} of ${rounds}, ${entrant.peer.name}`);
      try {
        const times = await entrant.worker.time(turnSeconds, entrant.calls, limitSeconds);
        entrant.turns.push(median(times) / (row.operations ?? 1));
      } catch (error) {
        signal.throwIfAborted();
        entrant.result = { ...entrant.result, error: error instanceof Error ? error.message : String(error) };
      }
    }
  }
  for (const entrant of entrants) {
    if (entrant.turns.length === 0) continue;
    entrant.result = { ...entrant.result, median: median(entrant.turns), turns: entrant.turns };
  }
}

/** Who is best, and how we compare. Peers with an error do not count. */
export function judge(
  peers: readonly Peer[],
  results: Readonly<Record<string, PeerResult>>,
): Pick<CaseResult, 'best' | 'ratio'> {
  const timed = peers
    .map(({ name, ours }) => ({ name, ours, ...(results[name] as PeerResult) }))
    .filter(({ median, error }) => median !== undefined && error === undefined)
    .sort((a, b) => (a.median as number) - (b.median as number));
  const best = timed.find(({ ours }) => !ours);
  const own = timed.find(({ ours }) => ours);
  return {
    best: best?.name,
    ratio: best === undefined || own === undefined ? undefined : (own.median as number) / (best.median as number),
  };
}

/** The middle value; the mean of the two middle ones for an even number. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}
