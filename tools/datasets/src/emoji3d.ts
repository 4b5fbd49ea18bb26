/**
 * Microsoft's Fluent emoji in their 3D style: 3,391 rendered pictures, 256×256 RGBA (four are 256×264), as the npm
 * package `@lobehub/fluent-emoji-3d` carries them. MIT licence.
 *
 * File names are code points in lower-case hexadecimal, joined by `-`: `1f44b-1f3fd.webp` is a waving hand of a medium
 * skin tone. Split by `baseCodePoint`, or the skin tones of one emoji end up on both sides.
 */
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** A folder and the pictures in it, as `imageFiles` of `@tesserae/data` takes them. */
export interface PictureSet {
  readonly folder: string;
  /** File names in the folder, sorted. */
  readonly files: readonly string[];
}

/**
 * Where the installed emoji are.
 *
 * @throws Error when the package is not installed.
 */
export function emoji3d(): PictureSet {
  let manifest: string;
  try {
    manifest = createRequire(import.meta.url).resolve('@lobehub/fluent-emoji-3d/package.json');
  } catch (error) {
    throw new Error('emoji3d: the package @lobehub/fluent-emoji-3d is not installed; run `npm test` or pnpm install', {
      cause: error,
    });
  }
  const folder = join(dirname(manifest), 'assets');
  const files = readdirSync(folder)
    .filter((file) => file.endsWith('.webp'))
    .sort();
  return { folder, files };
}

/**
 * The first code point of a file name: the emoji without skin tone, gender or joined parts. The group to split by.
 *
 * @throws RangeError when the name does not begin with a code point in hexadecimal.
 */
export function baseCodePoint(file: string): string {
  const [, point] = /^([0-9a-f]{2,6})(?:[-.]|$)/.exec(file) ?? [];
  if (point === undefined) {
    throw new RangeError(
      `baseCodePoint: ${file} does not begin with a code point, expected a name like 1f44b-1f3fd.webp`,
    );
  }
  return point;
}
