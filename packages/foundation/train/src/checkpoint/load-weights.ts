/** The weights of a checkpoint into a model, for sampling and evaluation: the averages where there are some. */
import { tree } from '@tesserae/tensor';
import type { LoadOptions, Module } from '@tesserae/nn';
import { loadCheckpoint } from './checkpoint.ts';
import type { CheckpointState } from './state.ts';

/** Options of {@link loadWeights}. */
export interface LoadWeightsOptions extends LoadOptions {
  /** Take the moving averages where the checkpoint has them. Default true. */
  readonly ema?: boolean;
}

/**
 * Loads a checkpoint's weights into a model.
 *
 * @returns The checkpoint's state: step, configuration, ….
 * @throws CheckpointError on a bad checkpoint, StateMismatchError where it does not fit the model.
 *
 * @example
 * const { step } = await loadWeights(model, 'runs/digits/checkpoint');
 */
export async function loadWeights(
  model: Module,
  folder: string,
  options: LoadWeightsOptions = {},
): Promise<CheckpointState> {
  const { ema = true, ...loadOptions } = options;
  const checkpoint = await loadCheckpoint(folder);
  try {
    const averages = Object.entries((ema && checkpoint.ema) || {})
      .filter(([name]) => name.startsWith('average.'))
      .map(([name, tensor]) => [name.slice('average.'.length), tensor] as const);
    model.load({ ...checkpoint.model, ...Object.fromEntries(averages) }, loadOptions);
    return checkpoint.state;
  } finally {
    tree.dispose({ ...checkpoint });
  }
}
