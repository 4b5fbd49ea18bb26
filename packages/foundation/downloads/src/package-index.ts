/**
 * The Python package index: the one that pip is configured to use, whatever it is, and where in it a file lies.
 *
 * pip itself is asked for its settings (command line defaults, environment, pip.conf, in its own order), so a mirror, a
 * certificate or a proxy that works for pip works here. Without pip, its variables and configuration files are read.
 * The index speaks the simple repository API: HTML (PEP 503) or JSON (PEP 691).
 */
import { execFile } from 'node:child_process';
import { access, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL, fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { fetchText, redacted, type RequestSettings } from './index-request.ts';
import { PluginUnavailableError } from './errors.ts';
import type { Environment } from './home.ts';

/** The settings of pip that matter for finding and fetching a file. */
export interface PackageIndex extends RequestSettings {
  /** The simple API's root addresses, the main one first. */
  readonly urls: readonly string[];
  /** Local folders with wheels (`find-links`), looked at first. */
  readonly folders: readonly string[];
}

// Importing pip's own option parser costs 0.4 s and answers for every way of configuring pip. A Python without pip may
// still carry the copy that `ensurepip` would install.
const SCRIPT = `
import json, sys
try:
    import pip
except ImportError:
    import ensurepip, glob, os
    sys.path[:0] = glob.glob(os.path.join(os.path.dirname(ensurepip.__file__), '_bundled', 'pip-*.whl'))
    sys.path[:0] = glob.glob('/usr/share/python-wheels/pip-*.whl')
from pip._internal.commands import create_command
options, _ = create_command('download').parse_args([])
print(json.dumps({'index': None if options.no_index else options.index_url, 'extra': options.extra_index_urls,
                  'links': options.find_links, 'cert': options.cert, 'proxy': options.proxy}))
`;

/**
 * Reads where pip would look for packages.
 *
 * @param env the environment to read; `PYTHON` names another interpreter
 * @throws PluginUnavailableError if neither pip nor its settings name an index
 */
export async function configuredIndex(env: Environment = process.env): Promise<PackageIndex> {
  const asked = (await askPip(env)) ?? (await readSettings(env));
  const urls = [asked.index, ...asked.extra].filter((url): url is string => Boolean(url));
  const folders = asked.links.flatMap((link) => {
    if (link.startsWith('file://')) return [fileURLToPath(link)];
    return /^[a-z]+:\/\//.test(link) ? [] : [link];
  });
  if (urls.length === 0 && folders.length === 0) {
    throw new PluginUnavailableError(
      'No Python package index is configured, and pip is not there to name its default.',
      'Install pip for python3, or set PIP_INDEX_URL to an index, then run the command again.',
    );
  }
  return {
    urls,
    folders,
    env,
    ...(asked.cert ? { certificate: asked.cert } : {}),
    ...(asked.proxy ? { proxy: asked.proxy } : {}),
  };
}

/** An index given by address, with everything else from the environment. */
export function indexAt(url: string, env: Environment = process.env): PackageIndex {
  return { urls: [url], folders: [], env };
}

/**
 * Finds a file of a project: in the local folders, then in each index in order.
 *
 * @param index where to look
 * @param project the project's name
 * @param file the exact file name
 * @returns its address, `file:` for a local one
 * @throws PluginUnavailableError if no index answers, or none has the file
 */
export async function findFile(index: PackageIndex, project: string, file: string): Promise<URL> {
  for (const folder of index.folders) {
    const path = join(folder, file);
    if (
      await access(path).then(
        () => true,
        () => false,
      )
    )
      return pathToFileURL(path);
  }
  const failures: string[] = [];
  let cause: unknown;
  for (const root of index.urls) {
    try {
      // PEP 503: lower case, runs of - _ . as one dash, a slash at the end.
      const name = project.toLowerCase().replace(/[-_.]+/g, '-');
      const page = await fetchText(new URL(`${name}/`, root.endsWith('/') ? root : `${root}/`), index, {
        accept: 'application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1',
      });
      const link = linkTo(page.text, page.type, file);
      if (link !== undefined) return new URL(link, page.url);
      failures.push(`${redacted(root)} has no ${file}`);
    } catch (error) {
      cause = error;
      failures.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new PluginUnavailableError(
    `The package index does not give ${file}: ${failures.join('; ') || 'no index is configured'}.`,
    'Check the network and `pip config list`, or point PIP_INDEX_URL to an index that has it; then run the command again.',
    { cause },
  );
}

// The address of a file on a project's page, as written there.
function linkTo(text: string, type: string, file: string): string | undefined {
  if (type.includes('json')) {
    const page = JSON.parse(text) as { files?: { filename?: string; url?: string }[] };
    return page.files?.find((entry) => entry.filename === file)?.url;
  }
  for (const [, attributes = '', label = ''] of text.matchAll(/<a\s([^>]*)>([^<]*)<\/a>/gi)) {
    if (label.trim() !== file) continue;
    const link = /href\s*=\s*(?:"([^"]*)"|'([^']*)')/i.exec(attributes);
    if (link) return (link[1] ?? link[2] ?? '').replaceAll('&amp;', '&');
  }
  return undefined;
}

interface PipSettings {
  index: string | null;
  extra: string[];
  links: string[];
  cert: string | null;
  proxy: string | null;
}

async function askPip(env: Environment): Promise<PipSettings | undefined> {
  for (const python of env['PYTHON'] ? [env['PYTHON']] : ['python3', 'python']) {
    try {
      const { stdout } = await promisify(execFile)(python, ['-c', SCRIPT], {
        env: env as NodeJS.ProcessEnv,
        timeout: 30_000,
      });
      return JSON.parse(stdout) as PipSettings;
    } catch {
      // No such interpreter, no pip, or a pip whose insides moved: try the next way.
    }
  }
  return undefined;
}

// pip's own order: the environment wins over the user's file, that over the machine's.
async function readSettings(env: Environment): Promise<PipSettings> {
  const home = env['HOME'] ?? homedir();
  const files = [
    '/etc/pip.conf',
    join(home, '.pip', 'pip.conf'),
    join(env['XDG_CONFIG_HOME'] ?? join(home, '.config'), 'pip', 'pip.conf'),
    ...(env['PIP_CONFIG_FILE'] ? [env['PIP_CONFIG_FILE']] : []),
  ];
  const values = new Map<string, string>();
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => '');
    for (const line of text.split('\n')) {
      const match = /^\s*(index[-_]url|extra[-_]index[-_]url|cert|proxy)\s*[=:]\s*(.+?)\s*$/.exec(line);
      if (match) values.set(match[1]!.replaceAll('_', '-'), match[2]!);
    }
  }
  const get = (name: string): string | undefined =>
    env[`PIP_${name.toUpperCase().replaceAll('-', '_')}`] ?? values.get(name);
  return {
    index: get('index-url') ?? null,
    extra: get('extra-index-url')?.split(/\s+/) ?? [],
    links: [],
    cert: get('cert') ?? null,
    proxy: get('proxy') ?? null,
  };
}
