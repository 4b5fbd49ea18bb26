/** `tesserae engine list`: the plugins that can be installed, and which of them are. */
import { listPlugins, PLUGINS } from '@tesserae/xla/plugins';
import type { Terminal } from './terminal.ts';

/** Prints one line for each installable plugin and each installed one of another version. */
export async function engineList(terminal: Terminal): Promise<void> {
  const installed = await listPlugins();
  for (const pin of Object.values(PLUGINS)) {
    const mine = installed.filter((plugin) => plugin.name === pin.name);
    const size = (pin.builds[0]?.wheels ?? []).reduce((sum, wheel) => sum + wheel.bytes, 0);
    if (mine.length === 0) {
      terminal.out(
        `${pin.name.padEnd(8)} not installed (${Math.round(size / 1e6)} MB): tesserae engine install ${pin.name}`,
      );
    }
    for (const plugin of mine) {
      const note = plugin.current ? '' : ' (another version than this release pins)';
      terminal.out(`${pin.name.padEnd(8)} ${plugin.version}${note}  ${plugin.path}`);
    }
  }
}
