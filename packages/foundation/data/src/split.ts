/** Hold out part of the data so that nothing related to it is left in the training part. */
import { Draws } from './draws.ts';

/** The two sides of a split, each in the order of the input. */
export interface Split<T> {
  readonly train: T[];
  readonly heldOut: T[];
}

/**
 * Split by group: all items of a group go to the same side. Variants of one thing (the skin tones of an emoji, the
 * frames of a film, the records of a patient) share a group, or the held-out side is no test.
 *
 * Groups are shuffled by the seed and held out whole until at least `fraction` of the items is held out. The result
 * depends on the set of groups and the seed, not on the order of the items.
 *
 * @param groupOf - The group of an item, as a string or a number.
 * @param fraction - Share of the items to hold out, in (0, 1).
 * @throws RangeError when the fraction is out of range, or there are fewer than two groups, so that a side would be
 *   empty.
 */
export function splitBy<T>(
  items: readonly T[],
  groupOf: (item: T) => string | number,
  fraction: number,
  seed: number,
): Split<T> {
  if (!(fraction > 0 && fraction < 1)) {
    throw new RangeError(`splitBy: fraction must be between 0 and 1 (both excluded), got ${fraction}`);
  }
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = String(groupOf(item));
    const members = groups.get(group);
    if (members) members.push(item);
    else groups.set(group, [item]);
  }
  if (groups.size < 2) {
    throw new RangeError(
      `splitBy: ${items.length} items form ${groups.size} group(s); at least 2 are needed, one for each side`,
    );
  }
  const names = [...groups.keys()].sort();
  const order = new Draws(seed, names.length).permutation(names.length);
  const held = new Set<string>();
  let count = 0;
  for (const position of order) {
    if (count >= fraction * items.length || held.size === names.length - 1) break;
    const name = names[position] as string;
    held.add(name);
    count += groups.get(name)?.length ?? 0;
  }
  const isHeld = (item: T): boolean => held.has(String(groupOf(item)));
  return { train: items.filter((item) => !isHeld(item)), heldOut: items.filter(isHeld) };
}
