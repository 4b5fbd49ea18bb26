/**
 * One GET request to a package index: redirects, proxies, a private certificate, idle time-outs.
 *
 * `fetch` would do, but takes a proxy or a certificate only for the whole process; an agent takes them for one request.
 */
import { readFileSync } from 'node:fs';
import { Agent as HttpAgent, get as httpGet, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, get as httpsGet } from 'node:https';
import * as tls from 'node:tls';
import type { Environment } from './home.ts';

/** How to reach an index. */
export interface RequestSettings {
  /** `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` are read from here. */
  readonly env: Environment;
  /** A PEM file with certificate authorities beside the built-in ones. */
  readonly certificate?: string;
  /** A proxy that wins over the environment's. */
  readonly proxy?: string;
  /** Milliseconds without a byte after which a request fails, 30,000 by default. */
  readonly idleTimeout?: number;
}

/** An answer with status 200 or 206; its body is not read yet. */
export interface Answer {
  readonly url: URL;
  readonly status: number;
  readonly body: IncomingMessage;
}

/** The index answered, but not with the file. */
export class HttpStatusError extends Error {
  override readonly name = 'HttpStatusError';
  readonly status: number;

  /** @param url what was asked for @param status the answer's status code */
  constructor(url: URL, status: number) {
    super(`${redacted(url.href)} answered with status ${status}`);
    this.status = status;
  }
}

/**
 * Sends a GET request and follows up to five redirects, never from https to http.
 *
 * @throws HttpStatusError for any status but 200 and 206
 * @throws Error that names the host for a connection that fails, is refused or stays silent
 */
export async function request(
  url: URL,
  settings: RequestSettings,
  headers: Record<string, string> = {},
): Promise<Answer> {
  let current = url;
  for (let hop = 0; hop <= 5; hop++) {
    const body = await requestOnce(current, settings, headers);
    const status = body.statusCode ?? 0;
    if (status === 200 || status === 206) return { url: current, status, body };
    body.resume();
    const location = body.headers.location;
    if (status < 300 || status > 399 || location === undefined) throw new HttpStatusError(current, status);
    const next = new URL(location, current);
    if (current.protocol === 'https:' && next.protocol !== 'https:') {
      throw new Error(`${redacted(current.href)} redirects from https to ${next.protocol}, which is refused`);
    }
    current = next;
  }
  throw new Error(`${redacted(url.href)} redirects more than five times`);
}

/**
 * Fetches a page as text, 32 MiB at most.
 *
 * @returns the text, its content type, and the address after redirects
 */
export async function fetchText(
  url: URL,
  settings: RequestSettings,
  headers: Record<string, string> = {},
): Promise<{ text: string; type: string; url: URL }> {
  const answer = await request(url, settings, headers);
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > 32 << 20) throw new Error(`${redacted(url.href)} sends a page of more than 32 MiB`);
    chunks.push(chunk);
  }
  const type = answer.body.headers['content-type'] ?? '';
  return { text: Buffer.concat(chunks).toString('utf8'), type, url: answer.url };
}

/** An address without its user name and password, for messages. */
export function redacted(address: string): string {
  return address.replace(/\/\/[^/@\s]*@/, '//');
}

function requestOnce(url: URL, settings: RequestSettings, headers: Record<string, string>): Promise<IncomingMessage> {
  const secure = url.protocol === 'https:';
  if (!secure && url.protocol !== 'http:') {
    return Promise.reject(
      new Error(`${redacted(url.href)}: an index is reached by http or https, not ${url.protocol}`),
    );
  }
  const proxyEnv = settings.proxy
    ? { ...settings.env, HTTP_PROXY: settings.proxy, HTTPS_PROXY: settings.proxy }
    : settings.env;
  // Node before 22.21 ignores `proxyEnv`; such a machine reaches the index directly or not at all.
  const agent = secure ? new HttpsAgent({ proxyEnv, ...certificates(settings) }) : new HttpAgent({ proxyEnv });
  const idle = settings.idleTimeout ?? 30_000;
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      const code = (error as NodeJS.ErrnoException).code;
      reject(new Error(`${url.host} cannot be reached (${code ?? error.message})`, { cause: error }));
    };
    const outgoing = (secure ? httpsGet : httpGet)(
      url,
      { agent, headers: { 'user-agent': 'tesserae', ...headers }, timeout: idle },
      resolve,
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer for ${idle / 1000} s`)));
    outgoing.on('error', fail);
  });
}

function certificates(settings: RequestSettings): { ca?: string[] } {
  if (settings.certificate === undefined) return {};
  try {
    // Added to the usual ones, which include NODE_EXTRA_CA_CERTS where Node can list them (22.15 and later).
    const usual = tls.getCACertificates ? tls.getCACertificates('default') : [...tls.rootCertificates];
    return { ca: [...usual, readFileSync(settings.certificate, 'utf8')] };
  } catch {
    return {};
  }
}
