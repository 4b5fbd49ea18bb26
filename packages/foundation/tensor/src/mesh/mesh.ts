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
  return Object.freeze({ axes: Object.freeze(axes), size: axes.data * (axes.model ?? 1) });
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

/**
 * Checks that a shape can be split as asked.
 *
 * @param operation what to name in errors, for example `shard`.
 * @throws RangeError naming shape and spec: an axis that the mesh lacks or that is used twice, more entries than
 * dimensions, or a size that the devices do not divide.
 */
export function checkSpec(operation: string, shape: readonly number[], spec: ShardSpec, { axes }: Mesh): void {
  const what = `shape [${shape.join(', ')}] with spec ${specText(spec)}`;
  if (spec.length > shape.length) {
    throw new RangeError(`${operation}: ${what} has more entries than dimensions. Pass at most ${shape.length}.`);
  }
  const seen = new Set<MeshAxis>();
  specAxes(spec, shape.length).forEach((names, dimension) => {
    let parts = 1;
    for (const name of names) {
      const size = axes[name];
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
