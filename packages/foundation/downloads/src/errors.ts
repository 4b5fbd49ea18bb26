/**
 * The two ways in which an engine's native part, a plugin, cannot be had, as classes that callers catch: it is not
 * available (nothing installed, index unreachable, no build for this machine), or what arrived is not what was pinned.
 */

/** An engine's native part is not there and could not be fetched. The WASM engine can serve instead. */
export class PluginUnavailableError extends Error {
  override readonly name = 'PluginUnavailableError';
  /** What a person can do about it, in one line. */
  readonly remedy: string;

  /**
   * @param reason what was tried and what happened
   * @param remedy what a person can do, one line
   * @param options the underlying error as `cause`
   */
  constructor(reason: string, remedy: string, options?: ErrorOptions) {
    super(`${reason} ${remedy}`, options);
    this.remedy = remedy;
  }
}

/** A downloaded file differs from its pinned hash or size, or is not a safe archive. Nothing of it is kept. */
export class PluginIntegrityError extends Error {
  override readonly name = 'PluginIntegrityError';
}
