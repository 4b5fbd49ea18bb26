/** The command line itself is wrong; exit code 2, where a failed command has 1. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
