/** An npm registry on the loopback address that serves a few packages. */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { NpmPin } from '../npm-package.ts';
import { tarball, type TarMember } from './tarball.ts';

/** A running registry. */
export interface FakeRegistry extends AsyncDisposable {
  readonly url: string;
  /** Environment variables that point npm to it, with a cache of its own. */
  environment(folder: string): Record<string, string>;
  /** Serves a package of version 1.0.0 with these members, beside its `package.json`. */
  add(name: string, members: readonly TarMember[]): NpmPin;
}

/** Starts a registry. */
export async function startFakeRegistry(): Promise<FakeRegistry> {
  const files = new Map<string, Buffer>();
  const server = createServer((incoming, outgoing) => {
    const path = decodeURIComponent(incoming.url ?? '').slice(1);
    const file = files.get(path.replace(/\.tgz$/, ''));
    if (!file) return void outgoing.writeHead(404).end('{}');
    if (path.endsWith('.tgz')) return void outgoing.writeHead(200, { 'content-length': file.length }).end(file);
    const integrity = `sha512-${createHash('sha512').update(file).digest('base64')}`;
    const version = { name: path, version: '1.0.0', dist: { tarball: `${url}/${path}.tgz`, integrity } };
    outgoing.writeHead(200, { 'content-type': 'application/json' });
    outgoing.end(JSON.stringify({ name: path, 'dist-tags': { latest: '1.0.0' }, versions: { '1.0.0': version } }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    environment: (folder) => ({
      npm_config_registry: `${url}/`,
      npm_config_cache: folder,
      npm_config_userconfig: '/dev/null',
      npm_config_fetch_retries: '0',
      npm_config_update_notifier: 'false',
    }),
    add(name, members) {
      const manifest = { name: 'package/package.json', content: JSON.stringify({ name, version: '1.0.0' }) };
      const bytes = tarball([manifest, ...members]);
      files.set(name, bytes);
      return { name, version: '1.0.0', sha256: createHash('sha256').update(bytes).digest('hex') };
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
