/**
 * How a codebook changes while a model trains: the three policies, as one discriminated union of plain JSON.
 *
 * A codebook follows the data by moving averages (van den Oord et al. 2017, appendix A.1; VQ-VAE-2), is a parameter
 * that learns by gradient (the 2017 paper's own rule, VQGAN, LlamaGen), or stays as it is. Options that only make
 * sense under one policy live inside it, so combinations that cannot be cannot be written. These are type aliases, not
 * interfaces, so that TypeScript sees that they are JSON.
 */

/** When a code counts as dead, and what happens to it. Checked at every training step, after the codebook's update. */
export type Revival =
  /** Dead below this expected number of hits per batch. At balance a code has N/K hits: stay well below that. */
  | { readonly threshold: number; readonly resetSize?: number }
  /** Dead below this share of the balanced count N/K: 0.1 suits any batch size, and is what the literature settles at. */
  | { readonly share: number; readonly resetSize?: number };

/** Codes are moving averages of the latents that chose them. No gradient reaches the codebook. */
export type EmaPolicy = {
  readonly kind: 'ema';
  /** γ, the weight of the past. Default 0.99. */
  readonly decay?: number;
  /** ε of the Laplace smoothing of the counts. Default 1e-5. */
  readonly epsilon?: number;
  /** Replacement of dead codes by random latents of the batch. Default `{ share: 0.1 }`; `false` for none. */
  readonly revival?: Revival | false;
};

/** The codebook is a parameter: the optimizer moves it along the gradient of `weight · mse(sg(latents), codes)`. */
export type LearnedPolicy = {
  readonly kind: 'learned';
  /** Weight of the codebook term. Default 1. */
  readonly weight?: number;
  /** Weight of the orthogonality regulariser, which keeps codes apart. Default 0; the paper uses 10. */
  readonly orthogonality?: number;
  /** γ of the hit counts that revival looks at. Default 0.99. */
  readonly decay?: number;
  /** Replacement of dead codes by random latents of the batch. Default `false`. */
  readonly revival?: Revival | false;
};

/** The codebook never changes after its initialisation. */
export type FrozenPolicy = {
  readonly kind: 'frozen';
};

/** How the codebook changes in training. Default `{ kind: 'ema' }`. */
export type CodebookPolicy = EmaPolicy | LearnedPolicy | FrozenPolicy;

/** What the codes are before the first step. */
export type CodebookInit =
  /** Lloyd's algorithm on the latents given to `prepare`; uniform until then. `iterations` defaults to 10. */
  | { readonly kind: 'kmeans'; readonly iterations?: number }
  /** U(−bound, bound); `bound` defaults to 1/K, as in VQGAN. */
  | { readonly kind: 'uniform'; readonly bound?: number }
  /** N(0, std²); `std` defaults to 1. */
  | { readonly kind: 'normal'; readonly std?: number };

/**
 * Refuse policies that cannot work.
 *
 * @throws RangeError naming the option, its value and the range allowed.
 */
export function checkPolicy(policy: CodebookPolicy): void {
  const within = (name: string, value: number | undefined, test: (v: number) => boolean, range: string): void => {
    if (value !== undefined && !test(value)) {
      throw new RangeError(`VectorQuantizer: codebook.${name} must be ${range}, got ${value}`);
    }
  };
  if (policy.kind === 'frozen') return;
  within('decay', policy.decay, (v) => v >= 0 && v < 1, 'in [0, 1)');
  if (policy.kind === 'ema') within('epsilon', policy.epsilon, (v) => v >= 0 && v < 1, 'in [0, 1)');
  if (policy.kind === 'learned') {
    within('weight', policy.weight, (v) => v >= 0 && Number.isFinite(v), 'zero or more');
    within('orthogonality', policy.orthogonality, (v) => v >= 0 && Number.isFinite(v), 'zero or more');
  }
  if (policy.revival) {
    const { revival } = policy;
    if ('share' in revival) {
      within('revival.share', revival.share, (v) => v > 0 && v < 1, 'in (0, 1): at 1 it would replace healthy codes');
    } else {
      within('revival.threshold', revival.threshold, (v) => v > 0 && Number.isFinite(v), 'above zero');
    }
    within('revival.resetSize', revival.resetSize, (v) => v > 0 && Number.isFinite(v), 'above zero');
  }
}
