/**
 * `tesserae-images`: what its words mean. 0 is success, 1 a command that failed, 2 a command line that makes no sense,
 * 130 an interruption.
 */
import { defineCommand, renderUsage, runCommand, type CommandDef } from 'citty';
import { demo } from './commands/demo.ts';
import { evaluate } from './commands/evaluate.ts';
import { pack } from './commands/pack.ts';
import { reconstruct } from './commands/reconstruct.ts';
import { sample } from './commands/sample.ts';
import { trainPrior } from './commands/train-prior.ts';
import { trainTokenizer } from './commands/train-tokenizer.ts';
import { InterruptedError } from './interrupted-error.ts';
import { UsageError } from './usage-error.ts';

/* eslint-disable @typescript-eslint/no-explicit-any -- citty's own type for "a command with any arguments" */
type AnyCommand = CommandDef<any>;
/* eslint-enable @typescript-eslint/no-explicit-any */

const subCommands: Readonly<Record<string, AnyCommand>> = {
  demo,
  'train-tokenizer': trainTokenizer,
  'train-prior': trainPrior,
  sample,
  reconstruct,
  evaluate,
  pack,
};

const main = defineCommand({
  meta: {
    name: 'tesserae-images',
    description: 'Train a tokenizer and an autoregressive prior on pictures, and make new pictures',
  },
  subCommands,
});

/**
 * Runs one command line.
 *
 * @param words - The words after the program's name.
 * @returns The exit code.
 */
export async function run(words: readonly string[]): Promise<number> {
  const [name, ...rest] = words;
  if (name === undefined || name === '--help' || name === '-h') {
    console.log(await renderUsage(main as AnyCommand));
    return name === undefined ? 2 : 0;
  }
  const command = Object.hasOwn(subCommands, name) ? subCommands[name] : undefined;
  if (command === undefined) {
    console.error(`tesserae-images: there is no command '${name}'; there are ${Object.keys(subCommands).join(', ')}.`);
    return 2;
  }
  try {
    if (rest.includes('--help') || rest.includes('-h')) {
      console.log(await renderUsage(command, main as AnyCommand));
      return 0;
    }
    checkFlags(command, name, rest);
    await runCommand(command, { rawArgs: rest });
    return 0;
  } catch (error) {
    if (error instanceof InterruptedError) {
      console.error(error.message);
      return 130;
    }
    const usage = error instanceof UsageError || (error as { name?: string }).name === 'CLIError';
    console.error(`tesserae-images ${name}: ${error instanceof Error ? error.message : String(error)}`);
    if (usage) console.error(`Run \`tesserae-images ${name} --help\` for help.`);
    else if (process.env['TESSERAE_DEBUG']) console.error((error as Error).stack);
    return usage ? 2 : 1;
  }
}

/** Refuses flags that the command does not have: citty would let a misspelt one pass. */
function checkFlags(command: AnyCommand, name: string, words: readonly string[]): void {
  const known = Object.keys((command.args ?? {}) as object);
  for (const word of words) {
    if (!word.startsWith('--')) continue;
    const flag = word.slice(2).split('=')[0] as string;
    const positive = flag.startsWith('no-') ? flag.slice(3) : flag;
    if (!known.includes(flag) && !known.includes(positive)) {
      throw new UsageError(`there is no flag --${flag}; ${name} has ${known.map((arg) => `--${arg}`).join(', ')}.`);
    }
  }
}
