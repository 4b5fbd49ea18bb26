/** The command line makes no sense: the message says which word. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
