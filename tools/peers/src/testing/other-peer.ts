/**
 * A peer of the tests that is neither ours nor Python: plain arithmetic, speaking the workers' protocol.
 *
 * `node other-peer.ts MODE TASK`: `right` computes the program, `wrong` something near it, `missing` lacks it, `dying` ends
 * while it is timed.
 */
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { uniformValues } from '../inputs.ts';
import { number } from '../program.ts';
import type { Request, Task } from '../worker/protocol.ts';

const [mode, text] = process.argv.slice(2) as [string, string];
const { params } = JSON.parse(text) as Task;
const answer = (message: object): void => void writeSync(3, `${JSON.stringify(message)}\n`);

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as Request;
  if (mode === 'missing') answer({ missing: 'it has no such program' });
  else if (request.do === 'start') answer({ version: 'other 1.0' });
  else if (request.do === 'time' && mode === 'dying') {
    console.error('out of luck');
    process.exit(3);
  } else if (request.do === 'time') answer({ times: [1, 2, 9] });
  else {
    const w = uniformValues('w', number(params, 'size'), 1);
    let x = new Float32Array(w.length).fill(mode === 'wrong' ? 1.1 : 1);
    const values = Array.from({ length: request.checks }, () => {
      x = x.map((value, i) => Math.fround(value / 2 + (w[i] as number)));
      return [...x];
    });
    answer({ values, seconds: 0.5 });
  }
}
