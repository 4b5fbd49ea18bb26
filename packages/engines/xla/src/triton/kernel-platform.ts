/** Where own kernels may run. */
import type { KernelCall } from '../lowering/kernel.ts';

/**
 * The platform that the `…Fits` predicates are asked about: `'cuda'` where kernels can run. On several devices a program is
 * partitioned by XLA, which would gather all operands of a custom call on every device: there it is `'mesh'`, but for the
 * part of a program that each device computes for itself.
 */
export function kernelPlatform({ backend, perDevice }: Pick<KernelCall, 'backend' | 'perDevice'>): string {
  return backend.deviceMesh === undefined || perDevice ? backend.client.platform : 'mesh';
}
