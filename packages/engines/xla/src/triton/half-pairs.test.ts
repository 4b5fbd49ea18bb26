/** Pairs of halves put together again, on the CPU plugin. */
import { tf, useEngine } from '@tesserae/tensor';
import { describe, expect, test } from 'vitest';
import type { XlaBackend } from '../backend.ts';
import { add, broadcastInDim, convert, multiply } from '../graph/hlo.ts';
import { Node } from '../graph/node.ts';
import { writeModule } from '../graph/write-module.ts';
import { xla } from '../provider.ts';
import { xlaAvailable } from '../testing/xla-available.ts';
import { halfPair } from './half-pairs.ts';

describe.skipIf(!(await xlaAvailable()))('half pairs', () => {
  test('hold 22 bits of elements of any size, zeros and rows far apart', async () => {
    await useEngine('xla:cpu', [xla]);
    const { client } = tf.backend() as XlaBackend;
    const scales = [1, 1e-30, 1e30, 0, 3e38, 1e-41];
    const width = 64;
    const values = Float32Array.from({ length: scales.length * width }, (_, i) => {
      const size = 10 ** -((i % width) / 16); // down to a ten-thousandth of the row's largest
      return (scales[Math.floor(i / width)] as number) * size * (i % width === 0 ? 1 : Math.sin(12.9898 * i));
    });
    const shape = [scales.length, width];
    const x = new Node('f32', shape);
    const { high, low, unit } = halfPair(x);
    const sum = multiply(add(convert(high, 'f32'), convert(low, 'f32')), broadcastInDim(unit, shape, [0]));
    const outputs = [sum, convert(high, 'f32')];
    const { text } = writeModule(outputs, { name: 'pairs', leading: [x] });
    const types = outputs.map(() => ({ type: 'f32' as const, shape }));
    const program = client.compile(text, 1, types);
    const input = client.upload(values, 'f32', shape);
    const results = client.execute(program, [input]);
    const [found, halves] = results.map((buffer) => client.downloadSync(buffer)) as [Float32Array, Float32Array];
    for (const buffer of [input, ...results]) client.destroy(buffer);
    client.destroyExecutable(program);
    scales.forEach((scale, row) => {
      const line = values.subarray(row * width, (row + 1) * width);
      const largest = Math.max(...line.map(Math.abs));
      line.forEach((value, i) => {
        const at = row * width + i;
        // Numbers under float32's smallest normal one may be flushed to zero on the way.
        const bound = scale < 1e-38 ? largest : 2 ** -22 * Math.abs(value) + 2 ** -38 * largest;
        expect(Math.abs((found[at] as number) - value)).toBeLessThanOrEqual(bound);
      });
      if (scale >= 1e-30) expect(Math.abs(halves[row * width] as number)).toBeGreaterThanOrEqual(2 ** 14);
      expect(Math.abs(halves[row * width] as number)).toBeLessThanOrEqual(2 ** 15);
    });
  });
});
