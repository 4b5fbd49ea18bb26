/**
 * TensorFlow.js's `multinomial`: the same draws as its CPU backend, which takes one stream of uniform numbers for every
 * row. The numbers come from the host, where the seed is; the search for the outcomes is part of the program.
 *
 * The seed changes at each call unless it is given, so a compiled function, which would draw once for all calls, refuses:
 * `random.categorical` takes a key.
 */
import { isTracing, tf } from '@tesserae/tensor';
import { apply, reduceKeeping } from '../graph/broadcast.ts';
import { broadcastInDim, compare, constant, convert, reduce, reduceWindow, slice, unary } from '../graph/hlo.ts';
import { Node } from '../graph/node.ts';
import type { KernelCall, Lowerings } from './kernel.ts';

function softmax(logits: Node): Node {
  const exponentials = unary(
    'exponential',
    apply('subtract', logits, reduceKeeping('maximum', logits, -Infinity, [1])),
  );
  return apply('divide', exponentials, reduceKeeping('add', exponentials, 0, [1]));
}

/** f32 [count] in [0, 1) as a leaf of the program, without the tensor: a kernel must not leave one behind. */
function uniform(count: number, seed: number): Node {
  const numbers = tf.randomUniform([count], 0, 1, 'float32', seed);
  const leaf = new Node('f32', [count]);
  leaf.host = numbers.dataSync<'float32'>();
  numbers.dispose();
  return leaf;
}

/** logits [B, K] -> i32 [B, samples]. */
function multinomial(call: KernelCall): Node {
  const { numSamples, seed, normalized } = call.attrs<{ numSamples: number; seed: number; normalized: boolean }>();
  if (isTracing()) {
    throw new Error(
      'multinomial: a compiled function would draw the same samples at every call. Use random.categorical of @tesserae/tensor with a key.',
    );
  }
  const logits = convert(call.node('logits'), 'f32');
  const [batch, outcomes] = logits.shape as [number, number];
  const shape = [batch, numSamples];
  if (outcomes < 2) return constant(0, 'i32', shape);
  const probabilities = normalized ? logits : softmax(logits);
  // The last outcome is what is left, so its sum is not needed.
  const but = outcomes - 1;
  const sums = reduceWindow('add', slice(probabilities, [0, 0], [batch, but]), 0, {
    size: [1, but],
    strides: [1, 1],
    padding: [
      [0, 0],
      [but - 1, 0],
    ],
  }); // [B, K - 1]
  const draws = uniform(numSamples, seed); // [S]
  const all = [batch, numSamples, but];
  const passed = compare('LE', broadcastInDim(sums, all, [0, 2]), broadcastInDim(draws, all, [1]));
  return reduce('add', convert(passed, 'i32'), 0, [2]);
}

/** See the file header. */
export const multinomials: Lowerings = { Multinomial: multinomial };
