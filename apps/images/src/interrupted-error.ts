/** Somebody pressed Ctrl-C: what was trained is in a checkpoint. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError';
}
