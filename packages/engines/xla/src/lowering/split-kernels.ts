/**
 * Kernels that each device of a mesh computes for its own examples, so that own kernels and tiled loops work there as on
 * one device: which axis of which input may be split, and which outputs are sums over the examples.
 */
import type { MeshAxis, ShardSpec } from '@tesserae/tensor';
import type { DeviceMesh } from '../sharding/placement.ts';
import { perDevice } from '../sharding/per-device.ts';
import type { OutputPart } from '../sharding/per-device.ts';
import { KernelCall } from './kernel.ts';
import type { Lowering } from './kernel.ts';
import { Node } from '../graph/node.ts';

/** For each input and output what its leading dimensions are; `sum` as in per-device.ts. */
interface Split {
  readonly inputs: Readonly<Record<string, Letters>>;
  readonly outputs: readonly (Letters | 'sum')[];
}

/** `b`: examples, over `data`; `h`: heads, over `model`; `bh`: both; empty: whole on each device. */
type Letters = '' | 'b' | 'bh';

const attention = { query: 'bh', key: 'bh', value: 'bh', mask: 'bh' } as const;
const linear = { features: 'b', weight: '', bias: '', labels: 'b' } as const;
const scan = { x: 'b', delta: 'b', a: '', b: 'b', c: 'b', skip: '' } as const;

const splits: Readonly<Record<string, Split>> = {
  FlashAttention: { inputs: attention, outputs: ['bh', 'bh'] },
  FlashAttentionGrad: {
    inputs: { ...attention, out: 'bh', logSumExp: 'bh', dOut: 'bh' },
    outputs: ['bh', 'bh', 'bh'],
  },
  SoftmaxCrossEntropy: { inputs: { logits: 'b', labels: 'b' }, outputs: ['b', 'b'] },
  LinearCrossEntropy: { inputs: linear, outputs: ['b', 'b'] },
  LinearCrossEntropyGrad: { inputs: { ...linear, logSumExp: 'b', dLoss: 'b' }, outputs: ['b', 'sum', 'sum'] },
  NearestCode: { inputs: { x: 'b', codebook: '' }, outputs: ['b'] },
  SelectiveScan: { inputs: scan, outputs: ['b', 'b'] },
  SelectiveScanGrad: {
    inputs: { ...scan, states: 'b', dY: 'b' },
    outputs: ['b', 'b', 'sum', 'b', 'b', 'sum'],
  },
};

/** A call whose inputs are given as nodes: the part of one device. */
class LocalCall extends KernelCall {
  override readonly perDevice: boolean = true;
  readonly #nodes: ReadonlyMap<string, Node>;

  constructor(call: KernelCall, nodes: ReadonlyMap<string, Node>) {
    super(call.backend, call.inputs, call.attrs());
    this.#nodes = nodes;
  }

  override node(name: string): Node {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new Error(`internal: xla splits a kernel without its input '${name}'.`);
    return node;
  }
}

/** The nodes of a kernel on a mesh; undefined if it is none of these, or its sizes cannot be split. */
export function splitKernel(
  name: string,
  lowering: Lowering,
  call: KernelCall,
  mesh: DeviceMesh,
): Node | Node[] | undefined {
  const split = splits[name];
  if (split === undefined) return undefined;
  const names = Object.keys(split.inputs).filter((input) => call.has(input));
  const nodes = names.map((input) => call.node(input));
  /** Whether every input that has the dimension can be split there, apart from those that it is 1 in (masks). */
  const divides = (letter: 'b' | 'h', axis: MeshAxis): boolean => {
    const parts = mesh.mesh.axes[axis] ?? 1;
    return names.every((input, i) => {
      const position = (split.inputs[input] as Letters).indexOf(letter);
      const size = position < 0 ? parts : sizeAt(input, nodes[i] as Node, position);
      return size % parts === 0 || (input === 'mask' && size === 1);
    });
  };
  const usable = { b: divides('b', 'data'), h: mesh.mesh.axes.model !== undefined && divides('h', 'model') };
  if (!usable.b && !usable.h) return undefined;
  const specOf = (letters: Letters, sizes?: readonly number[]): ShardSpec =>
    [...letters].map((letter, position) => {
      if (sizes?.[position] === 1 && letters === 'bh' && sizes.length === 4) return null;
      if (letter === 'b') return usable.b ? 'data' : null;
      return usable.h ? 'model' : null;
    });
  const specs = names.map((input, i) => {
    const { shape } = nodes[i] as Node;
    const letters = split.inputs[input] as Letters;
    if (input !== 'mask') return specOf(letters);
    // A mask's dimensions are aligned at the end of [B, H, T, S].
    return specOf(letters, [...Array<number>(4 - shape.length).fill(1), ...shape]).slice(4 - shape.length);
  });
  const outputs = split.outputs.map((part): OutputPart => {
    if (part !== 'sum') return specOf(part);
    return usable.b ? 'sum' : [];
  });
  const results = perDevice(
    mesh,
    nodes.map((node, i) => ({ node, spec: specs[i] as ShardSpec })),
    outputs,
    (local) => {
      const lowered = lowering(new LocalCall(call, new Map(names.map((input, i) => [input, local[i] as Node]))));
      if ('tensors' in lowered) throw new Error(`internal: xla splits ${name}, which makes tensors itself.`);
      return lowered instanceof Node ? [lowered] : lowered;
    },
  );
  return split.outputs.length === 1 ? results[0] : results;
}

function sizeAt(input: string, { shape }: Node, position: number): number {
  return shape[input === 'mask' ? position - (4 - shape.length) : position] ?? 1;
}
