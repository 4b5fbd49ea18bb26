/**
 * An Nx plugin: every project has a `lint` task, so that `nx affected -t lint` works. All of the workspace at once is
 * quicker by `eslint .`, which loads the types once.
 */
import { dirname } from 'node:path';

/** What Nx calls with the `package.json` files that match the pattern. */
export const createNodesV2 = [
  '{packages,apps,tools}/**/package.json',
  (files) =>
    files
      .filter((file) => !file.includes('node_modules'))
      .map((file) => {
        const root = dirname(file);
        const lint = { command: 'eslint .', options: { cwd: root }, cache: true };
        return [file, { projects: { [root]: { targets: { lint } } } }];
      }),
];
