/**
 * One copy of `@tensorflow/tfjs-core` for everything in the process: its ES modules.
 *
 * In Node the package's name resolves to a bundle, while its tests import single modules of `dist`: two copies with two
 * engines, and the tests would judge the one that nothing computes on. The modules name each other without extensions
 * and carry no `"type": "module"`, which bundlers forgive and Node does not. So hooks resolve the name to
 * `dist/index.js`, complete the extensions, and say that the files are ES modules. Packages that `require` it (the Node
 * builds of the backends, tfjs-layers) get the same objects. Nothing is built, and `sideEffects` is never asked, so that
 * no test is shaken out.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createRequire, registerHooks } from 'node:module';
import { dirname, join, resolve as resolvePath } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const NAME = '@tensorflow/tfjs-core';
/** Runners of the tests that the modules load by themselves; they find the one in `globalThis` instead. */
const runnerImport = /^const (jasmineRequire|jasmineCore) = .*$|^jasmineCore\.DEFAULT_TIMEOUT.*$/gm;

/** From now on, every import or require of `@tensorflow/tfjs-core` in this process is the same copy. */
export function useSingleTfjs(): void {
  // The folder of <package>/dist/tf-core.node.js.
  const dist = dirname(createRequire(import.meta.url).resolve(NAME));
  const index = join(dist, 'index.js');
  const bridge = pathToFileURL(join(dist, 'for-require.cjs')).href;
  const inside = (url: string | undefined): boolean =>
    url !== undefined && url.startsWith('file:') && fileURLToPath(url).startsWith(dist);

  registerHooks({
    resolve(specifier, context, next) {
      let path: string | undefined;
      if (specifier === NAME && context.conditions.includes('require'))
        return { url: bridge, format: 'commonjs', shortCircuit: true };
      if (specifier === NAME) path = index;
      else if (specifier.startsWith(`${NAME}/dist/`))
        path = withExtension(join(dist, specifier.slice(NAME.length + 6)));
      else if (specifier.startsWith('.') && inside(context.parentURL)) {
        path = withExtension(resolvePath(dirname(fileURLToPath(context.parentURL as string)), specifier));
      }
      if (path === undefined) return next(specifier, context);
      return { url: pathToFileURL(path).href, format: 'module', shortCircuit: true };
    },
    load(url, context, next) {
      if (url === bridge) return { format: 'commonjs', source: bridgeTo(index), shortCircuit: true };
      if (!inside(url)) return next(url, context);
      const source = asModule(readFileSync(fileURLToPath(url), 'utf8'));
      return { format: 'module', source, shortCircuit: true };
    },
  });
}

/**
 * Some modules call `require`, which ES modules do not have, and some import all of a CommonJS package, which Node gives
 * as its default. Put on the first line, so that line numbers stay.
 */
function asModule(text: string): string {
  const source = text.replaceAll(runnerImport, '').replaceAll(/^import \* as (\w+) from '(?!\.)/gm, "import $1 from '");
  if (!/\brequire\b/.test(source)) return source;
  return `import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url); ${source}`;
}

/**
 * What `require('@tensorflow/tfjs-core')` gives: the modules' own exports. Node builds are written in ES5, whose
 * inheritance calls a base class without `new`; so classes may be called here, for the object under construction.
 */
function bridgeTo(index: string): string {
  return `
    const tfjs = require(${JSON.stringify(index)});
    const apply = (target, self, args) => Reflect.construct(target, args, self.constructor);
    const isClass = (value) => typeof value === 'function' && /^class\\b/.test(Function.prototype.toString.call(value));
    for (const [name, value] of Object.entries(tfjs)) exports[name] = isClass(value) ? new Proxy(value, { apply }) : value;
    Object.defineProperty(exports, '__esModule', { value: true });
  `;
}

function withExtension(path: string): string {
  if (existsSync(path) && statSync(path).isFile()) return path;
  return existsSync(`${path}.js`) ? `${path}.js` : join(path, 'index.js');
}
