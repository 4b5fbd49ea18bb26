/**
 * `fit`: trains a model. One compiled step, fed by a loader; progress, logs, checkpoints, exact resume, safe stop.
 *
 * A run is a function of the model's initial weights, the data and the seed: what is drawn in step n comes from
 * `foldIn(key(seed), n)`, and a checkpoint holds all else (weights, buffers, optimizer, averages, step, loader position,
 * and the figures since the last log line). So a resumed run continues with the same bits on the same engine.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Ema } from '@tesserae/nn';
import { checkNumerics, currentProcess, random, tf, tree, withMesh } from '@tesserae/tensor';
import { removeLeftovers, temporarySibling, WriteError, writeFileDurably } from './atomic-write.ts';
import { EndlessReader, type OnDevice, upload } from './batch.ts';
import { CheckpointError, findCheckpoint, loadCheckpoint, saveCheckpoint } from './checkpoint/checkpoint.ts';
import type { Json } from './checkpoint/state.ts';
import {
  checkOptions,
  type FitMoment,
  type FitOptions,
  type FitResult,
  type HistoryEntry,
  type Intervals,
} from './fit-options.ts';
import { FigureWindow, type StepRow } from './figures.ts';
import { watchInterrupt } from './interrupt.ts';
import { JsonlLog } from './logs/jsonl.ts';
import { TensorBoardWriter } from './logs/tensorboard.ts';
import { inAnyProcess, isWriter, readTogether } from './processes.ts';
import { formatProgress, progressTarget, type ProgressTarget } from './progress.ts';
import { StateLayout } from './sharding.ts';
import { TrainStep } from './train-step.ts';

/** Steps whose figures may wait on the device. */
const MAX_WAITING = 64;

/**
 * Trains.
 *
 * @throws NonFiniteError where a loss or a gradient is not finite, naming it; the checkpoint is from before.
 * @throws WriteError where `out` cannot be written to: before the first step, or at the last checkpoint. A checkpoint
 * in between that fails is a line in the log, and the next interval tries again.
 * @throws CheckpointError, StateMismatchError where a resume cannot be.
 *
 * @example
 * const result = await fit({
 *   model,
 *   loss: ({ images }, { training }) => model.loss(images, { training }),
 *   data: loader(images, { batchSize: 64 }),
 *   optimizer: new AdamW({ learningRate: schedules.cosine({ peak: 1e-3, total: 600 }) }),
 *   steps: 600,
 *   ema: 0.999,
 *   out: 'runs/tokenizer',
 *   resume: true,
 * });
 */
export async function fit<B>(options: FitOptions<B>): Promise<FitResult> {
  const train = async (): Promise<FitResult> => {
    const run = await Run.start(options);
    try {
      return await run.train();
    } finally {
      await run.close();
    }
  };
  return options.mesh === undefined ? train() : withMesh(options.mesh, train);
}

/** One call of `fit`. */
class Run<B> {
  readonly #options: FitOptions<B>;
  readonly #every: Required<Intervals>;
  readonly #seed: number;
  readonly #accumulate: number;
  readonly #ema: Ema | undefined;
  readonly #target: ProgressTarget;
  readonly #step: TrainStep<OnDevice<B>>;
  readonly #window: FigureWindow = new FigureWindow();
  readonly #reader: EndlessReader<B>;
  readonly #layout: StateLayout | undefined;
  readonly #history: HistoryEntry[] = [];
  #jsonl: JsonlLog | undefined;
  #board: TensorBoardWriter | undefined;
  #done = 0;
  #resumedFrom = 0;
  #validation: Readonly<Record<string, number>> | undefined;
  #saved: string | undefined;
  /** Step of the last checkpoint. */
  #savedStep = -1;
  /** For the rate: when the current interval began, what it does not count, and its first step. */
  #clock = { since: 0, step: 0, paused: 0 };
  #rate = 0;

  private constructor(options: FitOptions<B>) {
    this.#options = options;
    const { every = {}, seed = 0, accumulate = 1, ema, model, optimizer, log } = options;
    this.#every = { log: 50, checkpoint: 500, validate: 500, sample: 500, ...every };
    this.#seed = seed;
    this.#accumulate = accumulate;
    this.#ema = typeof ema === 'number' ? new Ema({ decay: ema }) : ema;
    this.#target = progressTarget(isWriter() ? log : () => {});
    this.#reader = new EndlessReader(options.data);
    const parameters = model.parameters();
    if (Object.keys(optimizer.state()).length === 0) optimizer.init(parameters);
    if (this.#ema && Object.keys(this.#ema.state()).length === 0) this.#ema.init(parameters);
    const { mesh, sharding = 'replicated' } = options;
    this.#layout = mesh && new StateLayout(mesh, sharding, parameters);
    this.#step = new TrainStep({
      name: options.name ?? 'fit',
      model,
      loss: options.loss,
      optimizer,
      ema: this.#ema,
      seed,
      clip: options.clip,
      accumulate,
      layout: this.#layout,
    });
  }

  /** Checks everything that can be wrong before the first step, and loads the checkpoint to continue from. */
  static async start<B>(options: FitOptions<B>): Promise<Run<B>> {
    checkOptions(options);
    const { out, resume = false } = options;
    if (out !== undefined && isWriter()) await checkWritable(out);
    const run = new Run(options);
    try {
      await run.#resume(resume);
      run.#placeState();
      if (out !== undefined && isWriter()) {
        run.#jsonl = await JsonlLog.open(join(out, 'log.jsonl'), run.#done);
        run.#board = new TensorBoardWriter(out, run.#done);
      }
    } catch (error) {
      await run.close();
      throw error;
    }
    return run;
  }

  /** Lays out what has its values by now. */
  #placeState(): void {
    const { model, optimizer } = this.#options;
    const parameters = model.parameters();
    for (const variables of [parameters, optimizer.state(), this.#ema?.state() ?? {}]) {
      this.#layout?.place(variables, parameters);
    }
  }

  async train(): Promise<FitResult> {
    const { steps, signal, out } = this.#options;
    using interrupt = watchInterrupt(signal, () => {
      this.#target.message('Stopping after this step. Interrupt again to end at once.');
    });
    this.#clock = { since: performance.now(), step: this.#done, paused: 0 };
    while (this.#done < steps && !(await this.#mustStop(interrupt.requested))) {
      await this.#advance();
      const last = this.#done === steps;
      const due = (interval: number): boolean => interval > 0 && (last || this.#done % interval === 0);
      if (this.#done === 1 || due(this.#every.log)) await this.#log();
      else if (this.#window.waiting >= MAX_WAITING) await this.#window.read(this.#step);
      else this.#showStep();
      if (due(this.#every.validate)) await this.#validate();
      if (due(this.#every.sample)) await this.#sample();
      if (out !== undefined && !last && due(this.#every.checkpoint)) await this.#checkpoint(false);
    }
    await this.#window.read(this.#step);
    if (out !== undefined && this.#savedStep !== this.#done) await this.#checkpoint(true);
    const stopped = this.#done < steps ? 'interrupted' : 'done';
    if (stopped === 'interrupted') {
      const where = this.#saved === undefined ? '' : `; continue with resume from ${this.#saved}`;
      this.#target.message(`Stopped after step ${this.#done} of ${steps}${where}.`);
    }
    return {
      steps: this.#done,
      history: this.#history,
      validation: this.#validation,
      stopped,
      resumedFrom: this.#resumedFrom,
      checkpoint: this.#saved,
      ema: this.#ema,
    };
  }

  /** Processes that share the run ask each other once in a log interval, since that waits for the device. */
  async #mustStop(requested: boolean): Promise<boolean> {
    if (currentProcess().count === 1) return requested;
    return this.#done % (this.#every.log || 50) === 0 && inAnyProcess(requested);
  }

  async close(): Promise<void> {
    this.#window.dispose();
    this.#step.dispose();
    await this.#reader.close();
  }

  /** One update. */
  async #advance(): Promise<void> {
    const uploaded = [];
    try {
      for (let i = 0; i < this.#accumulate; i++) uploaded.push(upload(await this.#reader.next()));
      const batches = uploaded.map(({ batch }) => batch);
      if (this.#done === 0) await this.#prepare(batches[0] as OnDevice<B>);
      const run = (): tf.Tensor1D => this.#step.run(batches, this.#done);
      this.#window.add(this.#done, this.#options.checkNumerics === true ? checkNumerics(run) : run());
    } finally {
      for (const batch of uploaded) batch[Symbol.dispose]();
    }
    this.#done++;
    // The first step compiles: it says nothing about the rate.
    if (this.#done === this.#resumedFrom + 1) this.#clock = { since: performance.now(), step: this.#done, paused: 0 };
  }

  async #prepare(batch: OnDevice<B>): Promise<void> {
    const { prepare } = this.#options;
    if (!prepare) return;
    // Far from the keys of the steps.
    const key = tf.tidy(() => random.foldIn(random.key(this.#seed), 0x7fffffff));
    try {
      await prepare(batch, key);
    } finally {
      key.dispose();
    }
  }

  async #resume(resume: boolean | string): Promise<void> {
    const { out, model, optimizer, data, steps } = this.#options;
    const folder = typeof resume === 'string' ? resume : out === undefined ? undefined : join(out, 'checkpoint');
    const found = folder === undefined ? undefined : await findCheckpoint(folder);
    if (resume === false || (resume === true && found === undefined)) {
      if (found !== undefined) {
        this.#target.message(
          `Starting anew; ${found} will be replaced at the first checkpoint. Set resume to continue it.`,
        );
      }
      return;
    }
    const checkpoint = await loadCheckpoint(folder as string);
    try {
      const { state } = checkpoint;
      if (state.seed !== this.#seed) {
        throw new CheckpointError(
          `${checkpoint.folder}: was trained with seed ${state.seed}, this run has ${this.#seed}. Use the same seed to continue.`,
        );
      }
      if (state.step > steps) {
        throw new CheckpointError(
          `${checkpoint.folder}: has ${state.step} steps already, this run asks for ${steps} in all. Raise 'steps' to continue.`,
        );
      }
      model.load(checkpoint.model);
      if (checkpoint.optimizer === undefined) {
        throw new CheckpointError(
          `${checkpoint.folder}: has no optimizer.safetensors, so it can be loaded but not resumed.`,
        );
      }
      optimizer.load(checkpoint.optimizer);
      if (this.#ema && checkpoint.ema) this.#ema.load(checkpoint.ema);
      else if (this.#ema) this.#target.message(`${checkpoint.folder} has no averages: they start from its weights.`);
      if (data.restore && state.loader !== undefined) data.restore(state.loader);
      else this.#target.message('The data source keeps no position: batches start from its beginning again.');
      this.#window.restore((state.pending as unknown as readonly StepRow[] | undefined) ?? []);
      this.#step.termNames = (state.terms as readonly string[] | undefined) ?? [];
      this.#done = state.step;
      this.#resumedFrom = state.step;
      this.#saved = checkpoint.folder;
      this.#savedStep = state.step;
      this.#target.message(`Continuing after step ${state.step} of ${steps} from ${checkpoint.folder}.`);
      const engine = state.versions?.engine;
      if (engine !== undefined && engine !== tf.getBackend()) {
        this.#target.message(
          `It was trained on '${engine}', this is '${tf.getBackend()}': numbers will differ a little.`,
        );
      }
    } finally {
      tree.dispose({ ...checkpoint });
    }
  }

  async #log(): Promise<void> {
    const rows = await this.#window.read(this.#step);
    if (rows.length === 0) return;
    const { steps, name, optimizer } = this.#options;
    const mean = (column: number): number =>
      rows.reduce((sum, { values }) => sum + (values[column] as number), 0) / rows.length;
    const terms = Object.fromEntries(this.#step.termNames.map((term, i) => [term, mean(i + 1)]));
    const rate = this.#measureRate();
    const scalar = optimizer.learningRate();
    const [learningRate] = (await scalar.data()) as unknown as [number];
    scalar.dispose();
    const loss = mean(0);
    const gradientNorm = mean(this.#step.scalarCount - 1);
    const entry: HistoryEntry = { step: this.#done, loss, terms, gradientNorm, learningRate, rate };
    this.#history.push(entry);
    this.#window.clear();
    const memory = process.memoryUsage.rss();
    this.#jsonl?.write({ kind: 'train', ...entry, memory, time: new Date().toISOString() });
    const { loss: _, terms: __, step: ___, ...figures } = entry;
    this.#board?.scalars(this.#done, { loss, ...prefix('terms', terms), ...prefix('train', { ...figures, memory }) });
    const secondsLeft = (steps - this.#done) / rate;
    this.#target.progress(
      formatProgress({ name, step: this.#done, steps, loss, terms, rate, secondsLeft, memory }),
      true,
    );
  }

  /** Between log lines a terminal still shows that steps go by. */
  #showStep(): void {
    const { steps, name } = this.#options;
    const left = this.#rate > 0 ? `  ${((steps - this.#done) / this.#rate).toFixed(0)}s left` : '';
    this.#target.progress(`${name ? `${name} ` : ''}${this.#done}/${steps}${left}`, false);
  }

  #measureRate(): number {
    const { since, step, paused } = this.#clock;
    const seconds = (performance.now() - since - paused) / 1000;
    if (this.#done > step) this.#rate = (this.#done - step) / seconds;
    this.#clock = { since: performance.now(), step: this.#done, paused: 0 };
    return this.#rate;
  }

  /** Runs something that is not training, with the averages in place, off the clock. */
  async #aside<R>(fn: (moment: FitMoment) => R | Promise<R>): Promise<R> {
    const began = performance.now();
    const moment: FitMoment = { step: this.#done, board: this.#board };
    try {
      return await (this.#ema ? this.#ema.within(this.#options.model.parameters(), () => fn(moment)) : fn(moment));
    } finally {
      this.#clock.paused += performance.now() - began;
    }
  }

  async #validate(): Promise<void> {
    const { validate, name } = this.#options;
    if (!validate) return;
    // A NaN would otherwise show up here first, without a name.
    await this.#window.read(this.#step);
    const figures = await this.#aside(validate);
    this.#validation = figures;
    this.#jsonl?.write({ kind: 'validation', step: this.#done, ...figures, time: new Date().toISOString() });
    this.#board?.scalars(this.#done, prefix('validation', figures));
    const shown = Object.entries(figures).map(([term, value]) => `${term} ${Number(value.toPrecision(5))}`);
    this.#target.message(`${name ? `${name} ` : ''}validation at step ${this.#done}: ${shown.join('  ')}`);
  }

  async #sample(): Promise<void> {
    const { onSample } = this.#options;
    if (onSample) await this.#aside(onSample);
  }

  async #checkpoint(final: boolean): Promise<void> {
    const began = performance.now();
    const { out, model, optimizer, data, config } = this.#options;
    const folder = join(out as string, 'checkpoint');
    // Also the check that nothing became NaN: a broken model never replaces a good one.
    const pending = await this.#window.read(this.#step);
    try {
      const loader = data.state?.() as Json | undefined;
      const tensors = { model: model.stateDict(), optimizer: optimizer.state(), ema: this.#ema?.state() };
      const state = {
        step: this.#done,
        seed: this.#seed,
        ...(loader !== undefined && { loader }),
        ...(config !== undefined && { config }),
        terms: this.#step.termNames,
        pending: pending as unknown as Json,
        versions: { node: process.version, tfjs: tf.version_core, engine: tf.getBackend() },
      };
      if (isWriter()) await saveCheckpoint(folder, { ...tensors, state });
      else await readTogether(tensors);
      this.#saved = folder;
      this.#savedStep = this.#done;
    } catch (error) {
      if (final || !(error instanceof WriteError)) throw error;
      this.#target.message(`The checkpoint of step ${this.#done} failed: ${error.message} Training goes on.`);
    } finally {
      this.#clock.paused += performance.now() - began;
    }
  }
}

function prefix(group: string, values: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${group}/${name}`, value]));
}

/** Finds out now, not after an hour of training, that nothing can be saved. Cleans up after crashes, too. */
async function checkWritable(out: string): Promise<void> {
  try {
    await mkdir(out, { recursive: true });
    await removeLeftovers(join(out, 'checkpoint'));
    const probe = temporarySibling(join(out, 'checkpoint'));
    await writeFileDurably(probe, 'can this folder be written to?\n');
    await rm(probe);
  } catch (cause) {
    throw new WriteError(out, cause);
  }
}
