/** The programs, in the order of the table. One line adds one. */
import type { ProgramEntry } from './program.ts';

/** See the file header. */
export const programs: readonly ProgramEntry[] = [
  { name: 'matmul-chain', load: () => import('./programs/matmul-chain.ts') },
  { name: 'conv-step', load: () => import('./programs/conv-step.ts') },
  { name: 'nearest-code', load: () => import('./programs/nearest-code.ts') },
  { name: 'gpt-step', load: () => import('./programs/gpt-step.ts') },
  { name: 'tokenizer-step', load: () => import('./programs/tokenizer-step.ts') },
  { name: 'decode', load: () => import('./programs/decode.ts') },
  { name: 'unet-step', load: () => import('./programs/unet-step.ts') },
  { name: 'attention', load: () => import('./programs/attention.ts') },
  { name: 'linear-cross-entropy', load: () => import('./programs/linear-cross-entropy.ts') },
  { name: 'fft-conv', load: () => import('./programs/fft-conv.ts') },
  { name: 'associative-scan', load: () => import('./programs/associative-scan.ts') },
  { name: 'selective-scan', load: () => import('./programs/selective-scan.ts') },
  { name: 'start-up', load: () => import('./programs/start-up.ts') },
  { name: 'tracing', load: () => import('./programs/tracing.ts') },
  { name: 'tiny-op', load: () => import('./programs/tiny-op.ts') },
];
