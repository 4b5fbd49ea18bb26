/** Stopping safely: the first SIGINT or SIGTERM asks for a stop after the current step, the second one ends the process. */

/** Whether somebody wants the run to stop. */
export interface Interrupt extends Disposable {
  readonly requested: boolean;
}

/**
 * Watches an AbortSignal if there is one, else the process's SIGINT and SIGTERM.
 *
 * @param onRequest - Called once.
 */
export function watchInterrupt(signal: AbortSignal | undefined, onRequest: () => void): Interrupt {
  let requested = signal?.aborted ?? false;
  const request = (): void => {
    stop();
    requested = true;
    onRequest();
  };
  const names = ['SIGINT', 'SIGTERM'] as const;
  // Removing the handlers gives the next signal its usual effect.
  const stop = (): void => {
    signal?.removeEventListener('abort', request);
    for (const name of names) process.removeListener(name, request);
  };
  if (signal) signal.addEventListener('abort', request, { once: true });
  else for (const name of names) process.once(name, request);
  return {
    get requested() {
      return requested;
    },
    [Symbol.dispose]: stop,
  };
}
