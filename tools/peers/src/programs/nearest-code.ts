/** The nearest code of each vector by squared distance: the search inside a vector quantizer, always in float32. */
import { compile, ops, type tf } from '@tesserae/tensor';
import { uniform } from '../inputs.ts';
import { number, type Program } from '../program.ts';

const [codes, dim] = [8192, 64];

/** See the file header. */
export const program: Program = {
  cases: (device) => {
    const vectors = device === 'cpu' ? 8192 : 65_536;
    return [
      {
        id: 'nearest-code',
        title: `nearest code, ${vectors}×${dim} among ${codes}`,
        params: { vectors, codes, dim },
        // Two codes may be as near as rounding can tell.
        tolerance: 1e-3,
        compare: 'indices',
      },
    ];
  },
  build: (params) => {
    const dim = number(params, 'dim');
    const x = uniform('x', [number(params, 'vectors'), dim]);
    const codebook = uniform('codebook', [number(params, 'codes'), dim]);
    const nearest = compile((x: tf.Tensor, codes: tf.Tensor) => ops.nearestCode(x, codes), { name: 'nearest_code' });
    return { step: () => nearest(x, codebook) };
  },
};
