/** From a policy to the codebook that follows it. */
import type { Codebook, CodebookConfig } from './codebook.ts';
import { EmaCodebook } from './ema-codebook.ts';
import { FrozenCodebook } from './frozen-codebook.ts';
import { LearnedCodebook } from './learned-codebook.ts';
import type { CodebookPolicy } from './policy.ts';

/** Build the codebook of a policy; draws its codes from the ambient key. */
export function createCodebook(config: CodebookConfig, policy: CodebookPolicy): Codebook {
  switch (policy.kind) {
    case 'ema':
      return new EmaCodebook(config, policy);
    case 'learned':
      return new LearnedCodebook(config, policy);
    case 'frozen':
      return new FrozenCodebook(config);
  }
}
