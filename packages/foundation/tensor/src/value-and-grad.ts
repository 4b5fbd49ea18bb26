/** A loss, what else it computed, and its gradients with respect to named variables. */
import * as tf from '@tensorflow/tfjs-core';
import { leaves } from './tree.ts';

/** Result of {@link valueAndGrad}; all tensors belong to the caller (or its `tidy`). */
export interface ValueAndGrad<Aux> {
  /** The loss, a float32 scalar. */
  readonly value: tf.Scalar;
  /** What the function returned as `aux`; undefined if it returned the loss alone. */
  readonly aux: Aux;
  /** For each variable its gradient, of its shape; zero where the loss does not depend on it. */
  readonly grads: Record<string, tf.Tensor>;
}

/**
 * Evaluates `fn` and differentiates its loss by each of `params`.
 *
 * @param fn returns the loss (float32 scalar), or `{ loss, aux }` with a tree of further tensors.
 * @param params the variables, by name.
 * @throws TypeError if the loss is not a float32 scalar.
 *
 * @example
 * const { value, grads } = valueAndGrad(() => tf.mean(tf.square(tf.sub(model.call(x), y))) as tf.Scalar, model.parameters());
 */
export function valueAndGrad<Aux = undefined>(
  fn: () => tf.Scalar | { loss: tf.Scalar; aux?: Aux },
  params: Record<string, tf.Variable>,
): ValueAndGrad<Aux> {
  const names = Object.keys(params);
  const variables = names.map((name) => {
    const variable = params[name] as tf.Variable;
    if (!(variable instanceof tf.Variable)) {
      throw new TypeError(`valueAndGrad: 'params.${name}' must be a tf.Variable. Pass model.parameters().`);
    }
    return variable;
  });
  let aux: Aux | undefined;
  let made: tf.Tensor | undefined;
  const escaping: tf.Tensor[] = [];
  const firstScope = tf.engine().state.nextScopeId;
  // engine.gradients rather than tf.variableGrads: that one drops frozen variables, demands that one is reached and
  // names gradients by the variables' own names.
  const forward = (): tf.Tensor => {
    const result = fn();
    const loss = result instanceof tf.Tensor ? result : result.loss;
    if (!(loss instanceof tf.Tensor) || loss.rank !== 0 || loss.dtype !== 'float32') {
      const got =
        loss instanceof tf.Tensor
          ? `${(loss as tf.Tensor).dtype} [${(loss as tf.Tensor).shape.join(', ')}]`
          : typeof loss;
      throw new TypeError(
        `valueAndGrad: the loss must be a float32 scalar, but got ${got}. Reduce it with tf.mean or tf.sum.`,
      );
    }
    if (!(result instanceof tf.Tensor)) {
      aux = result.aux;
      // The scope of the gradient would dispose what was made inside. Tensors from outside stay their owner's.
      for (const leaf of leaves(aux)) {
        if (leaf.kept || leaf instanceof tf.Variable || !(leaf.scopeId >= firstScope)) continue;
        escaping.push(tf.keep(leaf));
      }
    }
    if (!loss.kept && loss.scopeId >= firstScope) made = loss;
    return loss;
  };
  if (variables.length === 0) {
    const value = tf.tidy(forward) as tf.Scalar;
    handOver(escaping);
    return { value, aux: aux as Aux, grads: {} };
  }
  const { state } = tf.engine();
  // Inside of another gradient the tape is that one's, too.
  const start = state.gradientDepth > 0 ? (state.activeTape?.length ?? 0) : 0;
  let value: tf.Tensor;
  let grads: tf.Tensor[];
  try {
    ({ value, grads } = tf.engine().gradients(forward, variables, undefined, true));
  } catch (error) {
    // What ops saved for a gradient that never comes is kept from every scope.
    for (const { saved } of state.activeTape?.splice(start) ?? []) for (const tensor of saved ?? []) tensor.dispose();
    for (const tensor of escaping) tensor.dispose();
    made?.dispose();
    throw error;
  }
  handOver(escaping);
  return {
    value: value as tf.Scalar,
    aux: aux as Aux,
    grads: Object.fromEntries(names.map((name, i) => [name, grads[i] ?? tf.zerosLike(variables[i] as tf.Variable)])),
  };
}

/** Gives kept tensors to the enclosing scope, if there is one. */
function handOver(tensors: readonly tf.Tensor[]): void {
  const scope = tf.engine().state.activeScope;
  for (const tensor of tensors) {
    tensor.kept = false;
    if (scope == null) continue;
    tensor.scopeId = scope.id;
    scope.track.push(tensor);
  }
}
