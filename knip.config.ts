import type { KnipConfig } from 'knip';

/**
 * What counts as used. Entry files come from each package's `exports` and `bin`; tests and configuration files are
 * known to knip's own plugins.
 */
const config: KnipConfig = {
  // A type that a public signature names is exported for its documentation.
  ignoreExportsUsedInFile: { interface: true, type: true },
  workspaces: {
    '.': {
      project: ['*.ts', '*.js', 'tools/bootstrap/*.mjs'],
      // Brings `tsc`.
      ignoreDependencies: ['@typescript/native'],
    },
    'packages/*/*': {},
    // Tests run these as processes or threads of their own, by path.
    'packages/engines/xla': { entry: ['src/testing/*.process.ts'] },
    'apps/*': {},
    'tools/*': {},
    // Pictures, found by the package's folder.
    'tools/datasets': { ignoreDependencies: ['@lobehub/fluent-emoji-3d'] },
    // Processes that its tests start.
    'tools/peers': { entry: ['src/testing/{worker,other-peer}.ts'], ignoreBinaries: ['nvidia-smi'] },
    // What the examples of the READMEs import: they run from its folder.
    'tools/checks': { ignoreDependencies: [/^@tesserae\//, 'tesserae'] },
  },
};

export default config;
