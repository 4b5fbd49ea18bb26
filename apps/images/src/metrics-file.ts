/** `metrics.json`: the figures, and what they were made with. */
import { tf } from '@tesserae/tensor';
import type { RunDescription, RunFolder } from './run-folder.ts';
import type { PriorScore, TokenizerScore } from './score.ts';

/** Contents of `metrics.json`. */
export interface Metrics {
  readonly run: RunDescription;
  readonly engine: string;
  readonly date: string;
  readonly node: string;
  readonly tokenizer?: TokenizerScore;
  readonly prior?: PriorScore;
  /** Seconds by phase. */
  readonly seconds?: Readonly<Record<string, number>>;
  /** Largest resident memory of the process, bytes. */
  readonly peakMemory: number;
}

/** Writes `metrics.json` and prints the figures. */
export async function writeMetrics(
  run: RunFolder,
  scores: Pick<Metrics, 'tokenizer' | 'prior' | 'seconds'>,
): Promise<Metrics> {
  const metrics: Metrics = {
    run: await run.description(),
    engine: tf.getBackend(),
    date: new Date().toISOString(),
    node: process.version,
    ...scores,
    peakMemory: process.resourceUsage().maxRSS * 1024,
  };
  await run.writeJson('metrics.json', metrics);
  const { tokenizer, prior } = metrics;
  if (tokenizer !== undefined) {
    const { psnr, ssim, usage, perplexity, baselines } = tokenizer;
    console.log(
      `reconstruction: ${psnr.toFixed(2)} dB PSNR (8×8 means ${baselines.psnrOf8x8Means.toFixed(2)}, 4×4 means ` +
        `${baselines.psnrOf4x4Means.toFixed(2)}), ${ssim === undefined ? '' : `SSIM ${ssim.toFixed(3)}, `}${(100 * usage).toFixed(1)} % of the codes ` +
        `used, perplexity ${perplexity.toFixed(0)}`,
    );
  }
  if (prior !== undefined) {
    console.log(
      `prior: ${prior.natsPerToken.toFixed(3)} nats per token (by frequency alone ` +
        `${prior.baselines.unigramNats.toFixed(3)}, uniform ${prior.baselines.uniformNats.toFixed(3)})`,
    );
  }
  return metrics;
}
