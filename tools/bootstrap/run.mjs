/**
 * `npm run demo`, `npm test`, `npm run peers` and `npm run conformance` from a fresh clone: brings everything that they
 * need, then runs them.
 *
 * Plain JavaScript for Node 18 and later with nothing installed. Steps, each one line: pnpm (through npx), the packages
 * of the lockfile, the repository's own Node 24, the CPU engine, the task. What is done already is skipped: the packages
 * by a stamp with the lockfile's hash, the engine by the plugin cache.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { closingLine } from './closing-line.mjs';

const PNPM = '12.21.0';
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const stamp = join(root, 'node_modules', '.tesserae-bootstrap');
const ownNode = join(root, 'node_modules', 'node', 'bin', 'node');

const HELP = `Usage: npm run demo [-- OPTIONS]   train a tokenizer and a prior on real pictures, write picture grids
       npm test [-- OPTIONS]       run the tests
       npm run peers -- cpu|gpu    time programs here and in PyTorch, JAX and TensorFlow.js (-- --help)
       npm run conformance -- --engine NAME [OPTIONS]
                                   run the test suite of TensorFlow.js on an engine

Installs what is missing first: the packages of pnpm-lock.yaml, the repository's own Node 24, the XLA engine for the
CPU (without a reachable Python package index the WASM engine serves). Nothing outside this folder changes but the
per-user caches of npm, pnpm and Tesserae (TESSERAE_HOME).

  npm run demo -- --engine wasm --quick   a short run without XLA
  npm test -- --quick                     leaves out the tests tagged slow
  npm test -- packages/tokenizers         only the tests of a folder; other options go to vitest
  npm run conformance -- --engine xla:cpu all of TensorFlow.js's own specs
  node tools/bootstrap/run.mjs install    only install what is missing
`;

/** The exit code of a child that was interrupted, after the shell's convention. */
const INTERRUPTED = 130;

/** @type {import('node:child_process').ChildProcess | undefined} */
let running;
let interrupts = 0;
for (const signal of ['SIGINT', 'SIGTERM']) {
  // A terminal sends Ctrl-C to the child as well: it ends by itself, in order, and this process waits for it.
  // A second Ctrl-C ends it at once.
  process.on(signal, () => {
    interrupts++;
    if (!running) process.exit(INTERRUPTED);
    if (interrupts > 1) running.kill('SIGKILL');
    else if (signal === 'SIGTERM') running.kill('SIGTERM');
  });
}

process.exit(await main(process.argv.slice(2)));

async function main([task, ...words]) {
  if (task === undefined || task === '--help' || task === '-h') {
    process.stdout.write(HELP);
    return task === undefined ? 2 : 0;
  }
  if (!['demo', 'test', 'peers', 'conformance', 'install'].includes(task)) {
    process.stderr.write(`Unknown task '${task}'. Known: demo, test, peers, conformance, install.\n`);
    return 2;
  }
  if (words.includes('--help') || words.includes('-h')) {
    process.stdout.write(HELP);
    // The task's own options, where they can be had without installing anything.
    if (task === 'demo' && isInstalled()) return runDemo(['--help']);
    if (task === 'peers' && isInstalled()) return runPeers(['--help']);
    if (task === 'conformance' && isInstalled()) return runConformance(['--help']);
    return 0;
  }
  const [major] = process.versions.node.split('.').map(Number);
  if (major < 18) {
    process.stderr.write(`Node 18 or newer is needed to start; this is ${process.version}.\n`);
    return 1;
  }

  try {
    await installPackages();
    if (!wantsOtherEngine(words)) await installEngine();
    if (task === 'install') return 0;
    if (task === 'peers') return await runPeers(words);
    if (task === 'conformance') return await runConformance(words);
    return task === 'demo' ? await runDemo(words) : await runTests(words);
  } catch (error) {
    if (interrupts > 0) return INTERRUPTED;
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    return 1;
  }
}

function say(line) {
  process.stdout.write(`[tesserae] ${line}\n`);
}

function lockHash() {
  const hash = createHash('sha256');
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json'])
    hash.update(readFileSync(join(root, file)));
  return hash.digest('hex');
}

function isInstalled() {
  return existsSync(ownNode) && existsSync(stamp) && readFileSync(stamp, 'utf8') === lockHash();
}

async function installPackages() {
  if (isInstalled()) {
    say('packages: installed');
    return;
  }
  const started = Date.now();
  const pnpm = await findPnpm();
  say(`packages: installing with pnpm ${PNPM} (the first time takes a minute or two)`);
  const result = await runQuietly(pnpm[0], [...pnpm.slice(1), 'install', '--frozen-lockfile']);
  if (result.code !== 0) throw new Error(`The packages could not be installed:\n${result.tail}`);
  const version = await runQuietly(ownNode, ['--version']);
  if (version.code !== 0) {
    throw new Error(
      `The repository's own Node does not run (${ownNode}):\n${version.tail}\nIs this Linux on x86-64 with glibc?`,
    );
  }
  writeFileSync(stamp, lockHash());
  say(`packages: installed in ${seconds(started)}, with Node ${version.tail.trim().replace(/^v/, '')}`);
}

// npx comes with npm, so it is there; corepack or an own pnpm serve where npx cannot fetch.
async function findPnpm() {
  const candidates = [[join(root, 'tools', 'bootstrap', 'bin', 'pnpm')], ['corepack', `pnpm@${PNPM}`], ['pnpm']];
  const failures = [];
  for (const candidate of candidates) {
    const result = await runQuietly(candidate[0], [...candidate.slice(1), '--version']);
    if (result.code === 0) return candidate;
    failures.push(`${candidate.join(' ')}: ${result.tail.trim().split('\n').pop()}`);
  }
  throw new Error(`pnpm is needed to install the packages, and no way to it works:\n  ${failures.join('\n  ')}`);
}

async function installEngine() {
  const started = Date.now();
  const result = await runVisibly(ownNode, [...source('tools/cli/src/bin.ts'), 'engine', 'install', 'cpu'], {
    stdout: 'ignore',
  });
  if (interrupts > 0) throw new Error('interrupted');
  if (result === 0) say(`engine: xla:cpu is there (${seconds(started)})`);
  else say('engine: XLA is not available (see above); going on with the wasm engine');
}

function wantsOtherEngine(words) {
  const at = words.findIndex((word) => word === '--engine' || word.startsWith('--engine='));
  if (at < 0) return false;
  const name = words[at].includes('=') ? words[at].split('=')[1] : words[at + 1];
  return name === 'wasm' || name === 'cpu';
}

function runDemo(words) {
  return runVisibly(ownNode, [...source('apps/images/src/bin.ts'), 'demo', ...words]);
}

function runPeers(words) {
  return runVisibly(ownNode, [...source('tools/peers/src/bin.ts'), ...words]);
}

function runConformance(words) {
  return runVisibly(ownNode, [...source('tools/conformance/src/bin.ts'), ...words]);
}

async function runTests(words) {
  const folder = mkdtempSync(join(tmpdir(), 'tesserae-test-'));
  const report = join(folder, 'report.json');
  // Vitest compares a filter with paths relative to each package, so paths from the root are made absolute.
  const rest = words
    .filter((word) => word !== '--quick')
    .map((word) => (/^(\.\/)?(apps|packages|tools)(\/|$)/.test(word) ? join(root, word) : word));
  const quick = rest.length < words.length ? ['--tags-filter=!slow'] : [];
  try {
    say('tests: vitest over the workspace');
    const code = await runVisibly(ownNode, [
      join(root, 'node_modules', 'vitest', 'vitest.mjs'),
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
      ...quick,
      ...rest,
    ]);
    if (interrupts > 0) return INTERRUPTED;
    const text = existsSync(report) ? readFileSync(report, 'utf8') : undefined;
    process.stdout.write(`\n${closingLine(text, code)}\n`);
    return code;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function source(file) {
  return ['-C', '@tesserae/source', join(root, file)];
}

// The environment of a child: the repository's own tools first, and nothing that `npm run` set for this script alone.
function environment() {
  const env = { ...process.env };
  for (const key of Object.keys(env)) {
    if (/^npm_(lifecycle|package|command|execpath|node_execpath|config_(local_)?prefix$)/.test(key)) delete env[key];
  }
  const own = [join(root, 'node_modules', '.bin'), dirname(ownNode), join(root, 'tools', 'bootstrap', 'bin')];
  const inherited = (env.PATH ?? '').split(delimiter).filter((folder) => !own.includes(folder));
  return { ...env, PATH: [...own, ...inherited].join(delimiter) };
}

/** Runs a program with its output on the terminal; resolves to its exit code. */
function runVisibly(program, words, { stdout = 'inherit' } = {}) {
  return new Promise((resolve, reject) => {
    running = spawn(program, words, { cwd: root, env: environment(), stdio: ['inherit', stdout, 'inherit'] });
    running.on('error', reject);
    running.on('close', (code, signal) => {
      running = undefined;
      resolve(code ?? (signal ? INTERRUPTED : 1));
    });
  });
}

/** Runs a program without showing its output; resolves to its exit code and the last lines that it printed. */
function runQuietly(program, words) {
  return new Promise((resolve) => {
    // Before the own Node is there, the outer one runs pnpm. CI keeps it from asking questions.
    const child = spawn(program, words, {
      cwd: root,
      env: { ...environment(), CI: 'true' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running = child;
    let tail = '';
    const collect = (chunk) => {
      tail = (tail + chunk).split('\n').slice(-40).join('\n');
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    const end = (code) => {
      running = undefined;
      if (interrupts > 0) process.exit(INTERRUPTED);
      resolve({ code, tail });
    };
    child.on('error', (error) => {
      tail += error.message;
      end(127);
    });
    child.on('close', (code) => end(code ?? 1));
  });
}

function seconds(since) {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}
