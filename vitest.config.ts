import { defineConfig } from 'vitest/config';
import { tags } from './vitest.shared.ts';

export default defineConfig({
  test: {
    projects: ['packages/*/*/vitest.config.ts', 'apps/*/vitest.config.ts', 'tools/*/vitest.config.ts'],
    tags,
    maxWorkers: 2,
  },
});
