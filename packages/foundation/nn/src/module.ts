/**
 * `Module`: a class with parameters and sub-modules as fields, in PyTorch's manner.
 *
 * Nothing is registered: names are found by walking the object's own fields in the order of their declaration, through
 * arrays, Maps and sub-modules. The path is the name: `encoder.blocks.0.conv.weight`. A variable that is reachable by
 * two paths (tied weights) counts once, under the first. `#private` fields, plain objects and plain tensors have no
 * part in this.
 */
import { tf } from '@tesserae/tensor';
import { shapeText } from './check.ts';

/** Options of {@link Module.load}. */
export interface LoadOptions {
  /** Whether every name must be matched, on both sides. Default true; false loads what fits by name. */
  readonly strict?: boolean;
  /** From a name in the file to a name in this module; undefined drops the entry. Default: the same name. */
  readonly rename?: (name: string) => string | undefined;
  /** Changes a tensor on its way in (other axes order, for example); `name` is that of this module. */
  readonly convert?: (name: string, values: tf.Tensor) => tf.Tensor;
}

/** State that does not fit a module: the message lists every name, with both shapes. */
export class StateMismatchError extends Error {
  override readonly name = 'StateMismatchError';
}

/**
 * The base class of layers and models.
 *
 * @example
 * class Classifier extends Module {
 *   readonly hidden = new Linear({ in: 784, out: 128 });
 *   readonly head = new Linear({ in: 128, out: 10 });
 *   call(x: tf.Tensor2D): tf.Tensor2D {
 *     return this.head.call(tf.relu(this.hidden.call(x)));
 *   }
 * }
 * using model = random.withKey(random.key(0), () => new Classifier());
 * Object.keys(model.parameters()); // 'hidden.weight', 'hidden.bias', 'head.weight', 'head.bias'
 */
export abstract class Module implements Disposable {
  /** Trainable variables by path, in the order of declaration. */
  parameters(): Record<string, tf.Variable> {
    return Object.fromEntries([...namedVariables(this)].filter(([, variable]) => variable.trainable));
  }

  /** Variables that are saved but not trained, by path. */
  buffers(): Record<string, tf.Variable> {
    return Object.fromEntries([...namedVariables(this)].filter(([, variable]) => !variable.trainable));
  }

  /** Parameters and buffers by path. These are the live variables, not copies: save them or clone them. */
  stateDict(): Record<string, tf.Variable> {
    return Object.fromEntries(namedVariables(this));
  }

  /** This module and all modules below it, by path; its own path is the empty string. */
  modules(): Record<string, Module> {
    const found: Record<string, Module> = {};
    walk(this, '', new Set(), (path, value) => {
      if (value instanceof Module) found[path] = value;
    });
    return found;
  }

  /** Number of trainable numbers. */
  get parameterCount(): number {
    return Object.values(this.parameters()).reduce((sum, variable) => sum + variable.size, 0);
  }

  /**
   * Copies values into the parameters and buffers. Everything is checked before anything is written.
   *
   * @param dict - Tensors by name, as `stateDict` or `readSafetensors` give them. They stay the caller's.
   * @throws StateMismatchError naming all missing, unexpected and misshapen entries.
   */
  load(dict: Readonly<Record<string, tf.Tensor>>, options: LoadOptions = {}): void {
    const { strict = true, rename = (name: string): string => name, convert } = options;
    const targets = namedVariables(this);
    const aliases = allPaths(this);
    tf.tidy(() => {
      const problems: string[] = [];
      const values = new Map<tf.Variable, tf.Tensor>();
      for (const [source, tensor] of Object.entries(dict)) {
        const name = rename(source);
        if (name === undefined) continue;
        const target = aliases.get(name);
        if (target === undefined) {
          if (strict) problems.push(`'${name}' is not part of this module`);
          continue;
        }
        const value = convert ? convert(name, tensor) : tensor;
        if (!tf.util.arraysEqual(value.shape, target.shape)) {
          problems.push(`'${name}' has shape ${shapeText(target.shape)} here and ${shapeText(value.shape)} there`);
          continue;
        }
        values.set(target, value);
      }
      if (strict) {
        for (const [name, variable] of targets) if (!values.has(variable)) problems.push(`'${name}' is missing`);
      }
      if (problems.length > 0) {
        const shown = problems.slice(0, 12);
        const rest = problems.length - shown.length;
        throw new StateMismatchError(
          `${this.constructor.name}.load: the state does not fit: ${shown.join('; ')}${rest > 0 ? `; and ${rest} more` : ''}. ` +
            `Build the module with the configuration of the one that was saved, or pass 'rename' or strict: false.`,
        );
      }
      for (const [variable, value] of values) {
        variable.assign(value.dtype === variable.dtype ? tf.clone(value) : tf.cast(value, variable.dtype));
      }
    });
  }

  /**
   * Disposes all parameters and buffers, those of sub-modules included, and plain tensors held in fields. A second call
   * does nothing.
   */
  dispose(): void {
    walk(this, '', new Set(), (_, value) => {
      if (value instanceof tf.Tensor && !value.isDisposed) value.dispose();
    });
  }

  /** `using model = …` disposes it at the end of the block. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Variables by path, each once. */
function namedVariables(module: Module): Map<string, tf.Variable> {
  const found = new Map<string, tf.Variable>();
  walk(module, '', new Set(), (path, value) => {
    if (value instanceof tf.Variable) found.set(path, value as tf.Variable);
  });
  return found;
}

/** Variables by every path that leads to them. */
function allPaths(module: Module): Map<string, tf.Variable> {
  const found = new Map<string, tf.Variable>();
  walk(module, '', undefined, (path, value) => {
    if (value instanceof tf.Variable) found.set(path, value as tf.Variable);
  });
  return found;
}

/**
 * Depth-first over modules, tensors, arrays and Maps. `seen` makes each object count once; without it, only cycles are
 * cut.
 */
function walk(
  value: unknown,
  path: string,
  seen: Set<unknown> | undefined,
  visit: (path: string, value: unknown) => void,
  ancestors: readonly unknown[] = [],
): void {
  if (typeof value !== 'object' || value === null) return;
  const isTensor = value instanceof tf.Tensor;
  if (!isTensor && !(value instanceof Module) && !Array.isArray(value) && !(value instanceof Map)) return;
  if (seen?.has(value) || ancestors.includes(value)) return;
  seen?.add(value);
  visit(path, value);
  if (isTensor) return;
  const entries: Iterable<[unknown, unknown]> =
    value instanceof Map ? value : Array.isArray(value) ? value.entries() : Object.entries(value);
  for (const [key, child] of entries) {
    walk(child, path === '' ? String(key) : `${path}.${String(key)}`, seen, visit, [...ancestors, value]);
  }
}
