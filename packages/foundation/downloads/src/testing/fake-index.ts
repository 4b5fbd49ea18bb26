/** A Python package index on the loopback address, with one page for each project and the ways in which one fails. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { WheelPin } from '../wheel-pin.ts';
import { zip, type Member } from './zip.ts';

/** A running index. */
export interface FakeIndex extends AsyncDisposable {
  readonly url: string;
  /** The wheels that it serves, by file name. */
  readonly files: Map<string, Buffer>;
  /** Every request, as `path` or `path range`. */
  readonly requests: string[];
  /** Pages as HTML (PEP 503) rather than JSON (PEP 691). */
  html: boolean;
  /** Answers file requests with status 200 whatever range is asked for. */
  ignoresRanges: boolean;
  /** Ends the connection after so many bytes, for each of the next answers. */
  cutAfter: number[];
}

/** Starts an index that serves `files`. */
export async function startFakeIndex(): Promise<FakeIndex> {
  const server = createServer((incoming, outgoing) => answer(index, incoming, outgoing));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const index: FakeIndex = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/simple`,
    files: new Map(),
    requests: [],
    html: false,
    ignoresRanges: false,
    cutAfter: [],
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return index;
}

/** The pin and the bytes of a wheel with these members. */
export function makeWheel(project: string, members: readonly Member[]): { pin: WheelPin; bytes: Buffer } {
  const bytes = zip(members);
  const file = `${project.replaceAll('-', '_')}-1.0-py3-none-any.whl`;
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { pin: { project, version: '1.0', file, bytes: bytes.length, sha256 }, bytes };
}

function answer(index: FakeIndex, incoming: IncomingMessage, outgoing: ServerResponse): void {
  const path = decodeURI(incoming.url ?? '');
  const range = incoming.headers.range;
  index.requests.push(range === undefined ? path : `${path} ${range}`);
  const page = /^\/simple\/([^/]+)\/$/.exec(path);
  if (page) {
    const names = [...index.files.keys()].filter((name) => name.startsWith(`${page[1]!.replaceAll('-', '_')}-`));
    if (names.length === 0) return void outgoing.writeHead(404).end();
    if (index.html) {
      const links = names.map((name) => `<a href="../../files/${name}#sha256=0" data-x="1">${name}</a><br/>`);
      return void outgoing.writeHead(200, { 'content-type': 'text/html' }).end(`<html>${links.join('\n')}</html>`);
    }
    const files = names.map((filename) => ({ filename, url: `../../files/${filename}`, hashes: {} }));
    outgoing.writeHead(200, { 'content-type': 'application/vnd.pypi.simple.v1+json' });
    return void outgoing.end(JSON.stringify({ files }));
  }
  const bytes = index.files.get(path.replace('/files/', ''));
  if (!bytes) return void outgoing.writeHead(404).end();
  const start = range === undefined || index.ignoresRanges ? 0 : Number(/bytes=(\d+)-/.exec(range)![1]);
  const body = bytes.subarray(start);
  const headers = { 'content-length': body.length };
  if (start > 0) {
    outgoing.writeHead(206, { ...headers, 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` });
  } else outgoing.writeHead(200, headers);
  const cut = index.cutAfter.shift();
  if (cut === undefined) return void outgoing.end(body);
  outgoing.write(body.subarray(0, cut), () => setTimeout(() => outgoing.destroy(), 20));
}
