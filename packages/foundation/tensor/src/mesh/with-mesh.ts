/**
 * Computing on a mesh: the scope, and the annotation that says how a tensor lies on it.
 *
 * Inside the scope every tensor is a full copy on each device until `shard` says otherwise, and every program, compiled
 * or eager, is one program over all devices. Results do not depend on the mesh but for the rounding of sums.
 */
import * as tf from '@tensorflow/tfjs-core';
import { computesOnMeshes } from '../backend-contract.ts';
import { inScope } from '../in-scope.ts';
import { checkMesh, checkSpec } from './mesh.ts';
import { describe } from '../ops/check.ts';
import type { Mesh, ShardSpec } from './mesh.ts';

/** Thrown where a mesh is asked for that the engine cannot provide. */
export class MeshError extends Error {
  override readonly name = 'MeshError';
}

/** The mesh of the innermost scope; undefined outside of any. */
export function currentMesh(): Mesh | undefined {
  const backend = tf.backend();
  return computesOnMeshes(backend) ? backend.mesh : undefined;
}

/**
 * Which of the processes that compute together this is, `{ index: 0, count: 1 }` for a process of its own. All of them run
 * the same program and read the same values; files are written by process 0.
 */
export function currentProcess(): { readonly index: number; readonly count: number } {
  const backend = tf.backend();
  return computesOnMeshes(backend) ? backend.processes : { index: 0, count: 1 };
}

/** The scopes that are open, the innermost last: flows that overlap, though they should not, do not end in order. */
const scopes = new WeakMap<object, { readonly mesh: Mesh }[]>();

/**
 * Runs `fn` on several devices. If it returns a promise, the mesh stays until that is settled: do not overlap it with
 * another flow that computes.
 *
 * Tensors from before are copied to the devices when they are used; tensors made inside can be read outside.
 *
 * @throws TypeError if `mesh` is none, MeshError if the engine computes on one device only, or has fewer devices.
 *
 * @example
 * const loss = withMesh(mesh({ data: 4 }), () => step(shard(batch, ['data'])));
 */
export function withMesh<R>(mesh: Mesh, fn: () => R): R {
  checkMesh('withMesh', mesh);
  const backend = tf.backend();
  if (!computesOnMeshes(backend)) {
    throw new MeshError(
      `withMesh: engine '${tf.getBackend()}' computes on one device, but the mesh has ${mesh.size}. Use an engine of @tesserae/xla.`,
    );
  }
  const open = scopes.get(backend) ?? [];
  scopes.set(backend, open);
  backend.useMesh(mesh);
  const scope = { mesh };
  open.push(scope);
  const leave = (): void => {
    open.splice(open.indexOf(scope), 1);
    backend.useMesh(open.at(-1)?.mesh);
  };
  return inScope(leave, fn);
}

/**
 * Lays a tensor out over the mesh in use: the same values, split as `spec` says. In a compiled function it is a demand on
 * the value at that place, from which XLA works out all others. Without a mesh it does nothing, so code can always call
 * it. Its gradient is laid out the same way.
 *
 * To lay a variable out for good: `variable.assign(shard(variable, spec))`, outside of compiled functions.
 *
 * @returns A tensor that the caller (or its `tidy`) owns.
 * @throws TypeError if `x` is no tensor of numbers, RangeError if the shape cannot be split as asked, naming both.
 *
 * @example
 * shard(images, ['data']); // [B, H, W, C], B / n examples on each device
 * shard(weight, [null, 'model']); // a block of columns on each device
 */
export function shard<T extends tf.Tensor>(x: T, spec: ShardSpec): T {
  if (!(x instanceof tf.Tensor) || x.dtype === 'string') {
    throw new TypeError(`shard: 'x' must be a tensor of numbers, but got ${describe(x)}.`);
  }
  const mesh = currentMesh();
  if (mesh === undefined) return tf.clone(x);
  checkSpec('shard', x.shape, spec, mesh);
  const place = (value: tf.Tensor): tf.Tensor =>
    tf.engine().runKernel('Shard', { x: value } as {}, { spec } as unknown as tf.NamedAttrMap) as tf.Tensor;
  const differentiable = tf.customGrad((value) => ({
    value: place(value as tf.Tensor),
    gradFunc: (dy: tf.Tensor) => shard(dy, spec),
  }));
  return differentiable(x) as T;
}
