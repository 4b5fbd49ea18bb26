/** Fourier transforms against the plain CPU backend. */
import { conformance, on } from '../testing/conformance.ts';
import { complexes } from '../testing/specimens.ts';
import { fourier } from './fourier.ts';

const close = { rtol: 1e-4, atol: 1e-4 };
const cases = [complexes(8), complexes(3, 12), complexes(2, 2, 7), complexes(1), complexes(2, 97)].map((input) =>
  on({ input }, {}, close),
);

await conformance('fourier', fourier, { FFT: cases, IFFT: cases });
