/**
 * Lets the C allocator keep large blocks, which programs on the CPU ask for at every run.
 *
 * XLA's CPU client takes the temporary memory of a program from `malloc`, as one block. glibc maps a block of more than
 * 32 MB from the kernel and unmaps it when it is freed, so a training step touches every page for the first time, each
 * time: 29,000 page faults a step for a small GPT, a fifth of its time. With these settings (mallopt(3)) such blocks come
 * from the heap and stay there. Only the main thread's heap can grow that far, so programs must run on the calling
 * thread, which is the client option `asynchronous: false`.
 */
import { cFunction } from './native.ts';

/** Names of mallopt(3). */
const [trimThreshold, mmapThreshold, mmapMaximum] = [-1, -3, -4] as const;

let done = false;

/** Once for the process. Memory that was in use at the peak stays with the process afterwards. No-op without glibc. */
export function keepLargeBlocks(): void {
  if (done || process.platform !== 'linux') return;
  done = true;
  let set: (name: number, value: number) => number;
  try {
    set = cFunction('libc.so.6', 'mallopt', 'int', ['int', 'int']) as typeof set;
  } catch {
    return;
  }
  set(trimThreshold, -1); // never give the top of the heap back
  // glibc before 2.35 refuses a threshold above 32 MB; then no block is mapped at all.
  if (set(mmapThreshold, 2 ** 31 - 1) === 0) set(mmapMaximum, 0);
}
