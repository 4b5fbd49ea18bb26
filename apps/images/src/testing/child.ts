/** `tesserae-images` in a process of its own, which a test may kill. */
import { spawn } from 'node:child_process';

/** How a process ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Standard output and standard error. */
  readonly output: string;
}

/** A signal to send `delay` milliseconds after the progress line of step `step`. */
export interface Blow {
  readonly step: number;
  readonly delay: number;
  readonly signal: NodeJS.Signals;
}

const bin = new URL('../bin.ts', import.meta.url).pathname;

/** Runs a command to its end, or to the blow's. */
export function child(words: readonly string[], blow?: Blow): Promise<Ending> {
  const started = spawn(process.execPath, ['-C', '@tesserae/source', bin, ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let struck = false;
  const listen = (chunk: Buffer): void => {
    output += chunk.toString();
    const steps = [...output.matchAll(/(\d+)\/\d+ \(\d+ %\)/g)].map((match) => Number(match[1]));
    if (blow === undefined || struck || !steps.some((step) => step >= blow.step)) return;
    struck = true;
    setTimeout(() => started.kill(blow.signal), blow.delay);
  };
  started.stdout.on('data', listen);
  started.stderr.on('data', listen);
  return new Promise((resolve, reject) => {
    started.on('error', reject);
    started.on('close', (code, signal) => resolve({ code, signal, output }));
  });
}
