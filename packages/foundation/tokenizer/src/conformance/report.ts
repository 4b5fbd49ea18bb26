/** What `conformance` returns. */

/** The outcome of one check. */
export interface CheckResult {
  readonly name: string;
  /** False only where the promise is broken; a check that could not run has passed and says so in `detail`. */
  readonly passed: boolean;
  /** Whether the check could not run. */
  readonly skipped: boolean;
  /** The promise where it holds, otherwise what is wrong, or why it could not be told. */
  readonly detail: string;
}

/** The outcome of all checks. */
export interface ConformanceReport {
  /** Whether no promise is broken. */
  readonly passed: boolean;
  readonly checks: readonly CheckResult[];
}

/** A report for people: one line for each check. */
export function formatReport(report: ConformanceReport): string {
  const width = Math.max(...report.checks.map(({ name }) => name.length));
  const lines = report.checks.map(({ name, passed, skipped, detail }) => {
    const mark = skipped ? 'skipped' : passed ? 'ok     ' : 'FAILED ';
    return `${mark} ${name.padEnd(width)}  ${detail}`;
  });
  const broken = report.checks.filter(({ passed }) => !passed).length;
  return [...lines, broken === 0 ? 'conforms' : `${broken} of ${report.checks.length} checks failed`].join('\n');
}
