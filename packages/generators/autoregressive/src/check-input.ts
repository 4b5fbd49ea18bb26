/**
 * Checks of what goes into `ImageGPT`: dtype, shape and grid, and token ids where values can be read, that is, not while
 * `compile` traces.
 */
import { isTracing, tf } from '@tesserae/tensor';
import { checkTokenRange } from '@tesserae/tokenizer';
import type { ResolvedConfig } from './config.ts';

/** @throws TypeError when the tokens are not int32. */
export function checkTokenDtype(tokens: tf.Tensor, operation: string): void {
  if (tokens.dtype !== 'int32') {
    throw new TypeError(`${operation}: tokens must be int32, got ${tokens.dtype}; convert with tokens.toInt()`);
  }
}

/**
 * Check dtype and, outside of a trace, that every id is in the vocabulary.
 *
 * @throws TypeError when the tokens are not int32, RangeError naming the first id that is out of range.
 */
export function checkTokens(tokens: tf.Tensor, config: ResolvedConfig, operation: string): void {
  checkTokenDtype(tokens, operation);
  if (!isTracing()) checkTokenRange(tokens.dataSync(), config, operation);
}

/**
 * Whole images' tokens as `[B, N]`.
 *
 * @param tokens - int32 `[B, N]` or `[B, rows, columns]`.
 * @throws RangeError when the shape is not that of the model's grid.
 */
export function flattenTokens(tokens: tf.Tensor, config: ResolvedConfig, operation: string): tf.Tensor2D {
  checkTokens(tokens, config, operation);
  const [rows, columns] = config.grid;
  const [batch = 0, ...rest] = tokens.shape;
  const flat = rest.length === 1 && rest[0] === rows * columns;
  const grid = rest.length === 2 && rest[0] === rows && rest[1] === columns;
  if (!flat && !grid) {
    throw new RangeError(
      `${operation}: tokens must be [batch, ${rows * columns}] or [batch, ${rows}, ${columns}], got ` +
        `[${tokens.shape.join(', ')}]; was the tokenizer trained for another image size?`,
    );
  }
  return tf.reshape(tokens, [batch, rows * columns]);
}

/** @throws RangeError when a condition does not have the dtype and shape of the model's type of condition. */
export function checkCondition(config: ResolvedConfig, batch: number, given: tf.Tensor | undefined): void {
  const { condition } = config;
  const fail = (expected: string): never => {
    const received = given ? `${given.dtype} [${given.shape.join(', ')}]` : 'none';
    throw new RangeError(`ImageGPT: a '${condition.type}' model takes ${expected}, got ${received}`);
  };
  const is = (dtype: string, ...shape: number[]): boolean =>
    given !== undefined && given.dtype === dtype && tf.util.arraysEqual(given.shape, shape);
  if (condition.type === 'prefix') {
    if (!is('int32', batch, condition.length)) fail(`an int32 condition of [${batch}, ${condition.length}]`);
    return;
  }
  if (given === undefined) return;
  if (condition.type === 'none') fail('no condition');
  if (condition.type === 'class' && !is('int32', batch)) fail(`int32 labels of [${batch}]`);
  if (condition.type === 'features' && !is('float32', batch, condition.length, condition.dim)) {
    fail(`a float32 condition of [${batch}, ${condition.length}, ${condition.dim}]`);
  }
}
