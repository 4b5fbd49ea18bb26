/** The largest value inside a program, read from its text: what bounds the memory that it needs beside its arguments. */
import { tf } from '@tesserae/tensor';
import type { XlaBackend } from '../backend.ts';

/** Elements of the largest tensor of the program that `run` would compile first; it is neither compiled nor run. */
export function largestTensor(run: () => void): number {
  const { programs } = tf.backend() as XlaBackend;
  const { compile } = programs;
  let text: string | undefined;
  const stopped = new Error('the text is all that is wanted');
  programs.compile = (module) => {
    text = module;
    throw stopped;
  };
  try {
    run();
  } catch (error) {
    if (text === undefined) throw error;
  } finally {
    programs.compile = compile;
  }
  const shapes = [...(text ?? '').matchAll(/tensor<((?:\d+x)*)[a-z]/g)].map(([, dims]) => dims ?? '');
  if (shapes.length === 0) throw new Error('largestTensor: nothing was compiled.');
  const sizes = shapes.map((dims) => dims.split('x').reduce((size, length) => size * Number(length || 1), 1));
  return Math.max(...sizes);
}
