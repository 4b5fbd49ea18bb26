/** The two ways in which asking for an engine fails. Both messages end with what to do. */

/** The name is of no engine that this program knows. */
export class UnknownEngineError extends Error {
  override readonly name = 'UnknownEngineError';
  readonly engine: string;
  readonly known: readonly string[];

  constructor(engine: string, known: readonly string[], remedy: string) {
    super(`useEngine: unknown engine '${engine}'. Known here: ${known.join(', ')}. ${remedy}`);
    this.engine = engine;
    this.known = known;
  }
}

/** The engine is known, but cannot run here. There is never a silent fall to another one. */
export class EngineUnavailableError extends Error {
  override readonly name = 'EngineUnavailableError';
  readonly engine: string;
  readonly reason: string;
  readonly remedy: string;

  constructor(engine: string, reason: string, remedy: string, options?: ErrorOptions) {
    super(`useEngine: engine '${engine}' is not available: ${reason} ${remedy}`, options);
    this.engine = engine;
    this.reason = reason;
    this.remedy = remedy;
  }
}
