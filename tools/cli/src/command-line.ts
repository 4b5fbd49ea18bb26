/**
 * The `tesserae` command: what its words mean, `--help` at every level, and its exit codes. 0 is success, 1 a command
 * that failed, 2 a command line that makes no sense, 130 an interruption.
 */
import { createRequire } from 'node:module';
import { stripVTControlCharacters } from 'node:util';
import { defineCommand, renderUsage, runCommand, type CommandDef } from 'citty';
import { devices } from './devices.ts';
import { doctor } from './doctor.ts';
import { engineCache } from './engine-cache.ts';
import { engineInstall } from './engine-install.ts';
import { engineList } from './engine-list.ts';
import { terminal as processTerminal, type Terminal } from './terminal.ts';
import { UsageError } from './usage-error.ts';

/* eslint-disable @typescript-eslint/no-explicit-any -- citty's own type for "a command with any arguments" */
type AnyCommand = CommandDef<any>;
/* eslint-enable @typescript-eslint/no-explicit-any */

/**
 * Runs one command line.
 *
 * @param words the words after the program's name
 * @param terminal where to print, by default the process's streams
 * @returns the exit code
 */
export async function run(words: readonly string[], terminal: Terminal = processTerminal): Promise<number> {
  let exitCode = 0;
  // What follows `--` is another program's command line.
  const end = words[0] === 'launch' && words.includes('--') ? words.indexOf('--') : words.length;
  const main = commands(terminal, (code) => (exitCode = code), words.slice(end + 1));
  const { command, parents, rest } = descend(main, words.slice(0, end));
  try {
    if (rest.includes('--help') || rest.includes('-h')) {
      await printHelp(command, parents, terminal);
      return 0;
    }
    if (command === main && rest.length === 1 && rest[0] === '--version') {
      terminal.out(version());
      return 0;
    }
    checkWords(command, parents, rest);
    if (command.subCommands) {
      await printHelp(command, parents, terminal);
      return 2;
    }
    await runCommand(command, { rawArgs: [...rest] });
    return exitCode;
  } catch (error) {
    const usage = error instanceof UsageError || (error as { name?: string }).name === 'CLIError';
    terminal.err(`tesserae: ${error instanceof Error ? error.message : String(error)}`);
    if (usage) terminal.err(`Run \`${[...parents, nameOf(command)].join(' ')} --help\` for help.`);
    else if (process.env['TESSERAE_DEBUG']) terminal.err(String((error as Error).stack));
    return usage ? 2 : 1;
  }
}

function commands(terminal: Terminal, exit: (code: number) => void, program: readonly string[]): AnyCommand {
  const install = defineCommand({
    meta: {
      name: 'install',
      description: "Download an engine's native part, verify it and put it into the per-user cache",
    },
    args: {
      name: {
        type: 'positional',
        default: 'cpu',
        description: 'cpu, cuda13 or cuda12 (XLA), or tensorflow (needs g++)',
      },
      gpu: { type: 'boolean', default: false, description: 'with tensorflow: the build for NVIDIA cards' },
    },
    run: ({ args }) => engineInstall(args.name, terminal, { gpu: args.gpu }),
  });
  const list = defineCommand({
    meta: { name: 'list', description: 'List the engines that can be installed, and those that are' },
    run: () => engineList(terminal),
  });
  const cache = defineCommand({
    meta: { name: 'cache', description: 'Show the compiled programs that are kept between runs' },
    args: { clear: { type: 'boolean', description: 'delete them' } },
    run: ({ args }) => engineCache(args.clear === true, terminal),
  });
  const engine = defineCommand({
    meta: { name: 'engine', description: 'Install and list engines; see and clear compiled programs' },
    subCommands: { install, list, cache },
  });
  const examine = defineCommand({
    meta: { name: 'doctor', description: 'Show engines, plugins and devices, and what fixes what is missing' },
    run: async () => {
      const { xla } = await import('@tesserae/xla');
      const { tensorflow } = await import('@tesserae/tensorflow');
      exit(await doctor([xla, tensorflow], terminal, devices));
    },
  });
  const together = defineCommand({
    meta: { name: 'launch', description: 'Run `-- COMMAND` several times, as processes that compute together' },
    args: { nodes: { type: 'string', description: 'how many; each gets one GPU', valueHint: 'N', required: true } },
    run: async ({ args }) => {
      const { launch } = await import('./launch.ts');
      exit(await launch({ nodes: Number(args.nodes), command: program }, terminal));
    },
  });
  return defineCommand({
    meta: { name: 'tesserae', version: version(), description: 'Installs and inspects Tesserae engines' },
    subCommands: { engine, doctor: examine, launch: together },
  });
}

// Follows the sub-commands that the first words name.
function descend(
  main: AnyCommand,
  words: readonly string[],
): { command: AnyCommand; parents: string[]; rest: readonly string[] } {
  let command = main;
  const parents: string[] = [];
  let rest = words;
  for (;;) {
    const children = command.subCommands as Record<string, AnyCommand> | undefined;
    const first = rest[0];
    if (!children || first === undefined || !Object.hasOwn(children, first)) return { command, parents, rest };
    parents.push(nameOf(command));
    command = children[first]!;
    rest = rest.slice(1);
  }
}

// citty ignores words and options that it does not know; a typing error should not.
function checkWords(command: AnyCommand, parents: readonly string[], rest: readonly string[]): void {
  const path = [...parents, nameOf(command)].join(' ');
  const known = (command.args ?? {}) as Record<string, { type?: string }>;
  const typeOf = (word: string | undefined): string | undefined =>
    word?.startsWith('--') ? known[word.slice(2).split('=')[0] as string]?.type : undefined;
  const option = rest.find((word) => word.startsWith('-') && typeOf(word) === undefined);
  if (option !== undefined) throw new UsageError(`Unknown option '${option}' for \`${path}\`.`);
  // citty takes any value for yes, also `no`.
  const valued = rest.find((word) => typeOf(word) === 'boolean' && word.includes('='));
  if (valued !== undefined) {
    const [name, value] = [valued.slice(0, valued.indexOf('=')), valued.slice(valued.indexOf('=') + 1)];
    throw new UsageError(`'${name}' is a switch and takes no value, got '${value}'. Write it alone, or leave it out.`);
  }
  if (command.subCommands && rest[0] !== undefined) {
    const names = Object.keys(command.subCommands).join(', ');
    throw new UsageError(`Unknown command '${rest[0]}' for \`${path}\`. Known: ${names}.`);
  }
  const taken = Object.values(known).filter(({ type }) => type === 'positional').length;
  // The word after an option with a value is that value.
  const isValue = (i: number): boolean => typeOf(rest[i - 1]) === 'string' && !rest[i - 1]?.includes('=');
  const positional = rest.filter((word, i) => !word.startsWith('-') && !isValue(i));
  if (!command.subCommands && positional.length > taken) {
    throw new UsageError(`\`${path}\` takes no '${positional[taken]}'.`);
  }
}

async function printHelp(command: AnyCommand, parents: readonly string[], terminal: Terminal): Promise<void> {
  const parent = parents.length > 0 ? { meta: { name: parents.join(' ') } } : undefined;
  const usage = await renderUsage(command, parent);
  terminal.out((process.stdout.isTTY ? usage : stripVTControlCharacters(usage)).trimEnd());
}

function nameOf(command: AnyCommand): string {
  return (command.meta as { name?: string } | undefined)?.name ?? 'tesserae';
}

function version(): string {
  return (createRequire(import.meta.url)('../package.json') as { version: string }).version;
}
