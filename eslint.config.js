/**
 * Lint rules: TypeScript with types, documentation of everything public, and the borders between the roles of packages
 * (docs in CONTRIBUTING.md). Formatting is Prettier's alone.
 */
import js from '@eslint/js';
import nx from '@nx/eslint-plugin';
import jsdoc from 'eslint-plugin-jsdoc';
import tseslint from 'typescript-eslint';

const foundation = ['downloads', 'tensor', 'nn', 'data', 'train', 'metrics', 'tokenizer'];
const upTo = (...layers) => layers.map((layer) => `layer:${layer}`);
function may(role, imported, banned = []) {
  return {
    sourceTag: `role:${role}`,
    onlyDependOnLibsWithTags: imported.map((name) => `role:${name}`),
    ...(banned.length > 0 ? { bannedExternalImports: banned } : {}),
  };
}

/** Native code: only where the role needs it, so that model packages run in a browser. */
const native = ['sharp', 'koffi'];

/** Which role may import which: the house of the design, downwards only, never sideways. Nothing imports an app. */
const everyPackage = ['foundation', 'engine', 'sequence', 'tokenizer', 'autoencoder', 'generator'];
const roles = [
  may('foundation', ['foundation']),
  may('engine', ['foundation']),
  may('sequence', ['foundation'], native),
  may('tokenizer', ['foundation', 'sequence'], native),
  may('autoencoder', ['foundation', 'sequence', 'tokenizer'], native),
  // A generator asks a tokenizer's `spec`, never its class.
  may('generator', ['foundation', 'sequence'], native),
  may('tool', [...everyPackage, 'tool']),
  may('app', [...everyPackage, 'tool']),
];

/** The floors inside the foundation. */
const layers = [
  { sourceTag: 'layer:downloads', onlyDependOnLibsWithTags: [], bannedExternalImports: native },
  { sourceTag: 'layer:tensor', onlyDependOnLibsWithTags: [], bannedExternalImports: native },
  { sourceTag: 'layer:nn', onlyDependOnLibsWithTags: upTo('tensor'), bannedExternalImports: native },
  { sourceTag: 'layer:metrics', onlyDependOnLibsWithTags: upTo('tensor', 'nn', 'data'), bannedExternalImports: native },
  { sourceTag: 'layer:train', onlyDependOnLibsWithTags: upTo('tensor', 'nn', 'data'), bannedExternalImports: native },
  {
    allSourceTags: ['role:foundation', 'layer:tokenizer'],
    onlyDependOnLibsWithTags: upTo(...foundation.filter((layer) => layer !== 'tokenizer')),
    bannedExternalImports: native,
  },
  {
    allSourceTags: ['role:foundation', 'layer:data'],
    onlyDependOnLibsWithTags: upTo('tensor'),
    bannedExternalImports: ['koffi'],
  },
];

export default tseslint.config(
  {
    ignores: ['**/dist/', '**/out-tsc/', '**/node_modules/', '**/runs/', '**/coverage/', '.nx/', '.gpu/', '**/.cache/'],
  },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: {
      parserOptions: { projectService: { allowDefaultProject: [] }, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      // `noUncheckedIndexedAccess` makes `!` necessary in index arithmetic.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // TensorFlow.js tensors of known rank are written `as tf.Tensor4D`, which the rule calls unnecessary, since ranks
      // differ in name more than in structure.
      '@typescript-eslint/no-unnecessary-type-assertion': 'off',
      // TensorFlow.js writes ops and kernels so that they can be taken from their object.
      '@typescript-eslint/unbound-method': 'off',
      // Kernels without attributes or inputs have the type `{}`.
      '@typescript-eslint/no-empty-object-type': ['error', { allowObjectTypes: 'always' }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true, allowArray: true },
      ],
    },
  },
  {
    // Configuration files belong to no project, so they are checked without types.
    files: ['**/*.config.ts', '*.ts'],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: { parserOptions: { projectService: false } },
  },
  {
    files: ['**/*.js', '**/*.mjs'],
    languageOptions: { globals: { process: 'readonly', console: 'readonly', URL: 'readonly', setTimeout: 'readonly' } },
  },
  {
    files: ['packages/*/*/src/**/*.ts'],
    ignores: ['**/*.test.ts', '**/*.bench.ts'],
    plugins: { jsdoc },
    rules: {
      'jsdoc/require-jsdoc': [
        'error',
        {
          // What is exported itself, not what an exported table refers to.
          publicOnly: { ancestorsOnly: true },
          require: { ClassDeclaration: true, FunctionDeclaration: true, MethodDefinition: false },
          contexts: ['TSInterfaceDeclaration', 'TSTypeAliasDeclaration'],
        },
      ],
      'jsdoc/check-param-names': ['error', { checkDestructured: false, disableMissingParamChecks: true }],
    },
  },
  {
    files: ['packages/**/*.ts', 'apps/**/*.ts', 'tools/**/*.ts'],
    plugins: { '@nx': nx },
    rules: {
      '@nx/enforce-module-boundaries': [
        'error',
        {
          enforceBuildableLibDependency: false,
          // The command loads the engine, which opens native code, only for `doctor`; its plugin manager is plain code.
          checkDynamicDependenciesExceptions: [
            '@tesserae/xla',
            '@tesserae/xla/plugins',
            '@tesserae/tensorflow',
            '@tesserae/tensorflow/install',
          ],
          // Each workspace's tsdown and vitest configuration extends the shared one at the root.
          allow: ['^(\\.\\./)+(vitest|tsdown)\\.shared\\.ts$'],
          depConstraints: [...roles, ...layers],
        },
      ],
    },
  },
  {
    files: ['**/*.test.ts'],
    rules: {
      // Tests hand in what types forbid, and read what came back.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      // A stand-in may be async for its type's sake, and a shape may be named in a test's title.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/restrict-template-expressions': 'off',
    },
  },
);
