/**
 * How the state of a training run lies on a mesh: which dimension of which parameter is split over which axis.
 *
 * A parameter that is split over `data` is gathered where the loss uses it and its gradient is scattered again, so that
 * each device keeps and updates only its part of parameter, optimizer state and averages (ZeRO stage 3, Rajbhandari et
 * al. 2019, arXiv:1910.02054, section 5; PyTorch calls it FSDP). One that is split over `model` is used as it lies, and
 * XLA splits the products (Megatron-LM, Shoeybi et al. 2019, arXiv:1909.08053, section 3).
 */
import type { Parameters } from '@tesserae/nn';
import { checkSpec, shard, specAxes, tf } from '@tesserae/tensor';
import type { Mesh, ShardSpec } from '@tesserae/tensor';

/** Parameters whose names match get this spec. In a pattern `*` stands for any characters, dots included. */
export type ShardingRule = readonly [pattern: string, spec: ShardSpec];

/**
 * `'replicated'`: everything on every device. `'sharded'`: each parameter split over `data` along its largest dimension
 * that can be, with its optimizer state and average. Rules: the first that matches decides, other parameters are
 * replicated.
 */
export type Sharding = 'replicated' | 'sharded' | readonly ShardingRule[];

/** See the file header. */
export class StateLayout {
  /** Of each parameter, by name. */
  readonly specs: ReadonlyMap<string, ShardSpec>;

  /** @throws RangeError for a rule that matches no parameter, or a parameter that cannot be split as its rule says. */
  constructor(mesh: Mesh, sharding: Sharding, parameters: Parameters) {
    this.specs = specsOf(mesh, sharding, parameters);
  }

  /** Lays variables out: parameters by their names, and state such as `m.<name>` like the parameter. */
  place(variables: Readonly<Record<string, tf.Variable>>, parameters: Parameters): void {
    for (const [name, variable] of Object.entries(variables)) {
      const path = name in parameters ? name : name.slice(name.indexOf('.') + 1);
      const parameter = parameters[path];
      const alike = parameter !== undefined && tf.util.arraysEqual(parameter.shape, variable.shape);
      const spec = alike ? this.specs.get(path) : undefined;
      if (spec !== undefined) tf.tidy(() => variable.assign(shard(variable, spec)));
    }
  }

  /** Runs `fn`, in a trace, with parameters whole along what `data` splits. */
  gathered<R>(parameters: Parameters, fn: () => R): R {
    const held: [tf.Variable, tf.Tensor][] = [];
    for (const [path, spec] of this.specs) {
      const used = withoutData(spec);
      if (used === undefined) continue;
      const parameter = parameters[path] as tf.Variable;
      held.push([parameter, tf.clone(parameter)]);
      tf.tidy(() => parameter.assign(shard(parameter, used)));
    }
    try {
      return fn();
    } finally {
      for (const [parameter, value] of held) {
        parameter.assign(value);
        value.dispose();
      }
    }
  }

  /** Gradients laid out like their parameters: sums over the devices end where the parts are needed. */
  scattered(grads: Readonly<Record<string, tf.Tensor>>): Record<string, tf.Tensor> {
    return Object.fromEntries(
      Object.entries(grads).map(([path, grad]) => {
        const spec = this.specs.get(path);
        return [path, spec === undefined ? grad : shard(grad, spec)];
      }),
    );
  }
}

function specsOf(mesh: Mesh, sharding: Sharding, parameters: Parameters): Map<string, ShardSpec> {
  const entries = Object.entries(parameters);
  const specs = new Map<string, ShardSpec>();
  if (sharding === 'replicated') return specs;
  if (sharding === 'sharded') {
    for (const [path, { shape }] of entries) {
      const spec = largestDimension(shape, mesh.axes.data as number);
      if (spec !== undefined) specs.set(path, spec);
    }
    return specs;
  }
  for (const [pattern, spec] of [...sharding].reverse()) {
    const matching = entries.filter(([path]) => matches(pattern, path));
    if (matching.length === 0) {
      const names = entries.map(([path]) => path);
      const shown = names.length > 12 ? `${names.slice(0, 12).join(', ')}, … (${names.length})` : names.join(', ');
      throw new RangeError(`fit: sharding rule '${pattern}' matches no parameter. The parameters are ${shown}.`);
    }
    for (const [path, { shape }] of matching) {
      checkSpec(`fit: sharding rule '${pattern}' for parameter '${path}'`, shape, spec, mesh);
      specs.set(path, spec);
    }
  }
  return specs;
}

/** Undefined where nothing can be split. */
function largestDimension(shape: readonly number[], parts: number): ShardSpec | undefined {
  const candidates = shape.filter((size) => size > 0 && size % parts === 0);
  if (candidates.length === 0) return undefined;
  const dimension = shape.indexOf(Math.max(...candidates));
  return shape.map((_, i) => (i === dimension ? 'data' : null));
}

/** The spec without `data`; undefined if it has none. */
function withoutData(spec: ShardSpec): ShardSpec | undefined {
  const axes = specAxes(spec, spec.length);
  if (!axes.some((names) => names.includes('data'))) return undefined;
  return axes.map((names) => names.filter((name) => name !== 'data'));
}

function matches(pattern: string, path: string): boolean {
  const escaped = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${escaped.join('.*')}$`).test(path);
}
