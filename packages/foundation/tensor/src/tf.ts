/**
 * `tf`: TensorFlow.js core, one copy for the whole workspace.
 *
 * The Node build of `@tensorflow/tfjs-core` registers neither gradients nor the chained methods (`x.add(y)`), so this
 * module registers them once, at import; it is the package's only import-time effect. Nothing here picks a backend:
 * call `useEngine` first.
 */
import { registerChainedOps } from './chained.ts';
import { registerGradients } from './gradients/index.ts';

registerGradients();
registerChainedOps();

export * from '@tensorflow/tfjs-core';
export { cumprod, cumsum } from './cumulative.ts';
