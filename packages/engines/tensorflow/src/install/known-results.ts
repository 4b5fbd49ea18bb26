/** A few results that are known without computing them, held against a build. Runs in the process of `checkBuild`. */
import { tf } from '@tesserae/tensor';
import { startBackend } from '../start-backend.ts';
import type { BuildCheck } from './check-build.ts';
import type { InstalledBuild } from './installed-builds.ts';

/**
 * Starts a build in this process and compares.
 *
 * @throws Error that names the result that differs
 */
export async function computeKnownResults(build: InstalledBuild): Promise<BuildCheck> {
  const { backend, version, onGpu } = startBackend(build);
  tf.registerBackend('tensorflow', () => backend);
  await tf.setBackend('tensorflow');
  const checked: string[] = [];
  const compare = async (what: string, result: tf.Tensor, expected: readonly number[]): Promise<void> => {
    const values = [...(await result.data())];
    if (values.length !== expected.length || values.some((value, i) => Math.abs(value - expected[i]!) > 1e-4)) {
      throw new Error(`${what}: expected ${expected.join(', ')}, received ${values.join(', ')}.`);
    }
    checked.push(what);
  };

  const a = tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]);
  await compare('matMul', tf.matMul(a, a, false, true), [14, 32, 32, 77]);
  const image = tf.ones<tf.Rank.R4>([1, 3, 3, 1]);
  const filter = tf.ones<tf.Rank.R4>([3, 3, 1, 1]);
  await compare('conv2d', tf.conv2d(image, filter, 1, 'same'), [4, 6, 4, 6, 9, 6, 4, 6, 4]);
  const gradients = tf.grads((x: tf.Tensor, w: tf.Tensor) =>
    tf.sum(tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, 'same')),
  )([image, filter]);
  await compare('gradient of conv2d by the image', gradients[0]!, [4, 6, 4, 6, 9, 6, 4, 6, 4]);
  await compare('gradient of conv2d by the filter', gradients[1]!, [4, 6, 4, 6, 9, 6, 4, 6, 4]);
  return { version, onGpu, checked };
}
