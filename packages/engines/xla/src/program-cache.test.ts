/** The second start of an app compiles nothing, whatever happened to the files in between. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ExecutableStore } from './executable-store.ts';
import type { StoredExecutable } from './executable-store.ts';
import { PjrtClient } from './pjrt/client.ts';
import { XlaError } from './pjrt/errors.ts';
import { locatePlugin } from './plugins/index.ts';
import { ProgramCache } from './program-cache.ts';
import { xlaAvailable } from './testing/xla-available.ts';

const available = await xlaAvailable();
const plugin = await locatePlugin('cpu');
const square =
  'module @square { func.func public @main(%x: tensor<2xf32>) -> tensor<2xf32> { %y = stablehlo.multiply %x, %x : tensor<2xf32> return %y : tensor<2xf32> } }';
const outputs = [{ type: 'f32', shape: [2] }] as const;

describe.skipIf(!available)('compiled programs on disk', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tesserae-programs-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const run = (cache: ProgramCache, client: PjrtClient): number[] => {
    const x = client.upload(Float32Array.of(3, 4), 'f32', [2]);
    const [y] = client.execute(cache.get(square, 1, outputs), [x]);
    const values = [...client.downloadSync(y!)];
    [x, y!].forEach((buffer) => client.destroy(buffer));
    return values;
  };
  const fresh = (client: PjrtClient, store = new ExecutableStore({ folder })): ProgramCache =>
    new ProgramCache(client, 4, store);

  test('are loaded by the next engine', () => {
    const client = new PjrtClient({ path: plugin!.path });
    const counts = [fresh(client), fresh(client)].map((cache) => {
      expect(run(cache, client)).toEqual([9, 16]);
      expect(run(cache, client)).toEqual([9, 16]);
      cache.dispose();
      return [cache.compilations, cache.loads];
    });
    expect(counts).toEqual([
      [1, 0],
      [0, 1],
    ]);
    expect(client.buffersInUse).toBe(0);
    client.dispose();
  });

  test('are compiled again if the file is damaged, or the plugin refuses what is in it', () => {
    const client = new PjrtClient({ path: plugin!.path });
    run(fresh(client), client);
    const [name] = readdirSync(folder);
    const path = join(folder, name!);
    const whole = readFileSync(path);
    writeFileSync(path, whole.subarray(0, whole.byteLength / 2));
    const second = fresh(client);
    expect(run(second, client)).toEqual([9, 16]);
    expect([second.compilations, second.loads]).toEqual([1, 0]);
    expect(readFileSync(path)).toHaveLength(whole.byteLength);
    // Whole by its checksum, and still no program.
    new ExecutableStore({ folder }).write(name!.slice(0, 64), { kind: 'program', bytes: Buffer.from('nonsense') });
    const third = fresh(client);
    expect(run(third, client)).toEqual([9, 16]);
    expect([third.compilations, third.loads]).toEqual([1, 0]);
    const fourth = fresh(client);
    run(fourth, client);
    expect([fourth.compilations, fourth.loads]).toEqual([0, 1]);
  });

  test('that the plugin cannot give as bytes are remembered as such', () => {
    /** A plugin that never serialises. */
    class Refusing extends PjrtClient {
      asked = 0;
      override serialize(): Uint8Array {
        this.asked++;
        throw new XlaError('serialising a program', 'LessThan is not serializable');
      }
    }
    const client = new Refusing({ path: plugin!.path });
    const counts = [fresh(client), fresh(client)].map((cache) => {
      expect(run(cache, client)).toEqual([9, 16]);
      return [cache.compilations, cache.loads];
    });
    expect(counts).toEqual([
      [1, 0],
      [1, 0],
    ]);
    expect(client.asked).toBe(1);
    const key = readdirSync(folder)[0]!.slice(0, 64);
    const kept = new ExecutableStore({ folder }).read(key) as StoredExecutable & { kind: 'refusal' };
    expect(kept.reason).toContain('LessThan');
  });

  interface Start {
    losses: number[];
    sorted: number[];
    compilations: number;
    loads: number;
  }
  const start = async (setting: string, env: Record<string, string> = {}): Promise<Start> => {
    const app = join(import.meta.dirname, 'testing/two-starts.process.ts');
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      ['-C', '@tesserae/source', '--disable-warning=ExperimentalWarning', app, setting],
      {
        env: {
          ...process.env,
          XDG_CACHE_HOME: folder,
          TESSERAE_PROGRAM_CACHE: '',
          TESSERAE_PJRT_PLUGIN: plugin!.path,
          ...env,
        },
      },
    );
    expect(stderr).toBe('');
    return JSON.parse(stdout) as Start;
  };

  test('an app that starts twice compiles once, and computes the same bits', async () => {
    const first = await start('on');
    const second = await start('on');
    expect(first.compilations).toBeGreaterThan(1);
    expect(first.loads).toBe(0);
    expect(second).toEqual({ ...first, compilations: 0, loads: first.compilations });
    expect(first.losses[0]).toBeGreaterThan(first.losses[2]!);
    expect(first.sorted).toEqual([1, 2, 3]);
    expect(await start('off')).toEqual(first);
    expect(await start('on', { TESSERAE_PROGRAM_CACHE: 'off' })).toEqual(first);
  });

  test('several processes at once share a folder', async () => {
    const starts = await Promise.all([start('on'), start('on')]);
    for (const { losses, compilations, loads } of starts) {
      expect(losses).toEqual(starts[0]?.losses);
      expect(compilations + loads).toBe(starts[0]!.compilations + starts[0]!.loads);
    }
    expect((await start('on')).compilations).toBe(0);
    expect(readdirSync(join(folder, 'tesserae/programs')).every((name) => name.endsWith('.xla'))).toBe(true);
  });
});
