/** Errors of the XLA engine. */

/** XLA or the plugin refused something; the message is the plugin's own, after what we were doing. */
export class XlaError extends Error {
  override readonly name = 'XlaError';

  /** What was being done. */
  readonly operation: string;
  /** The plugin's own message. */
  readonly detail: string;

  constructor(operation: string, detail: string) {
    super(`xla: ${operation} failed: ${detail}`);
    this.operation = operation;
    this.detail = detail;
  }
}
