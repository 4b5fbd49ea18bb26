/** All kernels that become StableHLO, one line a family. */
import { attentions } from './attention.ts';
import { convolutions } from './convolution.ts';
import { counting } from './counting.ts';
import { crossEntropies } from './cross-entropy.ts';
import { einsums } from './einsum.ts';
import { elementwise } from './elementwise.ts';
import { fourier } from './fourier.ts';
import { images } from './image.ts';
import { indexing } from './indexing.ts';
import type { Lowerings } from './kernel.ts';
import { linearCrossEntropies } from './linear-cross-entropy.ts';
import { linearRecurrences } from './linear-recurrence.ts';
import { products } from './matmul.ts';
import { morphology } from './morphology.ts';
import { nearestCodes } from './nearest-code.ts';
import { multinomials } from './multinomial.ts';
import { normalization } from './normalization.ts';
import { pooling } from './pooling.ts';
import { random } from './random.ts';
import { reductions } from './reduction.ts';
import { selectiveScans } from './selective-scan.ts';
import { shapes } from './shape.ts';
import { shard } from './shard.ts';
import { sorting } from './sorting.ts';
import { transforms } from './transform.ts';
import { sliceUpdates } from './update-slice.ts';

/** See the file header. */
export const lowerings: Lowerings = {
  ...elementwise,
  ...reductions,
  ...products,
  ...convolutions,
  ...shapes,
  ...indexing,
  ...random,
  ...multinomials,
  ...pooling,
  ...normalization,
  ...nearestCodes,
  ...images,
  ...transforms,
  ...shard,
  ...sorting,
  ...counting,
  ...einsums,
  ...fourier,
  ...morphology,
  ...attentions,
  ...crossEntropies,
  ...linearCrossEntropies,
  ...linearRecurrences,
  ...selectiveScans,
  ...sliceUpdates,
};
