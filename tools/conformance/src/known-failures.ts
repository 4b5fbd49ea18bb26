/**
 * Every spec that is known to fail, with its reason: the only place where a failure is accepted. A spec that is listed
 * and passes is an error too, so that the list cannot outlive its reasons.
 */
import type { Options } from './options.ts';

/** A spec that fails, and why that is right or cannot be helped. */
export interface KnownFailure {
  /** Its full name, with the engine's name left out: `suite {} spec`. */
  readonly spec: string;
  readonly reason: string;
  /** Only in runs that these fit; everything, if left out. */
  readonly engines?: readonly Options['engine'][];
  readonly gradients?: Options['gradients'];
}

/** Where the rules of @tesserae/tensor are right, or give a gradient, and a spec wants something else. */
const gradientRules: readonly KnownFailure[] = [
  {
    spec: 'avgPool {} gradient x=[3,3,1] f=[3,3] s=1 p=explicit',
    reason:
      'The forward pass averages over the elements inside the image (4 at a corner), the expected gradient divides by the whole window (9); finite differences agree with ours.',
  },
  {
    spec: 'mirrorPad {} grad',
    reason: 'The expected gradient drops what the mirrored border hands back; finite differences agree with ours.',
  },
  {
    spec: 'mirrorPad {} gradient with clones',
    reason: 'The expected gradient drops what the mirrored border hands back; finite differences agree with ours.',
  },
  {
    spec: 'depthwiseConv2d gradients {} throws error on dilations > 1',
    reason: 'Expects that there is no gradient of dilated depthwise convolutions; there is one here.',
  },
  {
    spec: 'gradients {} errors if relevant ops are missing grads',
    reason:
      'Expects that logicalAnd has no gradient; here it is zero, so that masks made of several conditions may stand in a loss.',
  },
].map((failure) => ({ ...failure, gradients: 'tesserae' as const }));

/** What TensorFlow itself computes otherwise. */
const ofTensorflow: readonly KnownFailure[] = [
  {
    spec: 'tan {} numbers exceed float32 precision',
    reason: "TensorFlow's float32 tangent near a pole is one unit in the last place above the expected one.",
    engines: ['tensorflow'],
  },
];

/** What CUDA's own functions compute otherwise. */
const ofCuda: readonly KnownFailure[] = [
  {
    spec: 'exp {} int32',
    reason:
      'exp(10) = 22026.465795 lies between two floats that are 0.00195 apart; CUDA gives the upper, 0.001002 away, and the spec wants 0.001.',
    engines: ['xla:cuda'],
  },
];

/** See the file header. */
const knownFailures: readonly KnownFailure[] = [...gradientRules, ...ofTensorflow, ...ofCuda];

/** The failures that a run is expected to show. */
export function expectedFailures({ engine, gradients }: Pick<Options, 'engine' | 'gradients'>): Map<string, string> {
  const fitting = knownFailures.filter(
    (failure) =>
      (failure.engines?.includes(engine) ?? true) &&
      (failure.gradients === undefined || failure.gradients === gradients),
  );
  return new Map(fitting.map(({ spec, reason }) => [spec, reason]));
}
