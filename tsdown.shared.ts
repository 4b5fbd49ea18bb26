import type { UserConfig } from 'tsdown';

/** How every published package is built: one output file for each source file, declarations, packaging checks. */
export const shared: UserConfig = {
  entry: ['src/index.ts'],
  format: 'esm',
  dts: true,
  fixedExtension: false,
  unbundle: true,
  deps: { onlyBundle: [] },
  publint: { level: 'error' },
  attw: { profile: 'esm-only', level: 'error' },
};
