import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { parseExamples, withChecks } from './examples.ts';

const fence = '```';

test('fenced ts blocks are found, others are not', () => {
  const text = `# A\n\n${fence}ts\nconst a = 1;\n${fence}\n\n${fence}sh\nls\n${fence}\n\n${fence}ts\nconst b = 2;\n${fence}\n`;
  expect(parseExamples(text, 'A.md')).toEqual([
    { file: 'A.md', line: 3, code: 'const a = 1;' },
    { file: 'A.md', line: 11, code: 'const b = 2;' },
  ]);
});

test('a comment skips or continues the block that follows it', () => {
  const block = (code: string): string => `${fence}ts\n${code}\n${fence}\n`;
  const text = [
    block('const a = 1;'),
    '<!-- example: continues -->',
    block('a;'),
    '<!-- example: skip, because it needs a GPU -->\n',
    block('gpu();'),
    block('free();'),
  ].join('\n');
  expect(parseExamples(text, 'A.md').map(({ code, skip }) => [code, skip])).toEqual([
    ['const a = 1;', undefined],
    ['const a = 1;\na;', undefined],
    ['gpu();', 'it needs a GPU'],
    ['free();', undefined],
  ]);
});

test('a skip without a reason is an error', () => {
  expect(() => parseExamples('<!-- example: skip -->', 'A.md')).toThrow("A.md:1: 'skip' is neither");
});

function run(code: string): string {
  try {
    execFileSync(process.execPath, ['--input-type=module-typescript', '-e', withChecks(code)], { stdio: 'pipe' });
    return 'ok';
  } catch (error) {
    return String((error as { stderr: Buffer }).stderr);
  }
}

test('comments with an arrow are checked', { timeout: 30_000 }, () => {
  expect(run("console.log('a', [1, 2]); // => a [ 1, 2 ]\nconst x = 3; // => 3\nx + 1; // => 4")).toBe('ok');
  expect(run('console.log(1 / 3); // => 0.333…')).toBe('ok');
  expect(run('console.log(2); // => 3')).toContain('expected: 3\nreceived: 2');
  expect(run('const x = 3; // => 4')).toContain('received: 3');
});

test('an arrow behind half a statement is an error', () => {
  expect(() => withChecks('console.log(\n1\n); // => 1')).toThrow('on one line');
});
