/** Where own kernels may run. */
import type { XlaBackend } from '../backend.ts';

/**
 * The platform that the `…Fits` predicates are asked about: `'cuda'` where kernels can run. On several devices a program is
 * partitioned by XLA, which would gather all operands of a custom call on every device: there it is `'mesh'`.
 */
export function kernelPlatform({ client, deviceMesh }: Pick<XlaBackend, 'client' | 'deviceMesh'>): string {
  return deviceMesh === undefined ? client.platform : 'mesh';
}
