export type { PictureSet } from './emoji3d.ts';
export { baseCodePoint, emoji3d } from './emoji3d.ts';
