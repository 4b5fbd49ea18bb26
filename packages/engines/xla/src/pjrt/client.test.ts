/** The client on each CPU plugin that is here: the installed one, and those that TESSERAE_TEST_PLUGINS lists. */
import { delimiter } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { constant, operation } from '../graph/hlo.ts';
import { Node } from '../graph/node.ts';
import { writeModule } from '../graph/write-module.ts';
import { locatePlugin } from '../plugins/index.ts';
import { newestKnownMinor } from './api-table.ts';
import { PjrtClient } from './client.ts';
import { XlaError } from './errors.ts';
import { memoryAt, openLibrary } from './native.ts';

const located = await locatePlugin('cpu');
const paths = [
  ...(located === undefined ? [] : [located.path]),
  ...(process.env['TESSERAE_TEST_PLUGINS'] ?? '').split(delimiter),
].filter((path) => path !== '');
if (paths.length === 0) process.stderr.write('skipped: no PJRT plugin for the CPU was found.\n');

describe.each([...new Set(paths)])('%s', (path) => {
  const client = new PjrtClient({ path });
  const type = { type: 'f32', shape: [4] } as const;
  const doubled = (text?: string) => {
    const x = new Node('f32', [4]);
    const y = operation('stablehlo.multiply', [x, constant(2, 'f32', [4])], 'f32', [4]);
    return client.compile(text ?? writeModule([y], { name: 'double' }).text, 1, [type]);
  };

  test('says what it is', () => {
    expect(client.platform).toBe('cpu');
    expect(client.apiVersion[0]).toBe(0);
    expect(client.deviceCount).toBeGreaterThan(0);
  });

  test('moves values of every type and shape', async () => {
    const cases = [
      ['f32', Float32Array.of(1, NaN, -0, 1e-45), [2, 2]],
      ['i32', Int32Array.of(-1, 2 ** 31 - 1), [2]],
      ['i1', Uint8Array.of(1, 0, 1), [3]],
      ['complex<f32>', Float32Array.of(1, 2, 3, 4), [2]],
      ['f32', new Float32Array(0), [0, 3]],
      ['f32', Float32Array.of(5), []],
    ] as const;
    for (const [element, values, shape] of cases) {
      const buffer = client.upload(values, element, shape);
      expect(client.downloadSync(buffer)).toEqual(values);
      expect(await client.download(buffer)).toEqual(values);
      client.destroy(buffer);
    }
    expect([client.buffersInUse, client.bytesInUse]).toEqual([0, 0]);
  });

  test('runs a program many times without growing', () => {
    const program = doubled();
    const x = client.upload(Float32Array.of(1, 2, 3, 4), 'f32', [4]);
    for (let i = 0; i < 1000; i++) {
      const [y] = client.execute(program, [x]);
      if (y === undefined) throw new Error('no output');
      if (i % 250 === 0) expect(client.downloadSync(y)).toEqual(Float32Array.of(2, 4, 6, 8));
      client.destroy(y);
    }
    expect(client.buffersInUse).toBe(1);
    client.destroy(x);
    client.destroy(x);
    client.destroyExecutable(program);
    expect(client.bytesInUse).toBe(0);
  });

  test('keeps NaN in minima and maxima, whichever side it is on', () => {
    const [a, b] = [new Node('f32', [4]), new Node('f32', [4])];
    const outputs = ['maximum', 'minimum'].map((name) => operation(`stablehlo.${name}`, [a, b], 'f32', [4]));
    const { text } = writeModule(outputs, { name: 'extremes', leading: [a, b] });
    const program = client.compile(text, 2, [type, type]);
    const inputs = [Float32Array.of(NaN, 1, 2, NaN), Float32Array.of(1, NaN, 3, NaN)].map((values) =>
      client.upload(values, 'f32', [4]),
    );
    const results = client.execute(program, inputs);
    expect(results.map((buffer) => client.downloadSync(buffer))).toEqual([
      Float32Array.of(NaN, NaN, 3, NaN),
      Float32Array.of(NaN, NaN, 2, NaN),
    ]);
    [...inputs, ...results].forEach((buffer) => client.destroy(buffer));
    client.destroyExecutable(program);
  });

  test('of a version that nobody knows yet works with larger structs, and is said once', async () => {
    const head = new DataView(memoryAt(openLibrary(path, 'GetPjrtApi'), 40));
    const minor = head.getInt32(36, true);
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    head.setInt32(36, newestKnownMinor + 15, true);
    try {
      const [future, again] = [new PjrtClient({ path }), new PjrtClient({ path })];
      expect(future.apiVersion).toEqual([0, newestKnownMinor + 15]);
      const x = future.upload(Float32Array.of(3, 4, 5, 6), 'f32', [4]);
      const text = writeModule([constant(2, 'f32', [4])], { name: 'two' }).text;
      const program = future.load(future.serialize(future.compile(text, 0, [type])), 0, [type]);
      expect(await future.download(future.execute(program, [])[0]!)).toEqual(Float32Array.of(2, 2, 2, 2));
      expect(future.downloadSync(x)).toEqual(Float32Array.of(3, 4, 5, 6));
      expect(warn.mock.calls.map(([message]) => message)).toEqual([expect.stringContaining('PJRT API 0.130, newer')]);
      again.dispose();
    } finally {
      head.setInt32(36, minor, true);
      warn.mockRestore();
    }
  });

  test('reports what XLA says', () => {
    expect(() => doubled('module @broken { nonsense }')).toThrow(XlaError);
    expect(() => doubled('module @broken { nonsense }')).toThrow(/compiling failed/);
  });
});
