/**
 * The conformance kit: does a tokenizer keep the promises that generators and apps rely on?
 *
 * Free of any test framework: it returns a report, and a test asserts `report.passed`. Each promise is a small check in
 * `checks/`; adding one is a file there and a line in the list below.
 */
import { isCompiling, random, scope, tf, tree } from '@tesserae/tensor';
import type { TokenizerFactory } from '../factory.ts';
import { Tokenizer, type TokenizerConfig } from '../tokenizer.ts';
import { isTrainable } from '../trainable.ts';
import type { Check, Finding, Subject } from './check.ts';
import { badTokens } from './checks/bad-tokens.ts';
import { batchNeighbours } from './checks/batch-neighbours.ts';
import { decodedShape } from './checks/decoded-shape.ts';
import { description } from './checks/description.ts';
import { determinism } from './checks/determinism.ts';
import { gradients } from './checks/gradients.ts';
import { memory } from './checks/memory.ts';
import { oddSizes } from './checks/odd-sizes.ts';
import { roundTrip } from './checks/round-trip.ts';
import { saveAndLoad } from './checks/save-and-load.ts';
import { staleCodes } from './checks/stale-codes.ts';
import { tokenRange } from './checks/token-range.ts';
import { traceable } from './checks/traceable.ts';
import { trainAndEval } from './checks/train-and-eval.ts';
import type { CheckResult, ConformanceReport } from './report.ts';
import { build, snapshot } from './training.ts';

/** Options of `conformance`. */
export interface ConformanceOptions {
  /** Configuration to build with, when a factory is tested. Default: `{ shape }` of the samples. */
  readonly config?: TokenizerConfig;
  /** Builds others of the kind, when a tokenizer is tested: without it, what needs a second one is skipped. */
  readonly factory?: TokenizerFactory;
  /** Where initial values and noise come from. Default 0. */
  readonly seed?: number;
  /**
   * Largest difference between decoded and reconstructed signals. Default 0, the same bits; 1e-5 on engines that compile,
   * since a program fused otherwise rounds otherwise.
   */
  readonly tolerance?: number;
  /** Set when training draws noise that changes tokens, by dropout in the encoder or stochastic codes. */
  readonly noisyTraining?: boolean;
  /** Parameters that rightly get no gradient, by name. Default: none. */
  readonly withoutGradient?: (name: string) => boolean;
  /** Names of checks to leave out. Say why where you do. */
  readonly skip?: readonly string[];
}

const CHECKS: readonly Check[] = [
  description,
  tokenRange,
  decodedShape,
  roundTrip,
  batchNeighbours,
  oddSizes,
  badTokens,
  trainAndEval,
  staleCodes,
  determinism,
  gradients,
  saveAndLoad,
  traceable,
  memory,
];

/** Names of the checks, in the order in which they run. */
export const conformanceChecks: readonly string[] = CHECKS.map(({ name }) => name);

/**
 * Put a tokenizer to the test.
 *
 * @param subject - A factory (everything is checked), or a tokenizer, trained perhaps. Its state is put back afterwards.
 * @param samples - float32 `[batch, ...shape]`, at least 2 signals of the kind it is made for.
 * @returns A report that names each broken promise; it does not throw for one.
 * @throws RangeError when there are fewer than 2 samples, an unknown name in `skip`; whatever `create` throws.
 *
 * @example
 * const report = await conformance(tokenizer, images);
 * expect(report.passed, formatReport(report)).toBe(true);
 */
export async function conformance(
  subject: TokenizerFactory | Tokenizer,
  samples: tf.Tensor,
  options: ConformanceOptions = {},
): Promise<ConformanceReport> {
  const { seed = 0, skip = [] } = options;
  if (samples.rank < 2 || (samples.shape[0] as number) < 2) {
    throw new RangeError(
      `conformance: samples must have shape [batch, ...shape] with a batch of at least 2, got [${samples.shape.join(', ')}]`,
    );
  }
  const unknown = skip.find((name) => !conformanceChecks.includes(name));
  if (unknown !== undefined) {
    throw new RangeError(
      `conformance: there is no check '${unknown}' to skip; there are ${conformanceChecks.join(', ')}`,
    );
  }
  const given = subject instanceof Tokenizer;
  const factory = given ? options.factory : subject;
  const config = options.config ?? (given ? subject.config : { shape: samples.shape.slice(1) });
  const tokenizer = given ? subject : build(subject, config, seed);
  const trainable = isTrainable(tokenizer) ? tokenizer : undefined;
  if (!given && trainable?.prepare) {
    using key = random.key(seed);
    trainable.prepare(samples, key);
  }
  const state = snapshot(tokenizer);
  try {
    const parts: Subject = {
      tokenizer,
      trainable,
      factory,
      config,
      samples,
      seed,
      tolerance: options.tolerance ?? (isCompiling(tf.backend()) ? 1e-5 : 0),
      noisyTraining: options.noisyTraining ?? false,
      withoutGradient: options.withoutGradient ?? ((): boolean => false),
    };
    const checks: CheckResult[] = [];
    for (const check of CHECKS) {
      const finding = skip.includes(check.name) ? { skipped: 'left out by the caller' } : await runCheck(check, parts);
      checks.push(result(check, finding));
      tokenizer.load(state);
    }
    return { passed: checks.every(({ passed }) => passed), checks };
  } finally {
    tree.dispose(state);
    if (!given) tokenizer.dispose();
  }
}

/** Run one check; what it makes is freed, what it throws is a fault. */
async function runCheck(check: Check, subject: Subject): Promise<Finding> {
  using _scope = scope();
  try {
    return await check.run(subject);
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error) };
  }
}

function result({ name, promise }: Check, finding: Finding): CheckResult {
  if ('fault' in finding) return { name, passed: false, skipped: false, detail: finding.fault };
  if ('skipped' in finding) return { name, passed: true, skipped: true, detail: finding.skipped };
  return { name, passed: true, skipped: false, detail: promise };
}
