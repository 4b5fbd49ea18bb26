/**
 * Checks that a build computes: in a process of its own, since a library that does not fit the machine ends the process
 * that loads it.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Environment } from '@tesserae/downloads';
import type { InstalledBuild } from './installed-builds.ts';

/** What the check found. */
export interface BuildCheck {
  /** The version that TensorFlow's library says. */
  readonly version: string;
  /** True if it computes on a GPU. A GPU build that sees no GPU is installed, but does not start as an engine. */
  readonly onGpu: boolean;
  /** What was computed and compared. */
  readonly checked: readonly string[];
}

const SCRIPT = `
const { computeKnownResults } = await import(process.argv[1]);
process.stdout.write('\\n' + JSON.stringify(await computeKnownResults(JSON.parse(process.argv[2]))));
`;

/**
 * Loads a build in a new process and compares a matrix product, a convolution and gradients with their known values.
 *
 * @throws Error with what went wrong there
 */
export async function checkBuild(build: InstalledBuild, env: Environment = process.env): Promise<BuildCheck> {
  // In the workspace the packages are found through a condition that this process was given.
  const conditions = process.execArgv.flatMap((word, i, words) =>
    /^(-C|--conditions)$/.test(word) ? [word, words[i + 1] ?? ''] : /^(-C|--conditions=)./.test(word) ? [word] : [],
  );
  const here = new URL(import.meta.url.endsWith('.ts') ? 'known-results.ts' : 'known-results.js', import.meta.url);
  const words = [...conditions, '--input-type=module', '-e', SCRIPT, here.href, JSON.stringify(build)];
  try {
    const { stdout } = await promisify(execFile)(process.execPath, words, {
      env: env as NodeJS.ProcessEnv,
      timeout: 180_000,
    });
    return JSON.parse(stdout.trim().split('\n').at(-1)!) as BuildCheck;
  } catch (cause) {
    const { stderr, signal, message } = cause as { stderr?: string; signal?: string | null; message: string };
    const said = (stderr ?? '').split('\n').find((line) => /^\w*Error\b/.test(line));
    const why = said ?? (signal ? `it ended by ${signal}` : message.split('\n')[0]);
    throw new Error(
      `The TensorFlow engine was built, but does not compute here: ${why}. It was not installed. ` +
        'Its libraries need glibc 2.28 or newer and a processor with AVX.',
      { cause },
    );
  }
}
