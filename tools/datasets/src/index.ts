export type { DebianArchive } from './debian-archive.ts';
export { fashionMnistArchive, fetchDebianArchive, findDebianArchive } from './debian-archive.ts';
export type { PictureSet } from './emoji3d.ts';
export { baseCodePoint, emoji3d } from './emoji3d.ts';
