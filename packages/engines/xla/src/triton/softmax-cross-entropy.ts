/**
 * Cross entropy of given logits in one pass over them: each lane of a program keeps its own running maximum and sum, and
 * only at the end of the row they are put together. XLA reads the matrix twice, once for the maximum and once for the sum.
 *
 * Source of the running form: M. Milakov, N. Gimelshein, "Online normalizer calculation for softmax", arXiv:1805.02867. The
 * backward pass is one elementwise pass, which XLA writes as well as a kernel would.
 */
import type { Node } from '../graph/node.ts';
import { KernelBuilder } from './builder.ts';
import { powerOfTwo, tritonCall } from './custom-call.ts';
import type { Kernel } from './ir.ts';
import type { Value } from './value.ts';

/** How the kernel cuts its work. */
export interface RowTiling {
  /** Elements of a row that are read at once. */
  readonly columns: number;
  readonly warps: number;
  readonly stages: number;
}

/** Parameters: logits f32 [N, V], labels i32 [N]; then loss, logSumExp f32 [N]. One program a row. */
export function crossEntropyKernel(vocabulary: number, tiling: RowTiling): Kernel<Value> {
  const { columns } = tiling;
  const b = new KernelBuilder('cross_entropy');
  const [logits, labels] = [b.pointer('f32'), b.pointer('i32')];
  const [loss, logSumExp] = [b.pointer('f32'), b.pointer('f32')];
  const row = b.programId('x');
  const line = logits.offset(row.mul(vocabulary));
  const lanes = b.range(columns);

  const walk = (from: number, to: number, edge: boolean, state: readonly Value[]): Value[] =>
    b.for(from, to, columns, state, (start, [highest, total]) => {
      const at = start.add(lanes);
      const x = b.load(line.offset(at), edge ? at.lt(vocabulary) : undefined, -Infinity).mul(Math.LOG2E);
      const next = (highest as Value).max(x);
      // A lane that has seen only -inf: -inf - -inf is no number.
      const base = next.eq(-Infinity).select(0, next);
      return [next, (total as Value).mul((highest as Value).sub(base).exp2()).add(x.sub(base).exp2())];
    });
  let state: readonly Value[] = [b.full(-Infinity, 'f32', [columns]), b.full(0, 'f32', [columns])];
  const whole = Math.floor(vocabulary / columns) * columns;
  if (whole > 0) state = walk(0, whole, false, state);
  if (whole < vocabulary) state = walk(whole, vocabulary, true, state);
  const [highest, totals] = state as [Value, Value];
  const top = b.max(highest, 0);
  const base = top.eq(-Infinity).select(0, top);
  const total = b.sum(totals.mul(highest.sub(base).exp2()), 0);
  const result = base.add(total.log2()).mul(Math.LN2);
  const label = b.load(labels.offset(row));
  const inside = label.ge(0).and(label.lt(vocabulary));
  b.store(loss.offset(row), result.sub(b.load(line.offset(label), inside)));
  b.store(logSumExp.offset(row), result);
  return b.build();
}

/** Whether the kernel takes the call: CUDA, f32 logits that i32 can count. */
export function crossEntropyFits(platform: string, logits: Node): boolean {
  return platform === 'cuda' && logits.type === 'f32' && logits.size > 0 && logits.size < 2 ** 31;
}

/** The tiling for a vocabulary. */
function crossEntropyTiling(vocabulary: number): RowTiling {
  const columns = Math.min(2048, powerOfTwo(vocabulary, 32));
  return { columns, warps: Math.max(1, Math.min(4, columns / 512)), stages: 3 };
}

/** loss and logSumExp [N] of logits f32 [N, V] and labels i32 [N]. Ask {@link crossEntropyFits} first. */
export function crossEntropy(logits: Node, labels: Node, tiling?: RowTiling): [Node, Node] {
  const [rows, vocabulary] = logits.shape as [number, number];
  const chosen = tiling ?? crossEntropyTiling(vocabulary);
  const kernel = crossEntropyKernel(vocabulary, chosen);
  const result = { type: 'f32' as const, shape: [rows] };
  const launch = { kernel, grid: [rows, 1, 1] as const, warps: chosen.warps, stages: chosen.stages };
  return tritonCall(launch, [logits, labels], [result, result]) as [Node, Node];
}
