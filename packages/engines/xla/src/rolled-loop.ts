/**
 * `ops.scan` as one `stablehlo.while`: the step is recorded once, with placeholders for the state and for one element of
 * the inputs, and its nodes become the body of the loop.
 *
 * What the step computes from neither placeholder does not change between turns: it stays outside and goes in through the
 * loop's state, like everything that the step captures.
 */
import { runTrace, tf } from '@tesserae/tensor';
import type { LoopResult, LoopStep, RecordedLoop, TensorLike } from '@tesserae/tensor';
import type { XlaBackend } from './backend.ts';
import { add, compare, constant, dynamicSlice, dynamicUpdateSlice, reshape, subtract } from './graph/hlo.ts';
import { index, whileLoop } from './graph/loop.ts';
import { Node } from './graph/node.ts';
import { bufferType } from './pjrt/element-type.ts';
import { Trace } from './trace.ts';

/** What a recorded step consists of. */
interface Body {
  /** Placeholders: the state, then one element of each input. */
  readonly placeholders: readonly Node[];
  readonly carry: readonly Node[];
  readonly outputs: readonly Node[];
  readonly outputTypes: readonly tf.DataType[];
}

function makeTensor(backend: XlaBackend, node: Node, dtype: tf.DataType): tf.Tensor {
  const { dataId, shape } = backend.output(node, dtype);
  return tf.engine().makeTensorFromDataId(dataId, shape, dtype, backend);
}

function record(backend: XlaBackend, step: LoopStep, init: readonly TensorLike[], x: readonly TensorLike[]): Body {
  const engine = tf.engine();
  const outer = backend.trace;
  // Outside of compile nothing may be computed meanwhile: placeholders have no values.
  const own = outer === undefined ? new Trace() : undefined;
  backend.trace = outer ?? own;
  engine.startScope('scan');
  try {
    const placeholders: Node[] = [];
    const stand = ({ dtype, shape }: TensorLike): tf.Tensor => {
      const node = new Node(bufferType(dtype), shape);
      placeholders.push(node);
      return makeTensor(backend, node, dtype);
    };
    const carry = init.map(stand);
    const element = x.map(stand);
    const result = runTrace(() => step(carry, element));
    result.carry.forEach((after, i) => {
      const { dtype, shape } = init[i] as TensorLike;
      if (after.dtype === dtype && tf.util.arraysEqual(after.shape, [...shape])) return;
      throw new TypeError(
        `scan: 'step' must return a carry like 'init', ${dtype} [${shape.join(', ')}] for tensor ${i}, but got ${after.dtype} [${after.shape.join(', ')}].`,
      );
    });
    const nodes = (tensors: readonly tf.Tensor[]): Node[] => tensors.map((tensor) => backend.nodeOf(tensor));
    return {
      placeholders,
      carry: nodes(result.carry),
      outputs: nodes(result.outputs),
      outputTypes: result.outputs.map(({ dtype }) => dtype),
    };
  } finally {
    engine.endScope();
    backend.trace = outer;
    for (const node of own?.constants.values() ?? []) backend.release(node);
  }
}

/** The nodes that depend on a placeholder, operands first, and what they take from outside. */
function dissect({ placeholders, carry, outputs }: Body): { inside: Node[]; captured: Node[] } {
  const depends = new Map<Node, boolean>();
  for (const node of placeholders) depends.set(node, true);
  const inside: Node[] = [];
  const captured = new Set<Node>();
  const stack: { node: Node; position: number }[] = [];
  // Nodes without operands (constants, ramps) are written where they are used.
  const free = (node: Node): boolean => node.operation?.inputs.length === 0;
  const take = (node: Node): void => {
    if (depends.get(node) !== true && !free(node)) captured.add(node);
  };
  for (const output of [...carry, ...outputs]) {
    stack.push({ node: output, position: 0 });
    while (stack.length > 0) {
      const top = stack[stack.length - 1] as { node: Node; position: number };
      const operands = top.node.operation?.inputs ?? [];
      const next = depends.has(top.node) ? undefined : operands[top.position++];
      if (next !== undefined) {
        if (!depends.has(next)) stack.push({ node: next, position: 0 });
        continue;
      }
      stack.pop();
      if (depends.has(top.node)) continue;
      const needed = operands.some((operand) => depends.get(operand) === true);
      depends.set(top.node, needed);
      if (!needed) continue;
      inside.push(top.node);
      operands.forEach(take);
    }
    take(output);
  }
  return { inside, captured: [...captured] };
}

/** Records a step, to be run as a loop now or later. */
export function recordLoop(
  backend: XlaBackend,
  step: LoopStep,
  init: readonly TensorLike[],
  x: readonly TensorLike[],
): RecordedLoop {
  const body = record(backend, step, init, x);
  const { inside, captured } = dissect(body);
  return { run: (carry, xs, reverse) => run(backend, body, inside, captured, carry, xs, reverse) };
}

function run(
  backend: XlaBackend,
  body: Body,
  inside: readonly Node[],
  captured: readonly Node[],
  init: readonly tf.Tensor[],
  xs: readonly tf.Tensor[],
  reverse: boolean,
): LoopResult {
  const length = (xs[0] as tf.Tensor).shape[0] as number;
  const [states, results, inputs] = [init.length, body.outputs.length, xs.length];
  const initial = [
    index(0),
    ...init.map((x) => backend.nodeOf(x)),
    ...body.outputs.map(({ type, shape }) => constant(0, type, [length, ...shape])),
    ...xs.map((x) => backend.nodeOf(x)),
    ...captured,
  ];
  const final = whileLoop(
    initial,
    ([turn]) => compare('LT', turn as Node, index(length)),
    ([turn, ...state]) => {
      const at = reverse ? subtract(index(length - 1), turn as Node) : (turn as Node);
      const corner = (shape: readonly number[]): Node[] => [at, ...shape.map(() => index(0))];
      const buffers = state.slice(states, states + results);
      const fixed = state.slice(states + results);
      const names = new Map<Node, Node>();
      body.placeholders.forEach((placeholder, i) => {
        const { shape } = placeholder;
        const whole = fixed[i - states] as Node;
        const value = i < states ? state[i] : reshape(dynamicSlice(whole, corner(shape), [1, ...shape]), shape);
        names.set(placeholder, value as Node);
      });
      captured.forEach((node, i) => names.set(node, fixed[inputs + i] as Node));
      const inBody = (node: Node): Node => names.get(node) ?? node;
      for (const node of inside) {
        const { operation } = node;
        if (operation === undefined) continue;
        names.set(node, new Node(node.type, node.shape, { ...operation, inputs: operation.inputs.map(inBody) }));
      }
      const written = body.outputs.map((output, i) => {
        const value = reshape(inBody(output), [1, ...output.shape]);
        return dynamicUpdateSlice(buffers[i] as Node, value, corner(output.shape));
      });
      return [add(turn as Node, index(1)), ...body.carry.map(inBody), ...written, ...fixed];
    },
  );
  return {
    carry: init.map(({ dtype }, i) => makeTensor(backend, final[1 + i] as Node, dtype)),
    outputs: body.outputTypes.map((dtype, i) => makeTensor(backend, final[1 + states + i] as Node, dtype)),
  };
}
