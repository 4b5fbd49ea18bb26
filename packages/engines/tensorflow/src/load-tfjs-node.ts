/**
 * Loads the JavaScript of `@tensorflow/tfjs-node` (the package of that name or `-gpu`, 4.22) onto the TensorFlow.js core
 * that runs already.
 *
 * The package asks for the union package `@tensorflow/tfjs`, a second home of the core with its layers, data sets and
 * browser backends, and for `util.isNullOrUndefined`, which Node 23 removed. Its files are CommonJS, so they are evaluated
 * here with a `require` of their own that gives them this core and a complete `util`. Nothing global is patched, and only
 * the backend and its kernels are evaluated: no file of the package that picks a backend, prints, or wants its installer.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import * as util from 'node:util';
import { compileFunction } from 'node:vm';
import { tf } from '@tesserae/tensor';

/** The native addon of the package, opaque but for the question whether it found a GPU. */
export interface Binding {
  isUsingGpuDevice(): boolean;
  readonly TF_Version?: string;
}

/** What the package is loaded for. */
export interface TfjsNode {
  readonly NodeJSKernelBackend: new (binding: Binding, packageName: string) => tf.KernelBackend;
  /** Registers the package's kernels under the backend name `tensorflow`. Once for each process. */
  registerKernels(): void;
}

/** `util` with the two functions that Node took away. */
const completeUtil = {
  ...util,
  isNullOrUndefined: (x: unknown): boolean => x === null || x === undefined,
  isArray: (x: unknown): boolean => Array.isArray(x),
};

/**
 * The core as the package expects it. It is written in ES5, whose inheritance calls a base class without `new`, which the
 * classes of the core's ES modules refuse; so this one may be called, for the object under construction.
 */
const core = {
  ...tf,
  KernelBackend: new Proxy(tf.KernelBackend, {
    apply: (target, self: object, args) => Reflect.construct(target, args, self.constructor) as object,
  }),
};

/** A dependency of the package, not of this one: only the package's own folder may have it. */
const PROTOBUF = 'google-protobuf';

/** Only for reading models and writing TensorBoard files, so missing is no fault until then. */
const withoutProtobuf: object = new Proxy(
  {},
  {
    get(_, name): unknown {
      throw new Error(
        `@tesserae/tensorflow: google-protobuf is not installed, so ${String(name)} cannot be made. ` +
          'Saved models and TensorBoard writers of tfjs-node need it: `npm install google-protobuf`.',
      );
    },
  },
);

/**
 * Loads the package.
 *
 * @param folder where its `package.json` lies
 */
export function loadTfjsNode(folder: string): TfjsNode {
  const modules = new Map<string, { exports: unknown }>();
  const load = (file: string): unknown => {
    const known = modules.get(file);
    if (known) return known.exports;
    const module: { exports: unknown } = { exports: {} };
    modules.set(file, module);
    const evaluate = compileFunction(
      readFileSync(file, 'utf8'),
      ['exports', 'require', 'module', '__filename', '__dirname'],
      { filename: file },
    ) as (exports: unknown, require: (id: string) => unknown, module: object, file: string, folder: string) => void;
    evaluate.call(module.exports, module.exports, requireFrom(file), module, file, dirname(file));
    return module.exports;
  };
  const requireFrom =
    (file: string) =>
    (id: string): unknown => {
      if (id === '@tensorflow/tfjs' || id === '@tensorflow/tfjs-core') return core;
      if (id === 'util') return completeUtil;
      const require = createRequire(file);
      if (id === './proto/api_pb') {
        try {
          require.resolve(PROTOBUF);
        } catch {
          return withoutProtobuf;
        }
        return require(id) as unknown;
      }
      return id.startsWith('.') ? load(require.resolve(id)) : (require(id) as unknown);
    };

  const { NodeJSKernelBackend } = load(join(folder, 'dist/nodejs_kernel_backend.js')) as TfjsNode;
  return {
    NodeJSKernelBackend,
    registerKernels: () => void load(join(folder, 'dist/register_all_kernels.js')),
  };
}
