/**
 * Learning-rate schedules, evaluated on the device so that a compiled step needs no new constants.
 *
 * A schedule maps the index of the current update (0 for the first), a float32 scalar, to a rate. Warm-ups rise from
 * peak/warmup at the first update to peak, so that no update is wasted on a rate of 0.
 */
import { tf } from '@tesserae/tensor';
import { checkWhole } from '../check.ts';

/** From the index of the update, a float32 scalar, to the learning rate, a float32 scalar. Must be traceable. */
export type Schedule = (step: tf.Scalar) => tf.Scalar;

/** Always `rate`. */
export function constant(rate: number): Schedule {
  return () => tf.scalar(rate);
}

/** Options of {@link cosine}. */
export interface CosineOptions {
  /** Highest rate. */
  readonly peak: number;
  /** Number of updates in all; the rate stays at `floor` afterwards. */
  readonly total: number;
  /** Updates of linear rise at the start. Default 0. */
  readonly warmup?: number;
  /** Last rate. Default 0. */
  readonly floor?: number;
}

/** Linear warm-up, then half a cosine: floor + (peak − floor) · ½(1 + cos(π · progress)) (arXiv 1608.03983, no restarts). */
export function cosine(options: CosineOptions): Schedule {
  const { peak, total, warmup = 0, floor = 0 } = options;
  checkWhole('cosine', 'total', total);
  checkWhole('cosine', 'warmup', warmup, 0);
  return (step) =>
    tf.tidy(() => {
      const progress = tf.clipByValue(tf.div(tf.sub(step, warmup), Math.max(1, total - warmup)), 0, 1);
      const decayed = tf.add(tf.mul(tf.add(tf.cos(tf.mul(progress, Math.PI)), 1), (peak - floor) / 2), floor);
      return rise(step, peak, warmup, decayed);
    });
}

/** Options of {@link warmupLinear}. */
export interface WarmupLinearOptions {
  /** Highest rate. */
  readonly peak: number;
  /** Updates of linear rise at the start. */
  readonly warmup: number;
  /** Where the rate has fallen linearly to `floor`. Default: never, it stays at `peak`. */
  readonly total?: number;
  /** Last rate. Default 0. */
  readonly floor?: number;
}

/** Linear warm-up, then constant, or linear down to `floor` at `total`. */
export function warmupLinear(options: WarmupLinearOptions): Schedule {
  const { peak, warmup, total, floor = 0 } = options;
  checkWhole('warmupLinear', 'warmup', warmup, 0);
  if (total !== undefined) checkWhole('warmupLinear', 'total', total);
  return (step) =>
    tf.tidy(() => {
      if (total === undefined) return rise(step, peak, warmup, tf.scalar(peak));
      const progress = tf.clipByValue(tf.div(tf.sub(step, warmup), Math.max(1, total - warmup)), 0, 1);
      return rise(step, peak, warmup, tf.add(tf.mul(progress, floor - peak), peak));
    });
}

/** Options of {@link inverseSquareRoot}. */
export interface InverseSquareRootOptions {
  /** Highest rate, reached after the warm-up. */
  readonly peak: number;
  /** Updates of linear rise at the start, at least 1. */
  readonly warmup: number;
}

/** Linear warm-up, then peak · √(warmup / step): Vaswani et al. 2017 (arXiv 1706.03762), fairseq's `inverse_sqrt`. */
export function inverseSquareRoot(options: InverseSquareRootOptions): Schedule {
  const { peak, warmup } = options;
  checkWhole('inverseSquareRoot', 'warmup', warmup);
  return (step) =>
    tf.tidy(() => {
      const decayed = tf.mul(tf.sqrt(tf.div(warmup, tf.maximum(tf.add(step, 1), warmup))), peak);
      return rise(step, peak, warmup, decayed);
    });
}

/** peak · (step + 1) / warmup during the warm-up, `after` from then on. */
function rise(step: tf.Scalar, peak: number, warmup: number, after: tf.Tensor): tf.Scalar {
  if (warmup === 0) return after as tf.Scalar;
  return tf.where(tf.less(step, warmup), tf.mul(tf.add(step, 1), peak / warmup), after) as tf.Scalar;
}
