/** The table and the JSON of a comparison. */
import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus, totalmem } from 'node:os';
import type { CaseResult, PeerResult } from './run-case.ts';
import type { Device } from './program.ts';

/** What a comparison ran on. */
export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  /** Name and driver of each card. */
  readonly cards: readonly string[];
  readonly node: string;
}

/** Everything that a comparison found; what `--json` writes. */
export interface Report {
  readonly date: string;
  readonly command: string;
  readonly device: Device;
  readonly machine: Machine;
  readonly results: readonly CaseResult[];
}

/** Describes this machine. */
export function thisMachine(device: Device): Machine {
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    cards: device === 'gpu' ? cards() : [],
    node: process.version,
  };
}

function cards(): string[] {
  try {
    const query = ['--query-gpu=name,driver_version', '--format=csv,noheader'];
    return execFileSync('nvidia-smi', query, { encoding: 'utf8', timeout: 10_000 }).trim().split('\n');
  } catch {
    return ['unknown (nvidia-smi does not run)'];
  }
}

/** A Markdown table of medians and ratios, then reasons. */
export function formatReport(report: Report): string {
  const names = [...new Set(report.results.flatMap(({ peers }) => Object.keys(peers)))];
  const { machine } = report;
  const where = [`${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB`, ...machine.cards].join('; ');
  const rows = report.results.map((result) => [
    result.case.title,
    ...names.map((name) => cell(result, name)),
    result.ratio === undefined ? '–' : result.ratio.toFixed(2),
    largestDifference(result),
  ]);
  const versions = names.flatMap((name) => {
    const version = report.results.map(({ peers }) => peers[name]?.version).find((text) => text !== undefined);
    return version === undefined ? [] : [`${name}: ${version}`];
  });
  return [
    `${report.date}; ${where}; Node ${machine.node}; \`${report.command}\``,
    versions.join('; '),
    '',
    ...table(['program, ms', ...names, 'ours / best', 'difference'], rows),
    ...reasons(report.results, 'missing'),
    ...reasons(report.results, 'error'),
  ].join('\n');
}

/** A case in one line: medians, then the ratio. */
export function formatLine(result: CaseResult): string {
  const times = Object.keys(result.peers).map((name) => `${name} ${cell(result, name).replaceAll('*', '')}`);
  const ratio = result.ratio === undefined ? [] : [`ours / best ${result.ratio.toFixed(2)}`];
  return `${result.case.id}, ms: ${[...times, ...ratio].join(', ')}`;
}

function cell(result: CaseResult, name: string): string {
  const peer = result.peers[name];
  if (peer?.error !== undefined) return 'error';
  if (peer?.median === undefined) return '–';
  const time = formatMilliseconds(peer.median);
  return name === result.best ? `**${time}**` : time;
}

/** Three digits. */
function formatMilliseconds(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function largestDifference({ peers }: CaseResult): string {
  const differences = Object.values(peers).flatMap(({ difference }) => (difference === undefined ? [] : [difference]));
  return differences.length === 0 ? '–' : Math.max(...differences).toExponential(0);
}

function reasons(results: readonly CaseResult[], kind: 'missing' | 'error'): string[] {
  const lines = results.flatMap((result) =>
    Object.entries(result.peers).flatMap(([name, peer]: [string, PeerResult]) => {
      const reason = peer[kind];
      return reason === undefined ? [] : [`- ${result.case.id}, ${name}, ${kind}: ${reason}`];
    }),
  );
  return lines.length === 0 ? [] : ['', ...lines];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] as string).length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((text, column) => (column === 0 ? text.padEnd(widths[column] as number) : text.padStart(widths[column] as number))).join(' | ')} |`;
  const rule = widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [line(head), line(rule), ...rows.map(line)];
}
