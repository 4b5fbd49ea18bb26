/** Where a member of an archive may be written: below the folder, under exactly the name that it has, or nowhere. */
import { resolve, sep } from 'node:path';

/**
 * The path of a member, or undefined if its name would leave the folder or means different things to different readers:
 * `..` and `.` parts, absolute names, backslashes, control characters.
 *
 * @param root the folder, resolved
 * @param name the member's name, as the archive gives it
 */
export function memberPath(root: string, name: string): string | undefined {
  const target = resolve(root, name);
  // eslint-disable-next-line no-control-regex -- control characters are what is refused
  if (name.startsWith('/') || /[\u0000-\u001f\\]|(^|\/)\.\.?(\/|$)/.test(name)) return undefined;
  return target.startsWith(root + sep) ? target : undefined;
}
