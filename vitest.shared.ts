/** Settings that every Vitest project of the workspace shares. */
export const conditions: string[] = ['@tesserae/source', 'module', 'node', 'development|production'];

export const shared = {
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: ['@tesserae/source', 'node'] } },
  test: {
    include: ['src/**/*.test.ts'],
    testTimeout: 60_000,
    // One worker a core; each test file gets a process of its own, since engines hold native state.
    pool: 'forks' as const,
    maxWorkers: 2,
  },
};
