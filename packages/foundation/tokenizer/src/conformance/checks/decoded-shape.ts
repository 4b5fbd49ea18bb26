import { sound, type Check } from '../check.ts';
import { notFinite } from '../compare.ts';

export const decodedShape: Check = {
  name: 'decoded-shape',
  promise: 'decode gives finite float32 signals of the shape that went in',
  async run({ tokenizer, samples }) {
    const decoded = tokenizer.decode(tokenizer.encode(samples));
    if (decoded.dtype !== 'float32') return { fault: `decode gives ${decoded.dtype}, expected float32` };
    if (decoded.shape.join() !== samples.shape.join()) {
      return { fault: `[${samples.shape.join(', ')}] went in, [${decoded.shape.join(', ')}] came out` };
    }
    const bad = await notFinite(decoded);
    return bad === undefined ? sound : { fault: `decode gives ${bad}` };
  },
};
