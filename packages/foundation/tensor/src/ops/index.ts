/** Ops that training generative models needs and TensorFlow.js lacks: `import { ops } from '@tesserae/tensor'`. */
export { stopGradient } from './stop-gradient.ts';
export { straightThrough } from './straight-through.ts';
