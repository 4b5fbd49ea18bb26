/** Whose line it was: for errors of ops, which otherwise point into TensorFlow.js. */

/** The first line of a call stack that is not TensorFlow.js, this package or the XLA engine, without `at`. */
export function callerLine(stack: string | undefined): string | undefined {
  const own = /tfjs-|tf-core|tf-backend|(xla|tensor)[\\/](src|dist)[\\/](?!.*\.test\.)|node:/;
  return stack
    ?.split('\n')
    .find((line) => /^\s*at /.test(line) && !own.test(line))
    ?.trim();
}
