/** What a run says in the end: counts, names, and whether all of it was expected. */
import type { Options } from './options.ts';
import type { RunningEngine } from './start-engine.ts';
import type { SuiteResult } from './run-suite.ts';
import { expectedFailures } from './known-failures.ts';

/** The end of a run. */
export interface Report {
  readonly lines: readonly string[];
  /** 0, or 1 if something failed that is not listed, or passed that is. */
  readonly exitCode: 0 | 1;
  /** The same for a machine. */
  readonly json: object;
}

/** See the file header. */
export function report(options: Options, engine: RunningEngine, result: SuiteResult): Report {
  const known = expectedFailures(options);
  const unexpected = result.failed.filter(({ spec }) => !known.has(spec));
  const listed = result.failed.filter(({ spec }) => known.has(spec));
  const outdated = result.passed.filter((spec) => known.has(spec));
  const hostKernels = engine.hostKernels();
  const compiled = engine.compiled();
  const lines: string[] = [];
  for (const { spec, messages } of unexpected) {
    lines.push(`FAILED ${spec}`, ...messages.map((message) => `    ${message.replaceAll('\n', '\n    ')}`));
  }
  for (const { spec } of listed) lines.push(`failed as listed: ${spec}`, `    ${known.get(spec)}`);
  for (const spec of outdated) lines.push(`PASSED but listed as failing in known-failures.ts: ${spec}`);

  const byCount = Object.entries(hostKernels).sort(([, a], [, b]) => b - a);
  const calls = byCount.reduce((sum, [, count]) => sum + count, 0);
  lines.push(
    `computed on the host: ${calls} kernel calls${calls === 0 ? '' : ` (${byCount.map(([name, count]) => `${name} ${count}`).join(', ')})`}`,
  );
  if (compiled !== undefined) lines.push(`compiled: ${compiled.programs} programs in ${compiled.seconds.toFixed(1)} s`);
  if (result.pending > 0) lines.push(`left out by the suite itself: ${result.pending}`);
  if (result.late > 0) lines.push(`NOT RUN, the time was up: ${result.late}`);
  lines.push(
    `${options.engine}: ${result.passed.length} passed, ${result.failed.length} failed (${listed.length} as listed) in ${result.seconds.toFixed(0)} s`,
  );
  const nothing = result.passed.length + result.failed.length === 0;
  if (nothing) lines.push('No spec was run: does --filter fit any name?');
  const exitCode = unexpected.length > 0 || outdated.length > 0 || nothing ? 1 : 0;
  const json = {
    options,
    passed: result.passed.length,
    failed: result.failed.map((failure) => ({ ...failure, reason: known.get(failure.spec) })),
    outdated,
    pending: result.pending,
    late: result.late,
    seconds: result.seconds,
    hostKernels,
    compiled,
  };
  return { lines, exitCode, json };
}
