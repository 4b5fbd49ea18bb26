/**
 * What TensorFlow.js, recording and calling cost beside the programs themselves: `nx bench xla`, or
 * `node -C @tesserae/source src/overheads.bench.ts xla:cuda`. Each figure is the smallest of several rounds, in
 * microseconds; compare figures of one run on one machine only.
 */
import { compile, tf, useEngine } from '@tesserae/tensor';
import { writeModule } from './graph/write-module.ts';
import { XlaBackend, xlaProvider } from './index.ts';
import type { Executable } from './pjrt/client.ts';

const rounds = 15;

/** The smallest of several rounds of what `run` returns, or of its time, in microseconds for each of `units`. */
function smallest(units: number, run: () => number | void): number {
  let best = Infinity;
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    const measured = run() ?? performance.now() - start;
    best = Math.min(best, measured);
  }
  return (1000 * best) / units;
}

const report = (name: string, microseconds: number): void =>
  console.log(`${microseconds.toFixed(2).padStart(10)} µs  ${name}`);

const [engine = 'xla:cpu'] = process.argv.slice(2);
await useEngine(engine, [xlaProvider({ programCache: false })]);
const backend = tf.backend();
if (!(backend instanceof XlaBackend)) throw new Error(`'${engine}' is no XLA engine.`);
const { client, programs } = backend;
console.log(`${engine} (${client.deviceKind}), smallest of ${rounds} rounds`);

/** A chain of ops as a model has them: products, broadcasts, activations, reductions. */
const ops = 600;
const chain = (x: tf.Tensor2D): tf.Tensor2D => {
  let y = x;
  for (let i = 0; i < ops / 6; i++) {
    y = tf.relu(tf.add(tf.matMul(y, x), tf.mul(y, x)));
    y = tf.sub(y, tf.mean(y, 1, true));
  }
  return y;
};
const x = tf.ones([8, 8]) as tf.Tensor2D;

{
  // XLA compiles the chain once; every later trace gets that program, so that only our part is measured.
  const compileOnce = programs.compile.bind(programs);
  let kept: Executable | undefined;
  programs.compile = (...args) => (kept ??= compileOnce(...args));
  const trace = (): void => compile(chain, { name: 'chain' })(x).dispose();
  trace();
  report('an op, traced: kernel, recording, text, the first call', smallest(ops, trace));
  programs.compile = compileOnce;
}

const recording = smallest(ops, () => {
  const start = performance.now();
  const y = tf.tidy(() => chain(x));
  const time = performance.now() - start;
  y.dispose();
  return time;
});
report('an op, recorded', recording);

const flushing = smallest(ops, () => {
  const y = tf.tidy(() => chain(x));
  const start = performance.now();
  backend.flush();
  const time = performance.now() - start;
  y.dispose();
  return time;
});
report('an op, flushed as part of a known program, its running included', flushing);
{
  const y = tf.tidy(() => chain(x));
  const node = backend.nodeOf(y);
  report(
    'an op, written as text',
    smallest(ops, () => void writeModule([node], { name: 'text' })),
  );
  y.dispose();
}

/** A call of a program that does next to nothing, and the plugin's part of it. */
const calls = 500;
function call(name: string, run: () => void): void {
  run();
  report(
    name,
    smallest(calls, () => {
      for (let i = 0; i < calls; i++) run();
    }),
  );
}
const one = tf.tensor1d([1]);
{
  const text =
    'module @tiny { func.func public @main(%x: tensor<1xf32>) -> tensor<1xf32> { %y = stablehlo.add %x, %x : tensor<1xf32> return %y : tensor<1xf32> } }';
  const executable = programs.compile(text, 1, [{ type: 'f32', shape: [1] }]);
  const buffer = client.upload(Float32Array.of(1), 'f32', [1]);
  call('a tiny program: the plugin alone, result freed', () => {
    for (const result of client.execute(executable, [buffer])) client.destroy(result);
  });
}
const tiny = compile((a: tf.Tensor) => tf.add(a, a), { name: 'tiny' });
call('the same through compile, result disposed', () => tiny(one).dispose());
const eager = smallest(calls, () => {
  for (let i = 0; i < calls; i++) {
    const y = tf.add(one, one);
    backend.flush();
    y.dispose();
  }
});
report('the same op recorded and flushed, result disposed', eager);

/** A training step of 48 variables that each change; the work is nothing. */
const variables = Array.from({ length: 48 }, (_, i) => tf.variable(tf.fill([4, 4], i)));
const step = compile(
  (rate: tf.Tensor) => {
    for (const variable of variables) variable.assign(tf.mul(variable, rate));
    return tf.add(rate, 1);
  },
  { name: 'step' },
);
const rate = tf.scalar(1);
call('a step of 48 variables through compile, loss disposed', () => step(rate).dispose());
{
  const sources = variables.map((_, i) => `%v${i}: tensor<4x4xf32> {tf.aliasing_output = ${i} : i32}`);
  const scaled = variables.map((_, i) => `%n${i} = stablehlo.multiply %v${i}, %b : tensor<4x4xf32>`);
  const names = [...variables.map((_, i) => `%n${i}`), '%r'];
  const types = [...variables.map(() => 'tensor<4x4xf32>'), 'tensor<f32>'].join(', ');
  const text = `module @step { func.func public @main(%r: tensor<f32>, ${sources.join(', ')}) -> (${types}) {
    %b = stablehlo.broadcast_in_dim %r, dims = [] : (tensor<f32>) -> tensor<4x4xf32>
    ${scaled.join('\n')}
    return ${names.join(', ')} : ${types} } }`;
  const shapes = [
    ...variables.map(() => ({ type: 'f32' as const, shape: [4, 4] })),
    { type: 'f32' as const, shape: [] },
  ];
  const executable = programs.compile(text, 49, shapes);
  const scalar = client.upload(Float32Array.of(1), 'f32', []);
  let state = variables.map(() => client.upload(new Float32Array(16), 'f32', [4, 4]));
  call('a step of 48 variables, the plugin alone', () => {
    const results = client.execute(executable, [scalar, ...state]);
    for (const buffer of state) client.destroy(buffer);
    client.destroy(results.pop()!);
    state = results;
  });
}

const values = new Float32Array(16);
call('a small tensor made and disposed', () => tf.tensor1d(values).dispose());
call('a scalar made and disposed', () => tf.scalar(1).dispose());
