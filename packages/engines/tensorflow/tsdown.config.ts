import { defineConfig } from 'tsdown';
import { shared } from '../../../tsdown.shared.ts';

export default defineConfig({
  ...shared,
  entry: ['src/index.ts', 'src/install/index.ts', 'src/install/known-results.ts'],
});
