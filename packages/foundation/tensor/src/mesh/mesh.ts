/**
 * Several devices as a grid with named axes: a description and nothing else.
 *
 * `data` is the axis that batches are split over, `model` the one for splitting parameters among devices that work on
 * the same examples. An engine that can compute on several devices makes one program of all of them (`withMesh`).
 */

/** Names of a mesh's axes. */
export type MeshAxis = 'data' | 'model';

/** See the file header. Device i lies at the coordinates of i written in the sizes of the axes, the last one fastest. */
export interface Mesh {
  /** Sizes by axis, in order. An axis that was not asked for is not there. */
  readonly axes: Readonly<Partial<Record<MeshAxis, number>>>;
  /** Number of devices. */
  readonly size: number;
}

/**
 * How a tensor lies on a mesh: for each dimension the axis (or axes) that it is split over, or null for a dimension that
 * is whole on every device. Dimensions that are not mentioned are whole; `[]` is a full copy on every device.
 */
export type ShardSpec = readonly (MeshAxis | readonly MeshAxis[] | null)[];

/**
 * Describes a mesh of `data` × `model` devices.
 *
 * @throws RangeError if a size is not a whole number of at least 1, or an axis has another name.
 *
 * @example
 * mesh({ data: 4 }); // four devices, a quarter of each batch on each
 * mesh({ data: 2, model: 2 }); // two groups of two devices that share the parameters
 */
export function mesh(sizes: { readonly data: number; readonly model?: number }): Mesh {
  if (typeof sizes !== 'object' || sizes === null) {
    throw new TypeError(`mesh: 'sizes' must be an object, got ${String(sizes)}. Pass mesh({ data: n }).`);
  }
  const axes: Partial<Record<MeshAxis, number>> = {};
  for (const [name, size] of Object.entries(sizes) as [MeshAxis, number | undefined][]) {
    if (name !== 'data' && name !== 'model') {
      throw new RangeError(`mesh: axis '${String(name)}' is unknown; the axes are 'data' and 'model'.`);
    }
    if (size === undefined) continue;
    if (!Number.isSafeInteger(size) || size < 1) {
      throw new RangeError(`mesh: '${name}' must be a whole number of at least 1, got ${size}.`);
    }
    axes[name] = size;
  }
  if (axes.data === undefined) throw new RangeError("mesh: 'data' is missing. Pass mesh({ data: n }).");
  const size = axes.data * (axes.model ?? 1);
  if (!Number.isSafeInteger(size))
    throw new RangeError(`mesh: ${axes.data} × ${axes.model} devices cannot be counted.`);
  return Object.freeze({ axes: Object.freeze(axes), size });
}

/** @throws TypeError unless `value` is what {@link mesh} makes. */
export function checkMesh(operation: string, value: unknown): asserts value is Mesh {
  const { axes, size } = (value ?? {}) as Partial<Mesh>;
  try {
    if (mesh(axes as { data: number }).size === size) return;
  } catch {
    // Says less than what follows: it would name `mesh`.
  }
  const got = typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
  throw new TypeError(`${operation}: 'mesh' must come from mesh({ data: n }), got ${got}.`);
}

/** The axes of each of `rank` dimensions, empty where the dimension is whole. */
export function specAxes(spec: ShardSpec, rank: number): (readonly MeshAxis[])[] {
  return Array.from({ length: rank }, (_, i) => {
    const entry = spec[i] ?? [];
    return typeof entry === 'string' ? [entry] : entry;
  });
}

/** `['data', null]`, for messages. */
export function specText(spec: ShardSpec): string {
  const one = (entry: ShardSpec[number]): string =>
    entry === null
      ? 'null'
      : typeof entry === 'string'
        ? `'${entry}'`
        : `[${entry.map((axis) => `'${axis}'`).join(', ')}]`;
  return `[${spec.map(one).join(', ')}]`;
}

const isEntry = (entry: unknown): boolean => entry === null || [entry].flat().every((axis) => typeof axis === 'string');

/**
 * Checks that a shape can be split as asked.
 *
 * @param operation what to name in errors, for example `shard`.
 * @throws TypeError if `spec` is none; RangeError naming shape and spec: an axis that the mesh lacks or that is used
 * twice, more entries than dimensions, or a size that the devices do not divide.
 */
export function checkSpec(operation: string, shape: readonly number[], spec: ShardSpec, { axes }: Mesh): void {
  const entries: readonly unknown[] | undefined = Array.isArray(spec) ? spec : undefined;
  if (entries === undefined || !entries.every(isEntry)) {
    const got = entries === undefined ? spec : entries.find((entry) => !isEntry(entry));
    throw new TypeError(
      `${operation}: 'spec' must be a list with an axis, a list of axes or null for each dimension, such as ['data', null], but ` +
        `got ${entries === undefined ? '' : 'an entry '}${got === undefined ? 'undefined' : JSON.stringify(got)}.`,
    );
  }
  const what = `shape [${shape.join(', ')}] with spec ${specText(spec)}`;
  if (spec.length > shape.length) {
    throw new RangeError(`${operation}: ${what} has more entries than dimensions. Pass at most ${shape.length}.`);
  }
  const seen = new Set<MeshAxis>();
  specAxes(spec, shape.length).forEach((names, dimension) => {
    let parts = 1;
    for (const name of names) {
      const size = Object.hasOwn(axes, name) ? axes[name] : undefined;
      if (size === undefined) {
        const known = Object.keys(axes).join(', ');
        throw new RangeError(`${operation}: ${what} names axis '${name}', but the mesh has ${known}.`);
      }
      if (seen.has(name)) throw new RangeError(`${operation}: ${what} uses axis '${name}' twice; once is possible.`);
      seen.add(name);
      parts *= size;
    }
    if ((shape[dimension] as number) % parts !== 0) {
      throw new RangeError(
        `${operation}: ${what} splits dimension ${dimension} of size ${shape[dimension]} over ${parts} devices, which do not divide it. ` +
          'Choose another dimension or a size that is a multiple.',
      );
    }
  });
}
