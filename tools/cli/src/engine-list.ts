/** `tesserae engine list`: the engines whose native part can be installed, and those that are. */
import { downloadBytes, listTensorflow } from '@tesserae/tensorflow/install';
import { listPlugins, PLUGINS } from '@tesserae/xla/plugins';
import type { Terminal } from './terminal.ts';

/** Prints one line for each installable build and each installed one of another version. */
export async function engineList(terminal: Terminal): Promise<void> {
  const plugins = await listPlugins();
  for (const pin of Object.values(PLUGINS)) {
    const mine = plugins.filter((plugin) => plugin.name === pin.name);
    const size = (pin.builds[0]?.wheels ?? []).reduce((sum, wheel) => sum + wheel.bytes, 0);
    print(terminal, pin.name, pin.name, size, mine);
  }
  const builds = await listTensorflow();
  for (const device of ['cpu', 'gpu'] as const) {
    const mine = builds.filter((build) => build.device === device).map((build) => ({ ...build, path: build.folder }));
    const words = device === 'gpu' ? 'tensorflow --gpu' : 'tensorflow';
    print(terminal, words, words, downloadBytes(device), mine);
  }
}

interface Entry {
  readonly version: string;
  readonly path: string;
  readonly current: boolean;
}

function print(terminal: Terminal, label: string, install: string, bytes: number, installed: readonly Entry[]): void {
  const start = label.padEnd(16);
  if (installed.length === 0) {
    terminal.out(`${start} not installed (${Math.round(bytes / 1e6)} MB): tesserae engine install ${install}`);
  }
  for (const { version, path, current } of installed) {
    terminal.out(`${start} ${version}${current ? '' : ' (another version than this release pins)'}  ${path}`);
  }
}
