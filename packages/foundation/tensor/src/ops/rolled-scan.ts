/**
 * `scan` on an engine that runs recorded loops.
 *
 * With a gradient to come, the step's vector-Jacobian product is recorded as a second loop, which runs from the last
 * element to the first over the states that the first loop saved. Tensors that the step captures, such as weights, are
 * found on a tape of its own; their gradients are summed in the loop's state.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { LoopingBackend, LoopStep, TensorLike } from '../backend-contract.ts';
import { recordingOuterTape } from '../gradients/gradient.ts';
import { flatten } from '../tree.ts';
import type { Flattened } from '../tree.ts';
import { gradientsWithin } from './fused-kernel.ts';
import type { ScanResult, ScanStep } from './scan.ts';
import { withoutTape } from './without-tape.ts';

type Unrolled = <Carry, X, Output>(step: ScanStep<Carry, X, Output>, init: Carry, xs: X) => ScanResult<Carry, Output>;

const isFloat = ({ dtype }: TensorLike): boolean => dtype === 'float32';

/** One element of each input. */
const elements = (xs: readonly tf.Tensor[]): TensorLike[] =>
  xs.map(({ dtype, shape }) => ({ dtype, shape: shape.slice(1) }));

/** Runs `fn` with another state of the tape, and puts the tape back. */
function withTape<T>(depth: number, fn: () => T): T {
  const { state } = tf.engine();
  const { gradientDepth, kernelDepth, activeTape } = state;
  Object.assign(state, { gradientDepth: depth, kernelDepth: 0, activeTape: [] });
  try {
    return fn();
  } finally {
    Object.assign(state, { gradientDepth, kernelDepth, activeTape });
  }
}

/** Calls `fn` and finds the float tensors from outside that it uses; `given` are its arguments, made just before. */
function capturing<T>(fn: () => T, given: readonly tf.Tensor[]): { result: T; captured: tf.Tensor[] } {
  const { state } = tf.engine();
  const first = Math.min(...given.map(({ id }) => id));
  return withTape(1, () => {
    const result = fn();
    const captured = new Map<number, tf.Tensor>();
    for (const { inputs, saved } of state.activeTape as unknown as {
      inputs: tf.NamedTensorMap;
      saved?: tf.Tensor[];
    }[]) {
      for (const input of Object.values(inputs)) {
        if (input.id < first && isFloat(input)) captured.set(input.id, input);
      }
      for (const tensor of saved ?? []) tensor.dispose();
    }
    return { result, captured: [...captured.values()] };
  });
}

/** Tensors as one vector, since an op with a gradient of its own has one result. */
const pack = (tensors: readonly tf.Tensor[]): tf.Tensor =>
  tf.concat(tensors.map((tensor) => tf.reshape(tensor, [tensor.size])));

function unpack(vector: tf.Tensor, like: readonly TensorLike[]): tf.Tensor[] {
  let at = 0;
  return like.map(({ shape }) => {
    const size = tf.util.sizeFromShape([...shape]);
    const part = tf.reshape(tf.slice(vector, [at], [size]), [...shape]);
    at += size;
    return part;
  });
}

/** The scan as a loop; undefined if it has to be unrolled. */
export function rolledScan<Carry, X, Output>(
  backend: LoopingBackend,
  step: ScanStep<Carry, X, Output>,
  init: Carry,
  xs: X,
  unrolled: Unrolled,
): ScanResult<Carry, Output> | undefined {
  const [first, input] = [flatten(init), flatten(xs)];
  const all = [...first.leaves, ...input.leaves];
  if (all.some(({ dtype }) => dtype === 'string' || dtype === 'complex64')) return undefined;
  let structure: { carry: Flattened<Carry>; output: Flattened<Output> } | undefined;
  const flat: LoopStep = (carry, x) => {
    const result = step(first.rebuild(carry), input.rebuild(x));
    structure = { carry: flatten(result.carry), output: flatten(result.output) };
    if (structure.carry.leaves.length !== carry.length) {
      throw new TypeError(
        `scan: 'step' must return a carry like 'init', with ${carry.length} tensors, but it has ${structure.carry.leaves.length}.`,
      );
    }
    return { carry: structure.carry.leaves, outputs: structure.output.leaves };
  };
  const finish = (carry: readonly tf.Tensor[], outputs: readonly tf.Tensor[]): ScanResult<Carry, Output> => {
    const trees = structure as NonNullable<typeof structure>;
    return { carry: trees.carry.rebuild(carry), outputs: trees.output.rebuild(outputs) };
  };

  const { gradientDepth, kernelDepth } = tf.engine().state;
  if (gradientDepth === 0 || kernelDepth > 0) {
    const run = (): tf.TensorContainerObject => ({
      ...backend.recordLoop(flat, first.leaves, elements(input.leaves)).run(first.leaves, input.leaves, false),
    });
    const { carry, outputs } = withoutTape(run) as { carry: tf.Tensor[]; outputs: tf.Tensor[] };
    return finish(carry, outputs);
  }

  let captured: tf.Tensor[] = [];
  let made: TensorLike[] = [];
  let outputs: TensorLike[] = [];
  const saving: LoopStep = (carry, x) => {
    const found = capturing(() => flat(carry, x), [...carry, ...x]);
    captured = found.captured;
    made = [...found.result.carry, ...found.result.outputs];
    outputs = found.result.outputs.map(({ dtype, shape }) => ({ dtype, shape }));
    return { carry: found.result.carry, outputs: [...found.result.outputs, ...carry.map((state) => tf.clone(state))] };
  };
  const forward = withoutTapeOf(() => backend.recordLoop(saving, first.leaves, elements(input.leaves)));
  // Gradients are float32, and so must be what they flow through.
  if (![...first.leaves, ...made].every(isFloat)) return undefined;
  const [states, floats] = [first.leaves.length, input.leaves.filter(isFloat)];
  const pullBack: LoopStep = (gradients, seen) => {
    const [carry, x] = [seen.slice(0, states), seen.slice(states, states + input.leaves.length)];
    const dOutputs = seen.slice(states + input.leaves.length);
    const dAfter = [...gradients.slice(0, states), ...dOutputs];
    const wanted = [...carry, ...x.filter(isFloat), ...captured];
    const project = (): tf.Tensor => {
      const result = flat(carry, x);
      const parts = [...result.carry, ...result.outputs].map((value, i) =>
        tf.sum(tf.mul(value, dAfter[i] as tf.Tensor)),
      );
      return tf.addN(parts);
    };
    const { grads } = withTape(0, () => tf.engine().gradients(project, wanted, undefined, true));
    const found = wanted.map((tensor, i) => grads[i] ?? tf.zerosLike(tensor));
    const sums = captured.map((_, i) =>
      tf.add(gradients[states + i] as tf.Tensor, found[states + floats.length + i] as tf.Tensor),
    );
    return { carry: [...found.slice(0, states), ...sums], outputs: found.slice(states, states + floats.length) };
  };
  const like = (tensors: readonly TensorLike[]): TensorLike[] => tensors.map(({ dtype, shape }) => ({ dtype, shape }));
  const backward = withoutTapeOf(() =>
    backend.recordLoop(pullBack, like([...first.leaves, ...captured]), [
      ...like(first.leaves),
      ...elements(input.leaves),
      ...outputs,
    ]),
  );

  const length = (input.leaves[0] as tf.Tensor).shape[0] as number;
  const shapes = [
    ...like(first.leaves),
    ...outputs.map(({ dtype, shape }): TensorLike => ({ dtype, shape: [length, ...shape] })),
  ];
  const run = tf.customGrad((...args) => {
    const save = args[args.length - 1] as unknown as tf.GradSaveFunc;
    const result = forward.run(first.leaves, input.leaves, false);
    const saved = result.outputs.slice(outputs.length);
    // Captured tensors are saved to be alive when the loop of the gradient runs.
    save([...first.leaves, ...input.leaves, ...captured, ...saved]);
    return {
      value: pack([...result.carry, ...result.outputs.slice(0, outputs.length)]),
      gradFunc: (dy: tf.Tensor, kept: tf.Tensor[]) => {
        if (recordingOuterTape()) {
          const again = (): tf.Tensor => {
            const whole = unrolled(step, init, xs);
            return pack([...flatten(whole.carry).leaves, ...flatten(whole.outputs).leaves]);
          };
          return gradientsWithin(again, [...first.leaves, ...floats, ...captured], dy);
        }
        const inputs = kept.slice(states, states + input.leaves.length);
        const carries = kept.slice(states + input.leaves.length + captured.length);
        const parts = unpack(dy, shapes);
        const zeros = captured.map((tensor) => tf.zerosLike(tensor));
        const result = backward.run(
          [...parts.slice(0, states), ...zeros],
          [...carries, ...inputs, ...parts.slice(states)],
          true,
        );
        return [...result.carry.slice(0, states), ...result.outputs, ...result.carry.slice(states)];
      },
    };
  });
  const results = tf.tidy(() => unpack(run(...first.leaves, ...floats, ...captured), shapes));
  return finish(results.slice(0, states), results.slice(states));
}

/** Recording is no computation: nothing of it belongs on the tape, and its tensors are gone afterwards. */
function withoutTapeOf<T>(fn: () => T): T {
  let result: T | undefined;
  withoutTape(() => {
    result = fn();
    return [];
  });
  return result as T;
}
