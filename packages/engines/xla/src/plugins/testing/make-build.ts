/** A build of a plugin that does nothing, for tests of the installer. */
import type { WheelPin } from '@tesserae/downloads';
import { makeWheel } from '@tesserae/downloads/testing';
import type { PluginBuild } from '../plugin-table.ts';

/** A build of one wheel with a library of some kilobytes. */
export function makeBuild(project: string): { build: PluginBuild; pin: WheelPin; bytes: Buffer } {
  const { pin, bytes } = makeWheel(project, [
    { name: 'plugin/__init__.py', content: 'print("not needed")' },
    { name: 'plugin/libplugin.so', content: 'x'.repeat(50_000) },
    { name: `${project}-1.0.dist-info/LICENSE`, content: 'free' },
  ]);
  return { build: { version: '1.0', library: 'plugin/libplugin.so', wheels: [pin] }, pin, bytes };
}
