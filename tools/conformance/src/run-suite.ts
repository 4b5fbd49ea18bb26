/**
 * Runs the specs of tfjs-core with jasmine, on an engine that runs already.
 *
 * The specs expect jasmine's functions as globals, and the list of environments before they are loaded, so both are set
 * first and the specs imported then.
 */
import jasmineCore from 'jasmine-core';
import type { Options } from './options.ts';

/** What became of the specs. */
export interface SuiteResult {
  readonly passed: readonly string[];
  readonly failed: readonly { readonly spec: string; readonly messages: readonly string[] }[];
  /** Specs that the suite itself leaves out. */
  readonly pending: number;
  /** Specs that were not started in time. */
  readonly late: number;
  readonly seconds: number;
}

/** The parts of jasmine that are used here. */
interface Environment {
  configure(settings: object): void;
  clearReporters(): void;
  addReporter(reporter: { specDone(result: SpecResult): void }): void;
  execute(): Promise<unknown>;
}
interface Spec {
  getFullName(): string;
}
interface SpecResult {
  readonly fullName: string;
  readonly status: string;
  readonly failedExpectations: readonly { readonly message: string }[];
}
interface Globals {
  readonly jasmine: { getEnv(): Environment; DEFAULT_TIMEOUT_INTERVAL: number };
}

/** Where the specs and what sets them up are loaded from; a bundle brings its own. */
export interface SuiteModules {
  readonly setTestEnvs: (environments: object[]) => void;
  /** Defines the specs. */
  readonly load: () => Promise<unknown>;
}

const progressEvery = 500;
/** Milliseconds that a spec may take. */
const timeout = 600_000;
const messageLength = 400;

/** Runs the specs that the options ask for; `log` gets a line now and then. */
export async function runSuite(
  options: Options,
  suite: SuiteModules,
  log: (line: string) => void,
): Promise<SuiteResult> {
  const globals = jasmineCore.noGlobals() as Globals;
  globals.jasmine.DEFAULT_TIMEOUT_INTERVAL = timeout;
  // Compiling takes long on a busy machine, and some specs set a limit of their own: for them, setting it does nothing.
  const jasmine = new Proxy(globals.jasmine, {
    set: (target, name, value) => name === 'DEFAULT_TIMEOUT_INTERVAL' || Reflect.set(target, name, value),
  });
  Object.assign(globalThis, globals, { jasmine });
  const { engine, filter, shard, limit } = options;
  suite.setTestEnvs([{ name: engine, backendName: engine, isDataSync: true }]);
  await suite.load();

  const started = performance.now();
  const seconds = (): number => (performance.now() - started) / 1000;
  const passed: string[] = [];
  const failed: { spec: string; messages: string[] }[] = [];
  let [pending, late] = [0, 0];
  const environment = globals.jasmine.getEnv();
  environment.configure({
    random: false,
    failSpecWithNoExpectations: false,
    specFilter: (spec: Spec) => {
      const name = spec.getFullName();
      return (filter === undefined || nameOf(name, engine).includes(filter)) && inShard(name, shard);
    },
  });
  environment.clearReporters();
  environment.addReporter({
    specDone({ fullName, status, failedExpectations }) {
      const spec = nameOf(fullName, engine);
      if (status === 'passed') passed.push(spec);
      else if (status === 'failed') {
        const messages = failedExpectations.map(({ message }) => message.slice(0, messageLength));
        if (messages.some((message) => message.includes(LATE))) late++;
        else failed.push({ spec, messages });
      } else if (status === 'pending') pending++;
      else return; // filtered out
      if ((passed.length + failed.length) % progressEvery === 0) {
        log(`${passed.length} passed, ${failed.length} failed after ${seconds().toFixed(0)} s`);
      }
    },
  });
  if (limit !== undefined) {
    (globalThis as unknown as { beforeEach(fn: () => void): void }).beforeEach(() => {
      if (seconds() > limit) throw new Error(LATE);
    });
  }
  await environment.execute();
  return { passed, failed, pending, late, seconds: seconds() };
}

const LATE = 'not run: the time is up';

/** `suite {} spec`, the same on every engine. */
function nameOf(fullName: string, engine: string): string {
  return fullName.replace(` ${engine} {}`, ' {}');
}

/** Whole suites go to one part: they share programs. */
function inShard(fullName: string, { index, count }: Options['shard']): boolean {
  if (count === 1) return true;
  const suite = fullName.split(' {}')[0] as string;
  let hash = 0;
  for (const letter of suite) hash = (hash * 31 + letter.charCodeAt(0)) >>> 0;
  return hash % count === index - 1;
}
