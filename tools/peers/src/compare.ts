/** Whether two peers computed the same: the evidence that their times may be compared. */
import type { Case } from './program.ts';

/** Results of some calls, each as a list of values. */
export type Values = readonly (readonly number[])[];

/**
 * How far `values` lie from `reference`: the largest difference over the largest value of the reference's call, or for
 * indices the share of those that differ. Infinite for NaN and for results of another size.
 */
export function differenceOf(reference: Values, values: Values, compare: Case['compare'] = 'values'): number {
  if (reference.length !== values.length) return Infinity;
  let worst = 0;
  reference.forEach((expected, call) => {
    const got = values[call] as readonly number[];
    if (expected.length !== got.length) worst = Infinity;
    else worst = Math.max(worst, compare === 'indices' ? shareOfOthers(expected, got) : relative(expected, got));
  });
  return worst;
}

function shareOfOthers(expected: readonly number[], got: readonly number[]): number {
  return expected.filter((value, i) => value !== got[i]).length / expected.length;
}

function relative(expected: readonly number[], got: readonly number[]): number {
  let [difference, largest] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    const apart = Math.abs((expected[i] as number) - (got[i] as number));
    if (Number.isNaN(apart)) return Infinity;
    difference = Math.max(difference, apart);
    largest = Math.max(largest, Math.abs(expected[i] as number));
  }
  return difference === 0 ? 0 : difference / largest;
}
