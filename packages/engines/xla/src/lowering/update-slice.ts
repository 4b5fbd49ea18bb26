/**
 * UpdateSlice { x, update, start } with { axis } -> x with `update` written from row `start` of the axis on.
 *
 * XLA writes in place where nothing else needs the old values: in a loop's state, and where `x` is donated.
 */
import { constant, dynamicUpdateSlice } from '../graph/hlo.ts';
import type { Lowerings } from './kernel.ts';

/** See the file header. */
export const sliceUpdates: Lowerings = {
  UpdateSlice: (call) => {
    const { axis } = call.attrs<{ axis: number }>();
    const x = call.node('x');
    const starts = x.shape.map((_, i) => (i === axis ? call.node('start') : constant(0, 'i32')));
    return dynamicUpdateSlice(x, call.node('update'), starts);
  },
};
