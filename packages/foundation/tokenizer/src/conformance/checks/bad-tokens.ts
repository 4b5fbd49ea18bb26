import { tf } from '@tesserae/tensor';
import { tokensShape } from '../../spec.ts';
import { sound, type Check, type Finding } from '../check.ts';

export const badTokens: Check = {
  name: 'bad-tokens',
  promise: 'decode refuses tokens of another dtype or shape, and ids outside the vocabulary, naming what it got',
  run({ tokenizer }): Finding {
    const { spec } = tokenizer;
    const shape = tokensShape(spec, 2);
    const dtype = spec.kind === 'discrete' ? 'int32' : 'float32';
    const refused = (what: string, tokens: tf.Tensor, named: string): string | undefined => {
      try {
        tokenizer.decode(tokens);
      } catch (error) {
        const { message } = error as Error;
        return message.includes(named)
          ? undefined
          : `${what} are refused, but the error does not say ${named}: ${message}`;
      }
      return `${what} are decoded without an error`;
    };
    const other = dtype === 'int32' ? 'float32' : 'int32';
    const faults = [
      refused(`tokens of dtype ${other}`, tf.zeros(shape, other), other),
      refused('tokens with an axis too many', tf.zeros([...shape, 1], dtype), [...shape, 1].join(', ')),
    ];
    if (spec.kind === 'discrete') {
      const { vocabulary } = spec;
      faults.push(
        refused(`ids of ${vocabulary}`, tf.fill(shape, vocabulary, 'int32'), String(vocabulary)),
        refused('ids of -1', tf.fill(shape, -1, 'int32'), '-1'),
      );
    }
    const fault = faults.find((found) => found !== undefined);
    return fault === undefined ? sound : { fault };
  },
};
