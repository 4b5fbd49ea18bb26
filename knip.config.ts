import type { KnipConfig } from 'knip';

/**
 * What counts as used. Entry files come from each package's `exports` and `bin`; tests and configuration files are
 * known to knip's own plugins.
 */
const config: KnipConfig = {
  workspaces: {
    '.': {
      project: ['*.ts', '*.js', 'tools/bootstrap/*.mjs'],
      // Brings `tsc`.
      ignoreDependencies: ['@typescript/native'],
    },
    'packages/*/*': {},
    'apps/*': {},
    'tools/*': {},
  },
};

export default config;
