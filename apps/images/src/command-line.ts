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
    checkWords(command, name, rest);
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

/** Refuses what citty would let pass: flags that the command does not have, flags without their value, stray words. */
function checkWords(command: AnyCommand, name: string, words: readonly string[]): void {
  const types = new Map(Object.entries((command.args ?? {}) as Record<string, { type?: string }>));
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    if (!word.startsWith('--')) {
      throw new UsageError(`'${word}' is unexpected: ${name} takes flags only, such as --${[...types.keys()][0]}.`);
    }
    const [flag, value] = splitOnce(word.slice(2));
    const negated = flag.startsWith('no-') && types.get(flag.slice(3))?.type === 'boolean';
    const type = negated ? 'boolean' : types.get(flag)?.type;
    if (type === undefined) {
      const known = [...types.keys()].map((arg) => `--${arg}`).join(', ');
      throw new UsageError(`there is no flag --${flag}; ${name} has ${known}.`);
    }
    if (type === 'boolean') {
      if (value !== undefined) throw new UsageError(`--${flag} takes no value, got '${value}'.`);
      continue;
    }
    // The value is the next word; it may begin with one dash, as a negative number does.
    const given = value ?? words[++i];
    if (given === undefined || given === '' || given.startsWith('--')) throw new UsageError(`--${flag} needs a value.`);
  }
}

/** `flag=value` in two; the value may hold more of the signs. */
function splitOnce(text: string): [flag: string, value?: string] {
  const at = text.indexOf('=');
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}
