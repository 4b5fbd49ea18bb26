/**
 * Parameters and buffers: the variables that a `Module` holds.
 *
 * A parameter is trained, a buffer is not (running statistics, codebooks that follow a moving average, fixed tables).
 * Both are saved. TensorFlow.js wants variable names to be unique in the whole process; they are made here and mean
 * nothing: the name that counts is the path of the field, see `Module`.
 */
import { tf } from '@tesserae/tensor';
import { checkWhole } from './check.ts';
import type { Initializer } from './initializers.ts';

let created = 0;

/** A name that no other variable of this process has. */
export function uniqueVariableName(role: string): string {
  return `tesserae/${role}/${created++}`;
}

/** Options of {@link parameter}. */
export interface ParameterOptions {
  /** Whether optimizers change it. Default true. */
  readonly trainable?: boolean;
}

/**
 * A float32 variable with initial values.
 *
 * @param shape - Any rank; sizes of at least 0.
 * @param init - Where the values come from; random initialisers draw `random.next()` of the ambient key.
 * @returns A variable that the caller owns: put it into a field of a `Module`.
 * @throws RangeError on a shape that cannot be, or when `init` returns another one.
 *
 * @example
 * this.weight = parameter([3, 3, inputs, outputs], init.kaimingUniform());
 */
export function parameter(shape: readonly number[], init: Initializer, options: ParameterOptions = {}): tf.Variable {
  shape.forEach((size, axis) => checkWhole('parameter', `shape[${axis}]`, size, 0));
  const { trainable = true } = options;
  let variable: tf.Variable | undefined;
  tf.tidy(() => {
    const values = init(shape);
    if (!tf.util.arraysEqual(values.shape, [...shape])) {
      throw new RangeError(
        `parameter: 'init' must return shape [${shape.join(', ')}], got [${values.shape.join(', ')}].`,
      );
    }
    variable = tf.variable(values, trainable, uniqueVariableName(trainable ? 'parameter' : 'buffer'));
  });
  return variable as tf.Variable;
}

/**
 * A variable that is saved but not trained.
 *
 * @param values - Initial values of any dtype. Not disposed: the caller (or its `tidy`) still owns this tensor.
 */
export function buffer<R extends tf.Rank>(values: tf.Tensor<R>): tf.Variable<R> {
  return tf.variable(values, false, uniqueVariableName('buffer'));
}
