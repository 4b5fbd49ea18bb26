/** `node -C @tesserae/source tools/datasets/src/fetch.ts`: fetch the data sets that no npm package carries. */
import { fashionMnistArchive, fetchDebianArchive } from './debian-archive.ts';

for (const archive of [fashionMnistArchive]) {
  try {
    console.log(`${archive.name} ${archive.version}: ${await fetchDebianArchive(archive)}`);
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
}
