import { validateSpec } from '../../spec.ts';
import { describeTokenizer } from '../../saved-description.ts';
import { sound, type Check } from '../check.ts';
import { build } from '../training.ts';

export const description: Check = {
  name: 'description',
  promise: 'kind, spec and config describe the tokenizer: create(config) builds one with the same spec',
  run({ tokenizer, factory, samples }) {
    const { spec, config } = tokenizer;
    validateSpec(spec);
    const given = samples.shape.slice(1);
    if (spec.shape.join() !== given.join()) {
      return { fault: `spec.shape is [${spec.shape.join(', ')}], the samples are [${given.join(', ')}]` };
    }
    if (!Array.isArray(config.shape) || config.shape.join() !== spec.shape.join()) {
      return { fault: `config.shape is [${String(config.shape)}], spec.shape is [${spec.shape.join(', ')}]` };
    }
    const text = describeTokenizer(tokenizer); // throws where config is not plain JSON
    if (!factory) return sound;
    if (factory.kind !== tokenizer.kind) {
      return { fault: `the factory's kind is '${factory.kind}', that of its tokenizer is '${tokenizer.kind}'` };
    }
    const saved = JSON.parse(text) as { config: typeof config };
    using again = build(factory, saved.config, 0);
    const [before, after] = [describeTokenizer(tokenizer), describeTokenizer(again)];
    return before === after ? sound : { fault: `create(config) builds something else: ${after} instead of ${before}` };
  },
};
