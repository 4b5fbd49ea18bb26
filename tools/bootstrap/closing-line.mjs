/**
 * The last line of a test run, in words that people and scripts read alike: `N passed, M failed[, K skipped]`.
 *
 * @param {string | undefined} report text of vitest's JSON report; undefined if none was written
 * @param {number} code vitest's exit code: a run that failed never reports zero failures
 * @returns {string} the line
 */
export function closingLine(report, code) {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  try {
    for (const file of JSON.parse(report ?? '{}').testResults ?? []) {
      const tests = file.assertionResults ?? [];
      for (const test of tests) {
        if (test.status === 'passed') passed++;
        else if (test.status === 'failed') failed++;
        else skipped++;
      }
      // A file that could not be loaded has no tests but counts.
      if (file.status === 'failed' && !tests.some((test) => test.status === 'failed')) failed++;
    }
  } catch {
    // A report that was cut off: the exit code decides.
  }
  if (code !== 0 && failed === 0) failed = 1;
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
