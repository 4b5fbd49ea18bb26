import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sound, type Check } from '../check.ts';
import { difference } from '../compare.ts';
import { loadTokenizer } from '../../load-tokenizer.ts';
import { saveTokenizer } from '../../save-tokenizer.ts';

export const saveAndLoad: Check = {
  name: 'save-and-load',
  promise: 'a saved tokenizer that is loaded again gives the same tokens and the same signals',
  async run({ tokenizer, factory, samples, tolerance }) {
    if (!factory) return { skipped: 'there is no factory to build the loaded one; pass a factory' };
    const folder = await mkdtemp(join(tmpdir(), 'conformance-'));
    try {
      await saveTokenizer(tokenizer, folder);
      using loaded = await loadTokenizer(folder, [factory]);
      const tokens = tokenizer.encode(samples);
      const encoded = await difference(
        loaded.encode(samples),
        tokens,
        tokenizer.spec.kind === 'discrete' ? 0 : tolerance,
      );
      if (encoded !== undefined) return { fault: `the loaded tokenizer gives other tokens: ${encoded}` };
      const decoded = await difference(loaded.decode(tokens), tokenizer.decode(tokens), tolerance);
      return decoded === undefined ? sound : { fault: `the loaded tokenizer decodes differently: ${decoded}` };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};
