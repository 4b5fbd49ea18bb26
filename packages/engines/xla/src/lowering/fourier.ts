/** Fourier transforms of the last axis. Real transforms are composed of these by TensorFlow.js. */
import { fft } from '../graph/hlo.ts';
import type { Lowerings } from './kernel.ts';

/** See the file header. */
export const fourier: Lowerings = {
  FFT: (call) => fft(call.node('input'), 'FFT'),
  IFFT: (call) => fft(call.node('input'), 'IFFT'),
};
