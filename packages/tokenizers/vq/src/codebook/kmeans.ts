/**
 * K-means (Lloyd 1982) as the initialisation of a codebook.
 *
 * Codes that start where the latents are get used from the first step; codes drawn from a prior mostly never are
 * (specs of this package measured 17.6 % against 10.5 % usage for moving averages without revival).
 * As in vector-quantize-pytorch: start from vectors of the batch, empty clusters keep their mean, and in cosine mode
 * means return to the sphere.
 */
import { ops, random, tf } from '@tesserae/tensor';
import { assign } from './assignment.ts';
import type { Assignment } from './assignment.ts';
import { normalise } from './normalise.ts';

/** Result of `kmeans`. */
export interface KMeans {
  /** `[K, D]`. */
  readonly means: tf.Tensor2D;
  /** `[K]`: vectors in each cluster, at the last assignment. */
  readonly counts: tf.Tensor1D;
}

/** Options of `kmeans`. */
export interface KMeansOptions {
  /** K, the number of clusters. */
  readonly clusters: number;
  /** Rounds of assignment and averaging. Default 10. */
  readonly iterations?: number;
  /** Keep means at unit length (spherical k-means). Default false. */
  readonly cosine?: boolean;
  /** Chooses the vectors to start from. */
  readonly key: random.Key;
}

/**
 * Cluster vectors around K means.
 *
 * Fewer vectors than clusters are allowed: the start is then drawn with replacement, the duplicates stay empty.
 *
 * @param vectors - float32 `[N, D]`, N at least 1.
 * @throws RangeError without vectors.
 */
export function kmeans(vectors: tf.Tensor2D, options: KMeansOptions): KMeans {
  const { clusters, iterations = 10, cosine = false, key } = options;
  const count = vectors.shape[0];
  if (count === 0) throw new RangeError('kmeans: vectors must hold at least one row, got shape [0, D]');
  return tf.tidy(() => {
    const chosen =
      count >= clusters
        ? random.permutation(key, count).slice([0], [clusters])
        : random.randint(key, [clusters], { min: 0, max: count });
    let means = tf.gather(vectors, chosen as tf.Tensor1D) as tf.Tensor2D;
    if (cosine) means = normalise(means);
    let counts: tf.Tensor1D = tf.zeros([clusters]);
    for (let iteration = 0; iteration < iterations; iteration++) {
      const before: KMeans = { means, counts };
      const after = tf.tidy(() => {
        const assignment = assign(vectors, ops.nearestCode(vectors, before.means), clusters);
        return { means: lloydMeans(before.means, assignment, cosine), counts: assignment.counts };
      });
      tf.dispose([before.means, before.counts]);
      ({ means, counts } = after);
    }
    return { means, counts };
  });
}

/** One averaging step: the mean of each cluster, or the old mean where the cluster is empty. `[K, D]`. */
export function lloydMeans(means: tf.Tensor2D, { counts, sums }: Assignment, cosine: boolean = false): tf.Tensor2D {
  const column = counts.reshape([-1, 1]); // [K, 1]
  const averages = sums.div(column.maximum(1)) as tf.Tensor2D;
  const filled = tf.where(column.greater(0), cosine ? normalise(averages) : averages, means) as tf.Tensor2D;
  return filled;
}
