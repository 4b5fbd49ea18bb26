/** From what a person types after `--tokenizer` to a factory: a known name, a package, or a file. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { TokenizerFactory } from './factory.ts';
import { listNames, UnknownTokenizerError } from './unknown-tokenizer-error.ts';

/** Options of `resolveTokenizer`. */
export interface ResolveOptions {
  /** Folder that relative paths and package names are looked up from. Default: the working directory. */
  readonly from?: string;
}

/**
 * Find a tokenizer factory.
 *
 * - a name in `known`: that one;
 * - a path (`./mine.ts`, `/there/mine.js`, anything that ends in `.ts`, `.js`, `.mts` or `.mjs`): the export `tokenizer`
 *   of that file. Node runs TypeScript itself;
 * - else a package: its export `tokenizer`.
 *
 * Loading a file or a package runs it: use names of things you trust.
 *
 * @param spec - What was asked for.
 * @param known - The built-in ones, by the name that a person types.
 * @throws UnknownTokenizerError when nothing answers to it, with the known names; Error when the module cannot be loaded
 *   or does not export a factory, with what it should export.
 */
export async function resolveTokenizer(
  spec: string,
  known: Readonly<Record<string, TokenizerFactory>>,
  options: ResolveOptions = {},
): Promise<TokenizerFactory> {
  if (Object.hasOwn(known, spec)) return known[spec] as TokenizerFactory;
  const url = locate(spec, options.from ?? process.cwd(), Object.keys(known));
  let module: Record<string, unknown>;
  try {
    module = (await import(/* @vite-ignore */ url)) as Record<string, unknown>;
  } catch (error) {
    throw new Error(`resolveTokenizer: '${spec}' was found, but cannot be loaded: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return factoryOf(module, spec);
}

/** The URL of the module that a path or a package name means. */
function locate(spec: string, from: string, known: readonly string[]): string {
  const unknown = (why: string): never => {
    throw new UnknownTokenizerError(
      `resolveTokenizer: there is no tokenizer '${spec}': ${why}. ` +
        `Known names are ${listNames(known)}; the name of an installed package or the path of a .ts or .js file also do`,
      spec,
      known,
    );
  };
  if (spec.startsWith('file:') || /^\.{0,2}[/\\]|^[a-z]:[/\\]|\.m?[jt]s$/i.test(spec)) {
    const file = spec.startsWith('file:') ? fileURLToPath(spec) : resolve(from, spec);
    return existsSync(file) ? pathToFileURL(file).href : unknown(`there is no file ${file}`);
  }
  if (!/^(@[\w.-]+\/)?[\w-][\w.-]*(\/[\w.-]+)*$/.test(spec)) return unknown('that is neither a name nor a path');
  try {
    return pathToFileURL(createRequire(join(from, 'package.json')).resolve(spec)).href;
  } catch {
    // Not installed there; perhaps beside this package.
  }
  try {
    return import.meta.resolve(spec);
  } catch {
    return unknown('it is not a known name, and no package of that name is installed');
  }
}

/** The factory among a module's exports. */
function factoryOf(module: Record<string, unknown>, spec: string): TokenizerFactory {
  const found = module['tokenizer'] ?? module['default'];
  const { kind, create } = (typeof found === 'object' && found !== null ? found : {}) as Partial<TokenizerFactory>;
  if (typeof kind === 'string' && typeof create === 'function') return found as TokenizerFactory;
  throw new Error(
    `resolveTokenizer: '${spec}' ` +
      (found === undefined
        ? `exports ${listNames(Object.keys(module))}, but no \`tokenizer\``
        : 'exports a `tokenizer` without `kind` and `create`') +
      '; it must export const tokenizer: TokenizerFactory = { kind: "name", create: (config) => new YourTokenizer(config) }',
  );
}
