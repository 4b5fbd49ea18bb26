/**
 * `tesserae doctor`: what is on this machine and the one line that fixes what is missing.
 *
 * Exit code 0 if at least the CPU can compute with XLA, 1 if only the slower engines can; a missing GPU is no fault.
 */
import { EngineUnavailableError } from '@tesserae/tensor';
import type { EngineProvider } from '@tesserae/tensor';
import { doctor as pluginReport } from '@tesserae/xla/plugins';
import type { Terminal } from './terminal.ts';

const OLDEST_NODE = [22, 18] as const;

/**
 * Prints the report.
 *
 * @param providers the engine families to probe
 * @param describe says what devices an engine that is there has; throws if it does not start
 * @returns the exit code
 */
export async function doctor(
  providers: readonly EngineProvider[],
  terminal: Terminal,
  describe: (provider: EngineProvider, name: string) => Promise<string>,
): Promise<number> {
  const fixes: string[] = [];
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const nodeWorks = major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
  terminal.out(row('node', `${process.versions.node} on ${process.platform} ${process.arch}`));
  if (!nodeWorks) fixes.push(`Install Node ${OLDEST_NODE.join('.')} or newer.`);

  const report = await pluginReport();
  terminal.out(row('cache', report.home));
  for (const platform of report.platforms) {
    const label = `plugin ${platform.platform}`;
    if (!platform.found) {
      terminal.out(row(label, `missing: ${platform.reason}`));
      continue;
    }
    const { version, source, path } = platform.location;
    terminal.out(row(label, `${version ?? 'unknown version'} from ${source}: ${path}`));
  }

  let xlaWorks = false;
  for (const provider of providers) {
    for (const name of provider.names) {
      const probe = await provider.probe(name);
      if (probe.available) {
        const works = await describe(provider, name).then(
          (line) => row(name, line),
          (error: unknown) => error,
        );
        if (typeof works === 'string') {
          terminal.out(works);
          if (provider.family === 'xla') xlaWorks = true;
        } else {
          const reason = works instanceof EngineUnavailableError ? works.reason : works;
          terminal.out(
            row(name, `found, but does not start: ${reason instanceof Error ? reason.message : String(reason)}`),
          );
          if (provider.family === 'xla') {
            fixes.push(
              works instanceof EngineUnavailableError
                ? works.remedy
                : `Remove the plugin's folder and install it again, or unset TESSERAE_PJRT_PLUGIN.`,
            );
          }
        }
        continue;
      }
      terminal.out(row(name, `not available: ${probe.reason}`));
      // A machine without an NVIDIA card lacks nothing, nor does one without the TensorFlow engine, which is a choice.
      if (name.endsWith(':cpu')) fixes.push(probe.remedy);
      else terminal.out(row('', `if it should be: ${probe.remedy}`));
    }
  }
  terminal.out(row('wasm', 'built in'));
  terminal.out(row('cpu', 'built in (plain JavaScript, slow)'));

  if (fixes.length === 0) terminal.out('Nothing is missing.');
  for (const fix of new Set(fixes)) terminal.out(`To fix: ${fix}`);
  return xlaWorks && nodeWorks ? 0 : 1;
}

function row(label: string, text: string): string {
  return `${label.padEnd(12)} ${text}`;
}
