import { checkTokenRange, checkTokens } from '../../spec.ts';
import { sound, type Check } from '../check.ts';
import { notFinite } from '../compare.ts';

export const tokenRange: Check = {
  name: 'token-range',
  promise: 'encode gives tokens of the dtype and shape that spec says, in range and finite',
  async run({ tokenizer, samples }) {
    const tokens = tokenizer.encode(samples);
    checkTokens(tokens, tokenizer.spec, 'encode');
    if (tokens.shape[0] !== samples.shape[0]) {
      return { fault: `${samples.shape[0]} signals became ${tokens.shape[0]} rows of tokens` };
    }
    if (tokenizer.spec.kind === 'discrete') {
      checkTokenRange(await tokens.data(), tokenizer.spec, 'encode');
      return sound;
    }
    const bad = await notFinite(tokens);
    return bad === undefined ? sound : { fault: `a token holds ${bad}` };
  },
};
