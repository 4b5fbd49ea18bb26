/**
 * Meshes and placements as XLA knows them: which device holds which part of a value, and their text in a program.
 *
 * Axes and dimensions are written in Shardy's dialect: `sdy.mesh @mesh = <["data"=2, "model"=2]>` for a module,
 * `#sdy.sharding<@mesh, [{"data"}, {}]>` for a value. Device i of a mesh is the client's i-th device.
 */
import { MeshError, specAxes } from '@tesserae/tensor';
import type { Mesh, MeshAxis, ShardSpec } from '@tesserae/tensor';
import type { Address } from '../pjrt/native.ts';

/** A device of the client. */
export interface Device {
  /** Its number among the devices of all processes. */
  readonly id: number;
  readonly address: Address;
  /** Whether this process drives it. */
  readonly local: boolean;
}

/** How a value lies on a mesh. Two values lie alike if their placements are the same object. */
export interface Placement {
  readonly mesh: DeviceMesh;
  /** The axes of each dimension. */
  readonly axes: readonly (readonly MeshAxis[])[];
  /** As an attribute of Shardy. */
  readonly text: string;
  /** Whether each device has all of it. */
  readonly replicated: boolean;
}

/** A block of a value: where it begins and how long it is along each dimension. */
export interface Block {
  readonly start: readonly number[];
  readonly size: readonly number[];
}

/** A mesh on the devices of a client. */
export class DeviceMesh {
  readonly mesh: Mesh;
  /** All devices, in the order of the mesh. */
  readonly devices: readonly Device[];
  /** Positions in `devices` of those that this process drives. */
  readonly local: readonly number[];
  /** Opens a module: its attributes, brace and mesh. */
  readonly moduleHead: string;
  readonly #placements = new Map<string, Placement>();

  /** @throws MeshError if the client has fewer devices, or other processes have devices that the mesh leaves out. */
  constructor(mesh: Mesh, devices: readonly Device[]) {
    const processes = devices.some(({ local }) => !local);
    if (mesh.size > devices.length || (processes && mesh.size !== devices.length)) {
      const all = processes ? ' of all processes' : '';
      throw new MeshError(
        `withMesh: a mesh of ${axesText(mesh)} needs ${mesh.size} devices, but the engine has ${devices.length}${all}. ` +
          `Make the product of its sizes ${processes ? 'equal to' : 'at most'} that.`,
      );
    }
    this.mesh = mesh;
    this.devices = devices.slice(0, mesh.size);
    this.local = this.devices.flatMap((device, position) => (device.local ? [position] : []));
    const axes = Object.entries(mesh.axes).map(([name, size]) => `"${name}"=${size}`);
    this.moduleHead =
      `attributes {mhlo.num_partitions = ${mesh.size} : i32, mhlo.num_replicas = 1 : i32} ` +
      `{ sdy.mesh @mesh = <[${axes.join(', ')}]>`;
  }

  /** Devices that this process does not drive hold parts that it cannot read. */
  get spansProcesses(): boolean {
    return this.local.length < this.devices.length;
  }

  /** The placement of a value of some rank; `[]` for a copy on each device. */
  placement(rank: number, spec: ShardSpec = []): Placement {
    // An axis of one device splits nothing.
    const axes = specAxes(spec, rank).map((names) => names.filter((name) => (this.mesh.axes[name] ?? 1) > 1));
    const text = `#sdy.sharding<@mesh, [${axes.map((names) => `{${names.map((name) => `"${name}"`).join(', ')}}`).join(', ')}]>`;
    let placement = this.#placements.get(text);
    if (placement === undefined) {
      placement = { mesh: this, axes, text, replicated: axes.every((names) => names.length === 0) };
      this.#placements.set(text, placement);
    }
    return placement;
  }

  /** The block of a value that the device at a position holds. */
  block({ axes }: Placement, shape: readonly number[], position: number): Block {
    const coordinates = this.#coordinates(position);
    const start: number[] = [];
    const size: number[] = [];
    shape.forEach((length, dimension) => {
      let part = 0;
      let parts = 1;
      for (const name of axes[dimension] ?? []) {
        const count = this.mesh.axes[name] as number;
        part = part * count + (coordinates[name] as number);
        parts *= count;
      }
      size.push(length / parts);
      start.push((length / parts) * part);
    });
    return { start, size };
  }

  #coordinates(position: number): Partial<Record<MeshAxis, number>> {
    const result: Partial<Record<MeshAxis, number>> = {};
    let rest = position;
    for (const [name, size] of Object.entries(this.mesh.axes).reverse() as [MeshAxis, number][]) {
      result[name] = rest % size;
      rest = Math.floor(rest / size);
    }
    return result;
  }
}

/** `data 2 × model 2`. */
export function axesText({ axes }: Mesh): string {
  return Object.entries(axes)
    .map(([name, size]) => `${name} ${size}`)
    .join(' × ');
}
