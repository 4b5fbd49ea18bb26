/** `tesserae engine cache`: the compiled programs that are kept between runs. */
import { ExecutableStore } from '@tesserae/xla/plugins';
import type { Terminal } from './terminal.ts';

/** Prints how much is kept and where; with `clear`, deletes it. Any program can be compiled again. */
export function engineCache(clear: boolean, terminal: Terminal): void {
  const store = new ExecutableStore();
  const files = store.list();
  const size = megabytes(files.reduce((sum, { bytes }) => sum + bytes, 0));
  if (clear) {
    terminal.out(`Deleted ${programs(store.clear())}, ${size} MB, from ${store.folder}.`);
    return;
  }
  const [oldest] = files;
  const since = oldest === undefined ? '' : `, the oldest last used on ${oldest.lastUsed.toISOString().slice(0, 10)}`;
  terminal.out(
    `${store.folder}: ${programs(files.length)}, ${size} of at most ${megabytes(store.maxBytes)} MB${since}`,
  );
  if (files.length > 0) terminal.out('To delete them: tesserae engine cache --clear');
}

const programs = (count: number): string => (count === 1 ? '1 compiled program' : `${count} compiled programs`);
const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);
