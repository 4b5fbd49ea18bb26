/**
 * From the start of the process to the first finished training step of the GPT: `cold` with nothing compiled before, `warm`
 * with what an earlier run of the same program left in its cache.
 */
import type { Params, Program } from '../program.ts';
import { program as gpt } from './gpt-step.ts';

/** See the file header. */
export const program: Program = {
  cases: (device) => {
    const [float32] = gpt.cases(device);
    return (['cold', 'warm'] as const).map((start) => ({
      id: `start-up.${start}`,
      title: `start-up to the first GPT step, ${start === 'cold' ? 'nothing compiled before' : 'compiled before'}`,
      params: float32?.params as Params,
      tolerance: 1e-3,
      start,
    }));
  },
  build: (params) => gpt.build(params),
};
