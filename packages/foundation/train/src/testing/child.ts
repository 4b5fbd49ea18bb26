/**
 * A training run in a process of its own, for tests that kill or interrupt it: `node child.ts ENGINE OUT STEPS MILLISECONDS`.
 * Says `step N` after every step that it logs, and saves a checkpoint every third.
 */
import { AdamW } from '@tesserae/nn';
import { useEngine } from '@tesserae/tensor';
import { fit } from '../index.ts';
import { createToy, ToyLoader } from './toy.ts';

const [engine, out, steps, pause] = process.argv.slice(2) as [string, string, string, string];
await useEngine(engine);

/** Slow enough for a signal to hit between steps as well as inside of them. */
class SlowLoader extends ToyLoader {
  override async *[Symbol.asyncIterator](): AsyncGenerator<never> {
    for await (const batch of super[Symbol.asyncIterator]()) {
      await new Promise((resolve) => setTimeout(resolve, Number(pause)));
      yield batch as never;
    }
  }
}

const model = createToy();
await fit({
  model,
  loss: (batch, { training }) => model.loss(batch, training),
  data: new SlowLoader(),
  optimizer: new AdamW({ learningRate: 0.01 }),
  steps: Number(steps),
  ema: 0.9,
  out,
  resume: true,
  every: { log: 1, checkpoint: 3 },
  log: (line) => console.log(line),
});
console.log('end');
