/** Helpers for tests of tensor programs: `import { checkGradients } from '@tesserae/tensor/testing'`. No test framework. */
import '../register.ts';

export { availableEngines } from './available-engines.ts';
export { checkGradients } from './check-gradients.ts';
export type { CheckGradientsOptions } from './check-gradients.ts';
export { expectClose } from './expect-close.ts';
export type { CloseOptions, Numbers } from './expect-close.ts';
export { expectNoLeak } from './expect-no-leak.ts';
export { opCases } from './op-cases.ts';
export type { OpCase } from './op-cases.ts';
export { randomCases } from './random-cases.ts';
