/**
 * Finds the TypeScript examples of the Markdown files: fenced blocks that begin with three backticks and `ts`.
 *
 * An HTML comment right before a block says how it is treated:
 *
 *     <!-- example: skip, because it needs a graphics card -->      not run; the reason is printed
 *     <!-- example: continues -->                                   run after the block before it, in one file
 *
 * A comment `// => text` at the end of a one-line statement says what it gives: for `console.log(…)` the line that it
 * prints, for `const name = …` the value of the name, for an expression its value, as `console.log` would show them. A
 * text that ends in `…` need only begin so.
 */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One fenced block. */
export interface Example {
  /** The Markdown file, relative to the root. */
  readonly file: string;
  /** Line of the opening fence, from 1. */
  readonly line: number;
  /** The code to run; with earlier blocks in front if the block continues them. */
  readonly code: string;
  /** Why it is not run. */
  readonly skip?: string;
}

/** The Markdown files whose examples are run: every README and everything in `docs`. */
export function markdownFiles(root: string): string[] {
  const patterns = ['README.md', 'docs/**/*.md', '{packages,apps,tools}/**/README.md'];
  const files = globSync(patterns, { cwd: root, exclude: (name) => name === 'node_modules' || name === 'dist' });
  return [...new Set(files)].sort();
}

/** The examples of one Markdown file, in order. */
export function examplesIn(root: string, file: string): Example[] {
  return parseExamples(readFileSync(join(root, file), 'utf8'), file);
}

/**
 * The examples in a Markdown text.
 *
 * @throws Error if a comment beginning with `example:` says something unknown, or gives no reason for a skip
 */
export function parseExamples(text: string, file: string): Example[] {
  const lines = text.split('\n');
  const examples: Example[] = [];
  let comment: string | undefined;
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!;
    const marker = /^<!--\s*example:\s*(.*?)\s*-->$/.exec(line);
    if (marker) {
      comment = marker[1]!;
      if (comment !== 'continues' && !/^skip, because \S/.test(comment)) {
        throw new Error(`${file}:${i + 1}: '${comment}' is neither 'continues' nor 'skip, because …'.`);
      }
      continue;
    }
    const fence = /^```(\S*)/.exec(line);
    if (!fence) {
      if (line.trim() !== '') comment = undefined;
      continue;
    }
    const start = i;
    while (i + 1 < lines.length && !lines[i + 1]!.startsWith('```')) i++;
    const body = lines.slice(start + 1, i + 1).join('\n');
    i++;
    if (fence[1] === 'ts' || fence[1] === 'typescript') {
      const before = comment === 'continues' ? examples.at(-1)?.code : undefined;
      if (comment === 'continues' && before === undefined)
        throw new Error(`${file}:${start + 1}: nothing to continue.`);
      examples.push({
        file,
        line: start + 1,
        code: before === undefined ? body : `${before}\n${body}`,
        ...(comment?.startsWith('skip') ? { skip: comment.replace(/^skip, because /, '') } : {}),
      });
    }
    comment = undefined;
  }
  return examples;
}

/**
 * Turns `// => text` comments into checks. Line numbers stay.
 *
 * @param code the code of an example
 * @returns code that prints a line and exits with code 1 at the first difference
 * @throws Error if such a comment stands on a line that is not a whole statement
 */
export function withChecks(code: string): string {
  let checks = false;
  const lines = code.split('\n').map((line) => {
    const match = /^(\s*)(.*?);?\s*\/\/ => (.*)$/.exec(line);
    if (!match) return line;
    checks = true;
    const [, indent = '', statement = '', expected = ''] = match;
    const text = JSON.stringify(expected.trim());
    const log = /^console\.log\((.*)\)$/.exec(statement);
    if (log) return `${indent}__expect(${text}, ${log[1]});`;
    const declared = /^(?:const|let|using|await using)\s+(\w+)\b[^=]*=(?!=)/.exec(statement);
    if (declared) return `${indent}${statement}; __expect(${text}, ${declared[1]});`;
    if (statement === '' || /^[)}\]]/.test(statement)) {
      throw new Error(`'// =>' must stand behind a statement on one line: ${line.trim()}`);
    }
    return `${indent}__expect(${text}, ${statement});`;
  });
  if (!checks) return code;
  // On the last line, so that the numbers of the others stay: functions are hoisted, imports too.
  return `${lines.join('\n')}\n${CHECK}`;
}

const CHECK = `import { format as __format } from 'node:util';
function __expect(expected: string, ...values: unknown[]): void {
  const received = __format(...values).replace(/\\s+/g, ' ');
  const matches = expected.endsWith('…') ? received.startsWith(expected.slice(0, -1)) : received === expected;
  if (matches) return;
  console.error(\`expected: \${expected}\\nreceived: \${received}\`);
  process.exit(1);
}`;
