/** What cuts across folders: `test('…', { tags: ['slow'] }, …)`. `npm test -- --quick` leaves the slow ones out. */
export const tags: { name: string; description: string; timeout?: number }[] = [
  { name: 'slow', description: 'takes longer than ten seconds', timeout: 600_000 },
  { name: 'gpu', description: 'needs an NVIDIA card; skipped with a reason where there is none', timeout: 600_000 },
];

/** Settings that every Vitest project of the workspace shares. */
const conditions: string[] = ['@tesserae/source', 'module', 'node', 'development|production'];

export const shared = {
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: ['@tesserae/source', 'node'] } },
  test: {
    include: ['src/**/*.test.ts'],
    testTimeout: 60_000,
    // Tests count compilations, and leave nothing in the user's folder.
    env: { TESSERAE_PROGRAM_CACHE: 'off' },
    tags,
    // One worker a core; each test file gets a process of its own, since engines hold native state.
    pool: 'forks' as const,
    maxWorkers: 2,
  },
};
