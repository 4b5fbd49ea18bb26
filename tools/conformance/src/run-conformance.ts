/** One conformance run, once everything resolves to one copy of tfjs-core (single-tfjs.ts). */
import { tf } from '@tesserae/tensor';
import type { Options } from './options.ts';
import { report } from './report.ts';
import type { Report } from './report.ts';
import { runSuite } from './run-suite.ts';
import type { SuiteModules } from './run-suite.ts';
import { startEngine } from './start-engine.ts';

// Names that TypeScript need not resolve: the modules are the package's insides, without types for half of them.
const dist = '@tensorflow/tfjs-core/dist';
const modules = {
  environment: `${dist}/jasmine_util.js`,
  tests: `${dist}/tests.js`,
  gradients: `${dist}/register_all_gradients.js`,
};

/** Runs the suite and says what came out. */
export async function runConformance(options: Options, log: (line: string) => void): Promise<Report> {
  const engine = await startEngine(options);
  if (options.gradients === 'tfjs') {
    forgetGradients();
    await import(modules.gradients);
  }
  log(`${options.engine}: ${engine.detail}; gradient rules of ${options.gradients}`);
  const { setTestEnvs } = (await import(modules.environment)) as Pick<SuiteModules, 'setTestEnvs'>;
  const result = await runSuite(options, { setTestEnvs, load: () => import(modules.tests) }, log);
  return report(options, engine, result);
}

/** Takes out the rules that @tesserae/tensor registered: it has some that TensorFlow.js lacks. */
function forgetGradients(): void {
  for (const { kernelName } of tf.getKernelsForBackend('cpu')) {
    if (tf.getGradient(kernelName) !== undefined) tf.unregisterGradient(kernelName);
  }
}
