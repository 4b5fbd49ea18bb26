/** Counter-based random numbers: `import { random } from '@tesserae/tensor'`. */
export { foldIn, key, split } from './key.ts';
export type { Key } from './key.ts';
export { hasKey, next, withKey } from './ambient.ts';
export { bernoulli, bits, categorical, normal, permutation, randint, uniform } from './distributions.ts';
export type { NormalOptions, RandintOptions, UniformOptions } from './distributions.ts';
export { foldStream, philoxBits, philoxBlock, philoxUniform, splitStream } from './philox.ts';
