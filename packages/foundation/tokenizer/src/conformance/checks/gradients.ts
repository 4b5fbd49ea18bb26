import { random, tf, valueAndGrad } from '@tesserae/tensor';
import { sound, type Check } from '../check.ts';
import { notFinite } from '../compare.ts';

export const gradients: Check = {
  name: 'gradients',
  promise: 'the loss has a finite gradient that reaches every parameter, those of the encoder included',
  async run({ tokenizer, trainable, samples, seed, withoutGradient }) {
    if (!trainable) return { skipped: 'the tokenizer has no loss' };
    const parameters = tokenizer.parameters();
    if (Object.keys(parameters).length === 0) return { fault: 'there are no parameters to train' };
    const step = tf.scalar(0);
    const { value, grads } = random.withKey(random.key(seed), () =>
      valueAndGrad(() => trainable.loss(samples, { training: true, step }).loss, parameters),
    );
    const loss = await notFinite(value);
    if (loss !== undefined) return { fault: `the loss is ${loss}` };
    const unreached: string[] = [];
    for (const [name, gradient] of Object.entries(grads)) {
      const bad = await notFinite(gradient);
      if (bad !== undefined) return { fault: `the gradient of '${name}' has ${bad}` };
      const values = await gradient.data();
      if (!withoutGradient(name) && values.every((g: number) => g === 0)) unreached.push(`'${name}'`);
    }
    return unreached.length === 0 ? sound : { fault: `no gradient reaches ${unreached.join(', ')}` };
  },
};
