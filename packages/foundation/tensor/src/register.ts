/**
 * The Node build of `@tensorflow/tfjs-core` registers neither gradients nor the chained methods (`x.add(y)`), so this
 * module registers them once, at import; it is the package's only import-time effect. Nothing here picks a backend:
 * call `useEngine` first.
 */
import type * as chained from '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js';
import { registerChainedOps } from './chained.ts';
import { registerGradients } from './gradients/index.ts';

registerGradients();
registerChainedOps();

/**
 * The types of the chained methods. Exported so that the published declarations keep their reference to them: bundlers
 * of declarations drop an import that has no name.
 */
export type ChainedMethods = typeof chained;
