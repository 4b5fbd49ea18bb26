/**
 * A run that several processes share: each computes its part of every step, and process 0 writes what is written.
 *
 * All of them must make the same calls in the same order. So what one of them learns alone, such as a signal, counts only
 * once all have said so.
 */
import { currentMesh, currentProcess, shard, tf } from '@tesserae/tensor';
import type { MeshAxis } from '@tesserae/tensor';
import { encodeSafetensors } from './safetensors/write.ts';
import type { SafetensorsInput } from './safetensors/write.ts';

/** Whether this process writes the files and lines of the run. */
export function isWriter(): boolean {
  return currentProcess().index === 0;
}

/** Whether `value` is true in any of the processes; all must ask. Outside of a mesh each process is on its own. */
export async function inAnyProcess(value: boolean): Promise<boolean> {
  const mesh = currentMesh();
  if (currentProcess().count === 1 || mesh === undefined) return value;
  const sum = tf.tidy(() => {
    // Every process fills in its own part.
    const flags = tf.tensor1d(new Float32Array(mesh.size).fill(value ? 1 : 0));
    return tf.sum(shard(flags, [Object.keys(mesh.axes) as MeshAxis[]]));
  });
  const [count] = await sum.data<'float32'>();
  sum.dispose();
  return (count as number) > 0;
}

/** What a process does while process 0 saves: values whose parts lie in several processes are read by all of them. */
export async function readTogether(sets: Readonly<Record<string, SafetensorsInput | undefined>>): Promise<void> {
  // In the order of `saveCheckpoint`.
  for (const set of [sets['model'], sets['optimizer'], sets['ema']]) if (set) await encodeSafetensors(set);
}
