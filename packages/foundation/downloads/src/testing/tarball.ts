/** Writes a small gzipped tar file with any names and types, honest or not. For tests. */
import { gzipSync } from 'node:zlib';

/** One member of a test package. */
export interface TarMember {
  readonly name: string;
  readonly content: string;
  /** Type flag, `0` for a plain file by default. */
  readonly type?: string;
}

/** The bytes of a `.tgz` file with these members. */
export function tarball(members: readonly TarMember[]): Buffer {
  const blocks = members.flatMap(({ name, content, type }) => {
    const data = Buffer.from(content);
    const header = Buffer.alloc(512);
    header.write(name, 0, 100);
    header.write('0000644\0', 100);
    header.write(`${data.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write('        ', 148);
    header.write(type ?? '0', 156);
    header.write('ustar\u000000', 257);
    header.write(
      `${header
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
    );
    return [header, data, Buffer.alloc((512 - (data.length % 512)) % 512)];
  });
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]));
}
