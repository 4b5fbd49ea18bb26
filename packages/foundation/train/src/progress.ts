/**
 * The progress of a run in a line: step, loss and its terms, rate, time left, memory.
 *
 * On a terminal the line is rewritten in place; elsewhere (a file, a pipe, CI) every log interval gives a plain line.
 */
import { styleText } from 'node:util';

/** What a line shows. */
export interface Progress {
  readonly name?: string | undefined;
  readonly step: number;
  readonly steps: number;
  readonly loss: number;
  readonly terms: Readonly<Record<string, number>>;
  /** Steps a second. */
  readonly rate: number;
  readonly secondsLeft: number;
  /** Bytes of main memory. */
  readonly memory: number;
}

/** `75/600 (12 %)  loss 0.1234  commitment 0.0312  3.41 steps/s  2m34s left  512 MB`. */
export function formatProgress(progress: Progress): string {
  const { name, step, steps, loss, terms, rate, secondsLeft, memory } = progress;
  const width = String(steps).length;
  return [
    `${name ? `${name} ` : ''}${String(step).padStart(width)}/${steps} (${Math.floor((100 * step) / steps)} %)`,
    ...Object.entries({ loss, ...terms }).map(([term, value]) => `${term} ${formatNumber(value)}`),
    formatRate(rate),
    ...(step < steps ? [`${formatDuration(secondsLeft)} left`] : []),
    formatBytes(memory),
  ].join('  ');
}

/** Four significant digits, without exponents where they are not needed. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size === 0) return '0';
  return size >= 1e5 || size < 1e-4 ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

/** `3.41 steps/s`, or `2.5 s/step` for slow ones. */
export function formatRate(rate: number): string {
  if (!(rate > 0) || !Number.isFinite(rate)) return '– steps/s';
  if (rate >= 1000) return `${Math.round(rate)} steps/s`;
  return rate >= 1 ? `${rate.toPrecision(3)} steps/s` : `${(1 / rate).toPrecision(3)} s/step`;
}

/** `45s`, `2m05s`, `3h07m`, `2d04h`. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m${two(s % 60)}s`;
  if (s < 86400) return `${Math.floor(s / 3600)}h${two((s % 3600) / 60)}m`;
  return `${Math.floor(s / 86400)}d${two((s % 86400) / 3600)}h`;
}

/** `512 MB`, `3.2 GB`. */
export function formatBytes(bytes: number): string {
  const mega = bytes / 2 ** 20;
  return mega < 1024 ? `${Math.round(mega)} MB` : `${(mega / 1024).toFixed(1)} GB`;
}

/** Where lines go. */
export interface ProgressTarget {
  /** Shows the state of the run; `final` for one that stays. */
  progress(line: string, final: boolean): void;
  /** A message of its own. */
  message(line: string): void;
}

/** The part of a stream that is needed here. */
export interface TextStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** A terminal gets one line that changes, anything else a line each time. */
export function progressTarget(log?: (line: string) => void, stream: TextStream = process.stdout): ProgressTarget {
  if (log) return { progress: (line, final) => final && log(line), message: log };
  if (!stream.isTTY) {
    const write = (line: string): void => void stream.write(`${line}\n`);
    return { progress: (line, final) => final && write(line), message: write };
  }
  const clear = '\r\u001b[2K';
  let shown = '';
  const show = (line: string): void => {
    // A line that wraps could not be rewritten.
    shown = line.slice(0, Math.max(20, (stream.columns ?? 80) - 1));
    stream.write(clear + styleText('cyan', shown));
  };
  return {
    progress(line, final) {
      if (!final) return show(line);
      stream.write(`${clear}${line}\n`);
      shown = '';
    },
    message(line) {
      stream.write(`${clear}${line}\n`);
      if (shown) show(shown);
    },
  };
}
