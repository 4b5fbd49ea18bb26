/**
 * Several processes that compute together: which one this is, and where they meet. `tesserae launch` says so in the
 * environment; a scheduler of a cluster can do the same.
 */

/** See the file header. */
export interface ProcessGroup {
  /** Number of this process, from 0. */
  readonly index: number;
  /** Number of processes. */
  readonly count: number;
  /** Address of the key-value server, as numbers: `127.0.0.1`. */
  readonly host: string;
  readonly port: number;
  /** What the server expects before each request: 32 characters. */
  readonly token: string;
}

/** The variables of the environment that say it. */
export const processVariables = {
  index: 'TESSERAE_NODE',
  count: 'TESSERAE_NODES',
  coordinator: 'TESSERAE_COORDINATOR',
  token: 'TESSERAE_TOKEN',
} as const;

/**
 * Reads the environment; undefined for a process of its own.
 *
 * @throws RangeError naming the variable that is missing or makes no sense.
 */
export function processGroup(
  env: Readonly<Record<string, string | undefined>> = process.env,
): ProcessGroup | undefined {
  const value = (name: keyof typeof processVariables): string => env[processVariables[name]] ?? '';
  if (value('count') === '' || value('count') === '1') return undefined;
  const fail = (name: keyof typeof processVariables, expected: string): never => {
    throw new RangeError(
      `${processVariables[name]} must be ${expected}, got '${value(name)}'. Start the program with \`tesserae launch --nodes N -- COMMAND\`.`,
    );
  };
  const count = Number(value('count'));
  const index = Number(value('index') === '' ? NaN : value('index'));
  if (!Number.isSafeInteger(count) || count < 1) fail('count', 'the number of processes');
  if (!Number.isSafeInteger(index) || index < 0 || index >= count)
    fail('index', `a whole number from 0 to ${count - 1}`);
  const [, host, port] = /^(\d+\.\d+\.\d+\.\d+):(\d+)$/.exec(value('coordinator')) ?? [];
  if (host === undefined) fail('coordinator', 'an address such as 127.0.0.1:4711');
  if (!/^[0-9a-f]{32}$/.test(value('token'))) fail('token', '32 hexadecimal digits');
  return { index, count, host: host as string, port: Number(port), token: value('token') };
}
