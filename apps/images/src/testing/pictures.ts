/** Small pictures that differ from each other, drawn as SVG: no two files of a folder are of one group. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Writes `count` pictures of 16×16 into a folder; `folders` spreads them over as many sub-folders. */
export function drawPictures(folder: string, count: number, folders: readonly string[] = []): void {
  for (let i = 0; i < count; i++) {
    const name = `picture-${String(i).padStart(3, '0')}.svg`;
    const file = join(folder, folders.length === 0 ? '.' : (folders[i % folders.length] as string), name);
    mkdirSync(dirname(file), { recursive: true });
    const hue = (i * 47) % 360;
    writeFileSync(
      file,
      `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16">
        <rect width="16" height="16" fill="hsl(${hue}, 80%, 70%)"/>
        <circle cx="${3 + (i % 10)}" cy="${3 + ((i * 3) % 10)}" r="${2 + (i % 4)}" fill="hsl(${(hue + 180) % 360}, 90%, 30%)"/>
      </svg>`,
    );
  }
}
