/** Runs a function inside a scope that is open already, and closes it when the function, or its promise, is done. */

/** `leave` is called once: after `fn` returned or threw, or after the promise that it returned is settled. */
export function inScope<R>(leave: () => void, fn: () => R): R {
  let result: R;
  try {
    result = fn();
  } catch (error) {
    leave();
    throw error;
  }
  if (result instanceof Promise) return result.finally(leave) as R;
  leave();
  return result;
}
