/** Normalisation kernels against the plain CPU backend. */
import { conformance, on } from '../testing/conformance.ts';
import { between, floats } from '../testing/specimens.ts';
import { normalization } from './normalization.ts';

const x = floats(2, 3, 2, 5);
const [mean, variance, scale, offset] = [floats(5), between(0.1, 2, 5), floats(5), between(-1, 1, 5)] as const;
const close = { rtol: 1e-4, atol: 1e-5 };
const responses = [
  { depthRadius: 2, bias: 1, alpha: 0.5, beta: 0.5 },
  { depthRadius: 0, bias: 0.1, alpha: 1, beta: 0.75 },
  { depthRadius: 7, bias: 2, alpha: 0.1, beta: 1 },
];

await conformance('normalization', normalization, {
  FusedBatchNorm: [
    on({ x, mean, variance, scale, offset }, { varianceEpsilon: 1e-3 }, close),
    on({ x, mean, variance }, {}, close),
    on({ x, mean, variance, offset }, { varianceEpsilon: 0 }, close),
    on({ x, mean: floats(2, 3, 2, 5), variance: between(0.1, 1, 2, 3, 2, 5) }, { varianceEpsilon: 0.5 }, close),
  ],
  LRN: responses.map((a) => on({ x }, a, close)),
  LRNGrad: responses.map((a) => on({ x, y: between(-1, 1, 2, 3, 2, 5), dy: floats(2, 3, 2, 5) }, a, close)),
});
