/** What `fit` takes and returns. */
import type { Ema, Module, Optimizer } from '@tesserae/nn';
import type { Mesh, random } from '@tesserae/tensor';
import type { BatchSource, OnDevice } from './batch.ts';
import type { Json } from './checkpoint/state.ts';
import type { TensorBoardWriter } from './logs/tensorboard.ts';
import type { Sharding } from './sharding.ts';
import type { Loss } from './train-step.ts';

/** Numbers of steps between things; 0 for never. */
export interface Intervals {
  /** Log line. Default 50; the first and last step are logged too. */
  readonly log?: number;
  /** Checkpoint. Default 500; one is made at the end in any case. */
  readonly checkpoint?: number;
  /** Call of `validate`. Default 500; also at the end. */
  readonly validate?: number;
  /** Call of `onSample`. Default 500; also at the end. */
  readonly sample?: number;
}

/** What callbacks are told. */
export interface FitMoment {
  /** Number of updates made. */
  readonly step: number;
  /** TensorBoard's writer, for pictures; undefined without `out`. */
  readonly board: TensorBoardWriter | undefined;
}

/** Options of `fit`. */
export interface FitOptions<B> {
  /** Shown in front of the progress line and as the name of the program. Default none. */
  readonly name?: string;
  /** What learns: its parameters are updated, its buffers saved along. */
  readonly model: Module;
  /** The objective. Runs inside `compile`: it reads no values. Dropout draws from the ambient key. */
  readonly loss: Loss<OnDevice<B>>;
  /** Batches; when they end, they start again. With `state` and `restore` a run can be resumed exactly. */
  readonly data: BatchSource<B>;
  /** Initialised by `fit`, unless it has been. Its state stays with the caller: `dispose` it after. */
  readonly optimizer: Optimizer;
  /** Number of updates in all, those before a resume included. */
  readonly steps: number;
  /** Of all random draws. Default 0. */
  readonly seed?: number;
  /** Largest norm of all gradients together. Default: no clipping. */
  readonly clip?: number;
  /**
   * Checks the result of every op of the step, and stops with the first that makes NaN or an infinity and the line that
   * called it (`checkNumerics` of @tesserae/tensor): for the second run, after one that ended in `NonFiniteError`. The
   * step becomes much slower. Default false.
   */
  readonly checkNumerics?: boolean;
  /** Decay of a moving average of the parameters, or an `Ema`. Default: none. */
  readonly ema?: number | Ema;
  /** Number of batches whose gradients are averaged for one update. Default 1. */
  readonly accumulate?: number;
  /**
   * Called with the first batch before the first step, and not on resume: k-means of a codebook, for example. A model
   * with a method `prepare` needs it: `(batch, key) => model.prepare(batch.images, key)`, or false to go without.
   */
  readonly prepare?: ((batch: OnDevice<B>, key: random.Key) => void | Promise<void>) | false;
  /** Folder for `checkpoint/`, `log.jsonl` and TensorBoard events. Default: nothing is written. */
  readonly out?: string;
  /** How often. */
  readonly every?: Intervals;
  /** Measures the model, with the averages in the parameters' place: named numbers for the logs. */
  readonly validate?: (
    moment: FitMoment,
  ) => Readonly<Record<string, number>> | Promise<Readonly<Record<string, number>>>;
  /** Makes samples, with the averages in the parameters' place. */
  readonly onSample?: (moment: FitMoment) => void | Promise<void>;
  /** True: continue from `out` if there is a checkpoint. A folder: continue from it, or fail. Default false. */
  readonly resume?: boolean | string;
  /** Stops after the current step, with a checkpoint. Default: SIGINT and SIGTERM do. */
  readonly signal?: AbortSignal;
  /** Gets each line. Default: a line that changes on a terminal, plain lines elsewhere, on standard output. */
  readonly log?: (line: string) => void;
  /**
   * Trains on several devices as one: batches are split over the axis `data`, so their first axes must be multiples of
   * its size. The numbers are those of one device but for the rounding of sums. Default: one device.
   */
  readonly mesh?: Mesh;
  /** With `mesh`: how parameters, optimizer state and averages lie on it. Default `'replicated'`. */
  readonly sharding?: Sharding;
  /** Plain JSON kept in checkpoints: what is needed to build the model again. */
  readonly config?: Json;
}

/** Means of an interval. */
export interface HistoryEntry {
  /** Number of updates made. */
  readonly step: number;
  readonly loss: number;
  readonly terms: Readonly<Record<string, number>>;
  /** Norm of all gradients together, before clipping. */
  readonly gradientNorm: number;
  /** Of the update after this. */
  readonly learningRate: number;
  /** Steps a second. */
  readonly rate: number;
}

/** Result of `fit`. */
export interface FitResult {
  /** Number of updates made, those before a resume included. */
  readonly steps: number;
  /** One entry for each log line of this process. */
  readonly history: readonly HistoryEntry[];
  /** What `validate` returned last. */
  readonly validation: Readonly<Record<string, number>> | undefined;
  /** Whether all steps were made, or somebody stopped the run. */
  readonly stopped: 'done' | 'interrupted';
  /** Step at which this process continued; 0 for a new run. */
  readonly resumedFrom: number;
  /** The last checkpoint's folder. */
  readonly checkpoint: string | undefined;
  /** The averages, for the caller to use and dispose. */
  readonly ema: Ema | undefined;
}

/** @throws RangeError or TypeError naming an option that cannot be. */
export function checkOptions<B>({
  model,
  steps,
  seed = 0,
  clip,
  accumulate = 1,
  every = {},
  resume,
  out,
  prepare,
  mesh,
  sharding,
}: FitOptions<B>): void {
  const whole = (argument: string, value: number, least: number): void => {
    if (!Number.isSafeInteger(value) || value < least) {
      throw new RangeError(`fit: '${argument}' must be a whole number of at least ${least}, got ${value}.`);
    }
  };
  whole('steps', steps, 1);
  whole('seed', seed, 0);
  whole('accumulate', accumulate, 1);
  for (const [name, interval] of Object.entries(every)) whole(`every.${name}`, interval as number, 0);
  if (clip !== undefined && !(clip > 0)) throw new RangeError(`fit: 'clip' must be positive, got ${clip}.`);
  if (sharding !== undefined && mesh === undefined) {
    throw new RangeError("fit: 'sharding' says how to use a mesh, but there is none. Pass 'mesh' too.");
  }
  if (resume === true && out === undefined) {
    throw new RangeError(
      "fit: 'resume' is true, but there is no 'out' to continue from. Pass 'out', or a folder as 'resume'.",
    );
  }
  if (prepare === undefined && typeof (model as { prepare?: unknown }).prepare === 'function') {
    throw new TypeError(
      `fit: ${model.constructor.name} has a method 'prepare', so 'prepare' must be given: (batch, key) => model.prepare(…, key), or false to go without.`,
    );
  }
}
