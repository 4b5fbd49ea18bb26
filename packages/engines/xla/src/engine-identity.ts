/**
 * What a compiled program depends on besides its text: another plugin, device, processor or flag must not find it.
 *
 * The CPU plugin compiles for the instructions of this processor and splits work by its cores, and a home folder may be
 * shared between machines, so both count.
 */
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import type { PjrtClient } from './pjrt/client.ts';

/** The engine as a text: equal texts load each other's programs. */
export function engineIdentity(client: PjrtClient): string {
  const { path, apiVersion, platform, platformVersion, deviceKind, deviceCount } = client;
  const { size, mtimeMs } = statSync(path);
  return JSON.stringify({
    plugin: { path, size, mtimeMs, apiVersion, platform, platformVersion },
    device: { deviceKind, deviceCount },
    machine: { ...processor(), cores: availableParallelism(), arch: process.arch },
    flags: process.env['XLA_FLAGS'] ?? '',
  });
}

/** The key of a program: SHA-256 in hexadecimal. `options` are the serialised compile options. */
export function executableKey(identity: string, options: Uint8Array, text: string): string {
  const hash = createHash('sha256');
  // Lengths keep the parts apart.
  for (const part of [Buffer.from(identity), options, Buffer.from(text)]) {
    hash.update(`${part.byteLength}\n`).update(part);
  }
  return hash.digest('hex');
}

function processor(): { model: string; features: string } {
  const model = cpus()[0]?.model ?? '';
  try {
    return { model, features: /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? '' };
  } catch {
    return { model, features: '' };
  }
}
