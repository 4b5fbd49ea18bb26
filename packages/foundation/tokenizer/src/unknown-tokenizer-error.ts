/** A tokenizer was asked for by a name that nothing answers to. */
export class UnknownTokenizerError extends Error {
  override readonly name = 'UnknownTokenizerError';
  /** What was asked for. */
  readonly asked: string;
  /** The names that would have worked. */
  readonly known: readonly string[];

  constructor(message: string, asked: string, known: readonly string[]) {
    super(message);
    this.asked = asked;
    this.known = known;
  }
}

/** Names for a message: `vq, fsq`, or `none`. */
export function listNames(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.join(', ');
}
