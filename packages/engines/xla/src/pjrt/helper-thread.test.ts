/** The thread that makes native calls, with a function that every plugin has. */
import { describe, expect, test } from 'vitest';
import { locatePlugin } from '../plugins/index.ts';
import { xlaAvailable } from '../testing/xla-available.ts';
import { PjrtApi } from './api.ts';
import { HelperThread } from './helper-thread.ts';
import { addressOf } from './native.ts';

const plugin = await locatePlugin('cpu');

describe.skipIf(!(await xlaAvailable()))('HelperThread', () => {
  test('makes calls whose results can be taken at once or later', async () => {
    const api = new PjrtApi(plugin!.path);
    const thread = new HelperThread();
    expect(thread.ready).toBe(false);
    expect(await Promise.all([thread.start(), thread.start()])).toEqual([true, true]);
    const args = api.struct('Plugin_Initialize');
    const first = thread.call(api.address('Plugin_Initialize'), args.address);
    expect(first.result()).toBe(0n); // the message is still on its way
    const second = thread.call(api.address('Plugin_Initialize'), args.address);
    await second.ended;
    expect(second.result()).toBe(0n);
    const small = new Uint8Array(64); // a struct that says it has no size is refused
    const error = thread.call(api.address('Plugin_Initialize'), addressOf(small));
    expect(() => api.check(error.result(), 'testing')).toThrow(/testing failed/);
    await error.ended;
    thread.end();
    expect([thread.ready, await thread.start()]).toEqual([false, false]);
  });

  test('may end while it starts', async () => {
    const thread = new HelperThread();
    const started = thread.start();
    thread.end();
    expect([await started, thread.ready]).toEqual([false, false]);
  });

  test('says that it cannot start where the FFI library is not found', async () => {
    const thread = new HelperThread('nowhere');
    expect(await thread.start()).toBe(false);
    expect(thread.ready).toBe(false);
    expect(await thread.start()).toBe(false);
  });
});
