/**
 * What a backend offers to `compile` beyond TensorFlow.js's kernels. A backend without it still runs every compiled
 * function, op by op.
 */
import type * as tf from '@tensorflow/tfjs-core';
import type { Mesh } from './mesh/mesh.ts';

/** One compiled function on one backend. */
export interface Program<A extends unknown[], R> {
  call(...args: A): R;
  /** How often the function was traced: once for each combination of shapes, dtypes and static arguments. */
  readonly traces: number;
  dispose(): void;
}

/** A backend that can turn a function of tensors into one program. */
export interface CompilingBackend extends tf.KernelBackend {
  /**
   * Compiles `fn`. The tensors of the arguments numbered `donate` are disposed by the caller after each call: a program
   * may put results into their memory where no other tensor shares it.
   */
  compileFunction<A extends unknown[], R>(
    fn: (...args: A) => R,
    name: string,
    donate?: readonly number[],
  ): Program<A, R>;
}

/** Whether the backend compiles. */
export function isCompiling(backend: tf.KernelBackend): backend is CompilingBackend {
  return typeof (backend as Partial<CompilingBackend>).compileFunction === 'function';
}

/** What a tensor will be like. */
export interface TensorLike {
  readonly dtype: tf.DataType;
  readonly shape: readonly number[];
}

/** State and outputs of a step or of a loop. */
export interface LoopResult {
  readonly carry: tf.Tensor[];
  readonly outputs: tf.Tensor[];
}

/** One turn of a loop: from the state and one element of each input to the next state, of the same types, and outputs. */
export type LoopStep = (carry: tf.Tensor[], x: tf.Tensor[]) => LoopResult;

/** A loop whose step was recorded. Tensors that the step captured must be alive while it can run. */
export interface RecordedLoop {
  /**
   * Runs it over the leading axis of `xs`, from the last element to the first if `reverse`.
   *
   * @returns the last state, and for each output all turns' values, in the order of `xs`.
   */
  run(init: readonly tf.Tensor[], xs: readonly tf.Tensor[], reverse: boolean): LoopResult;
}

/** A backend that can run a loop whose step is called once, with tensors that have no values. */
export interface LoopingBackend extends tf.KernelBackend {
  recordLoop(step: LoopStep, init: readonly TensorLike[], x: readonly TensorLike[]): RecordedLoop;
}

/** Whether the backend runs recorded loops. */
export function isLooping(backend: tf.KernelBackend): backend is LoopingBackend {
  return typeof (backend as Partial<LoopingBackend>).recordLoop === 'function';
}

/** A backend that can make one program of several devices. It has a kernel `Shard` ({ x }, { spec: ShardSpec }). */
export interface MeshBackend extends tf.KernelBackend {
  /** What it computes on; undefined for one device. */
  readonly mesh: Mesh | undefined;
  /** Which of the processes that compute together this is; one of one otherwise. */
  readonly processes: { readonly index: number; readonly count: number };
  /**
   * Computes on a mesh from now on. What was asked for before is finished as it was asked for.
   *
   * @throws MeshError if there are not enough devices.
   */
  useMesh(mesh: Mesh | undefined): void;
}

/** Whether the backend computes on meshes. */
export function computesOnMeshes(backend: tf.KernelBackend): backend is MeshBackend {
  return typeof (backend as Partial<MeshBackend>).useMesh === 'function';
}

/** A backend that has kernels for whole ops but is quicker with the plain ops for some sizes. */
export interface ChoosingBackend extends tf.KernelBackend {
  /** Whether the composed form shall be used in place of `kernel` for inputs of these shapes. */
  prefersComposed(kernel: string, shapes: readonly (readonly number[])[]): boolean;
}

/** Whether the backend chooses between its kernels and the composed forms. */
export function choosesForms(backend: tf.KernelBackend): backend is ChoosingBackend {
  return typeof (backend as Partial<ChoosingBackend>).prefersComposed === 'function';
}
