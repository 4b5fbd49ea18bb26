/** Writing safetensors that PyTorch, JAX and everyone else open. */
import { tf } from '@tesserae/tensor';
import { writeFileAtomically } from '../atomic-write.ts';
import { DTYPE_BYTES, formatOf, type HostBytes, type HostValues } from './dtype.ts';
import { SafetensorsError } from './errors.ts';
import { MAX_HEADER_BYTES } from './header.ts';

/** Tensors, or values in main memory, by name. */
export type SafetensorsInput = Readonly<Record<string, tf.Tensor | HostValues | HostBytes>>;

/**
 * The bytes of a file: float32 as F32, int32 as I32, bool as BOOL, bytes as U8.
 *
 * @param metadata - Strings to keep with them.
 * @throws SafetensorsError on a dtype that cannot be written, or a tensor called `__metadata__`.
 */
export async function encodeSafetensors(
  tensors: SafetensorsInput,
  metadata: Readonly<Record<string, string>> = {},
): Promise<Uint8Array> {
  const entries: { name: string; values: HostValues | HostBytes; format: string }[] = [];
  for (const [name, tensor] of Object.entries(tensors)) {
    const format = formatOf(tensor.dtype);
    if (format === undefined || name === '__metadata__') {
      throw new SafetensorsError(
        `writeSafetensors: '${name}' of ${tensor.dtype} cannot be written: dtypes are float32, int32, bool and uint8, and '__metadata__' is no name for a tensor.`,
      );
    }
    entries.push({ name, values: await hostValues(tensor, format), format });
  }
  // Wider numbers first, so that every tensor is aligned to its own width.
  entries.sort((a, b) => width(b.format) - width(a.format));
  let position = 0;
  const described = entries.map(({ name, values, format }) => {
    const begin = position;
    position += values.data.byteLength;
    return [name, { dtype: format, shape: values.shape, data_offsets: [begin, position] }] as const;
  });
  const withMetadata = Object.keys(metadata).length > 0 ? [['__metadata__', metadata] as const] : [];
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries([...withMetadata, ...described])));
  // Padded with spaces, so that the buffer begins at a multiple of 8.
  const headerBytes = Math.ceil(json.length / 8) * 8;
  if (headerBytes > MAX_HEADER_BYTES) {
    throw new SafetensorsError(`writeSafetensors: the header has ${headerBytes} bytes, above ${MAX_HEADER_BYTES}.`);
  }
  const bytes = new Uint8Array(8 + headerBytes + position);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerBytes), true);
  bytes.fill(0x20, 8, 8 + headerBytes);
  bytes.set(json, 8);
  let offset = 8 + headerBytes;
  for (const { data } of entries.map(({ values }) => values)) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
    offset += data.byteLength;
  }
  return bytes;
}

/**
 * Writes a file: under another name first, flushed to the disk, then renamed, so that a crash leaves the old file or
 * the new one and nothing in between.
 *
 * @throws WriteError naming the file, if it cannot be written.
 *
 * @example
 * await writeSafetensors('model.safetensors', model.stateDict(), { trained: '2026-11-25' });
 */
export async function writeSafetensors(
  file: string,
  tensors: SafetensorsInput,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  await writeFileAtomically(file, await encodeSafetensors(tensors, metadata));
}

const width = (format: string): number => DTYPE_BYTES.get(format) as number;

async function hostValues(tensor: tf.Tensor | HostValues | HostBytes, format: string): Promise<HostValues | HostBytes> {
  const { shape } = tensor;
  const dtype = tensor.dtype as HostValues['dtype'];
  const data = tensor instanceof tf.Tensor ? ((await tensor.data()) as HostValues['data']) : tensor.data;
  const size = shape.reduce((product, length) => product * length, 1);
  const bytes = width(format);
  if (data.length !== size || data.BYTES_PER_ELEMENT !== bytes) {
    throw new SafetensorsError(
      `writeSafetensors: ${dtype} [${shape.join(', ')}] needs ${size} values of ${bytes} bytes, got ${data.length} of ${data.BYTES_PER_ELEMENT}.`,
    );
  }
  return { data, shape, dtype } as HostValues | HostBytes;
}
