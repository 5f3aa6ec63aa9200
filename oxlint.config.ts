import { defineConfig, type OxlintConfig, type OxlintOverride } from 'oxlint'
import { borders, portRooms } from './scripts/rooms.ts'

const port = 'It comes in as a port from gateway.ts, so that tests decide what time it is and who answers.'
const edge =
  'Only src/main.ts and src/host.ts touch the process: pass what is needed in, so that the gateway can be embedded and tested.'

const clockGlobals = ['performance', 'setTimeout', 'setInterval', 'fetch'].map((name) => ({
  name,
  message: port,
}))

/** Ways to the clock and the network that are not globals of their own. */
const clockProperties = [
  { object: 'Date', property: 'now', message: port },
  { object: 'AbortSignal', property: 'timeout', message: port },
  ...clockGlobals.map(({ name }) => ({ object: 'globalThis', property: name, message: port })),
]

const config: OxlintConfig = defineConfig({
  plugins: ['typescript', 'unicorn', 'oxc', 'import', 'promise', 'node'],
  categories: { correctness: 'error', suspicious: 'error' },
  options: { typeAware: true, denyWarnings: true, reportUnusedDisableDirectives: 'error' },
  ignorePatterns: ['dist', 'coverage', 'test-d'],
  rules: {
    // Promises and errors: nothing is started and forgotten, nothing odd is thrown.
    'typescript/no-floating-promises': 'error',
    'typescript/no-misused-promises': 'error',
    'typescript/only-throw-error': 'error',
    'typescript/prefer-promise-reject-errors': 'error',
    'typescript/return-await': ['error', 'error-handling-correctness-only'],
    'promise/no-multiple-resolved': 'error',

    // Types that mean what they say.
    'typescript/no-explicit-any': 'error',
    'typescript/no-non-null-assertion': 'error',
    'typescript/consistent-type-imports': 'error',
    'typescript/consistent-type-exports': 'error',
    'typescript/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
    'typescript/prefer-readonly': 'error',
    'typescript/use-unknown-in-catch-callback-variable': 'error',
    'typescript/no-unsafe-argument': 'error',
    'typescript/no-unsafe-assignment': 'error',
    'typescript/no-unsafe-call': 'error',
    'typescript/no-unsafe-member-access': 'error',
    'typescript/no-unsafe-return': 'error',
    'typescript/restrict-plus-operands': 'error',
    'typescript/prefer-optional-chain': 'error',

    // Modules: named exports only, no circles.
    'import/no-default-export': 'error',
    'import/no-cycle': 'error',
    'import/no-duplicates': 'error',
    'import/no-unassigned-import': 'off',
    'import/no-named-as-default-member': 'off',
    'unicorn/prefer-node-protocol': 'error',

    // Language.
    eqeqeq: ['error', 'always', { null: 'ignore' }],
    'no-var': 'error',
    'prefer-const': 'error',
    'no-param-reassign': 'error',
    'no-eval': 'error',
    'no-implied-eval': 'error',
    'no-shadow': 'off',
    'no-underscore-dangle': 'off',
    'no-await-in-loop': 'off',
    // The compiler's noImplicitReturns knows an exhaustive switch.
    'typescript/consistent-return': 'off',
    'typescript/no-unsafe-type-assertion': 'off',
    'typescript/no-unnecessary-type-arguments': 'off',
    'unicorn/consistent-function-scoping': 'off',

    // Sizes: small files, small functions, few parameters.
    'max-lines': ['error', { max: 400, skipBlankLines: false, skipComments: false }],
    'max-lines-per-function': ['error', { max: 60, skipBlankLines: true, skipComments: true }],
    'max-params': ['error', { max: 3 }],
    'max-depth': ['error', { max: 4 }],
  },
  overrides: [
    ...borders().map(({ files, patterns }): OxlintOverride => ({
      files,
      rules: { 'no-restricted-imports': ['error', { patterns }] },
    })),
    {
      files: ['src/**/*.ts'],
      rules: {
        'no-console': 'error',
        'no-restricted-globals': ['error', { name: 'process', message: edge }],
        'no-restricted-properties': ['error', { object: 'globalThis', property: 'process', message: edge }],
      },
    },
    {
      files: portRooms.flatMap((room) => [`src/${room}.ts`, `src/${room}/**/*.ts`]),
      rules: {
        'no-restricted-globals': ['error', { name: 'process', message: edge }, ...clockGlobals],
        'no-restricted-properties': [
          'error',
          { object: 'globalThis', property: 'process', message: edge },
          ...clockProperties,
        ],
      },
    },
    {
      // The process edge, and the clock that everything else is handed.
      files: ['src/main.ts', 'src/host.ts', 'src/pipeline/clock.ts'],
      rules: { 'no-restricted-globals': 'off', 'no-restricted-properties': 'off' },
    },
    {
      // Tests may be long, and stand outside the ports.
      files: ['**/*.test.ts', 'test/**', 'bench/**'],
      rules: {
        'max-lines': 'off',
        'max-lines-per-function': 'off',
        'max-params': 'off',
        'no-console': 'off',
        'no-restricted-globals': 'off',
        'no-restricted-properties': 'off',
        // A member of JSON Schema, and never awaited.
        'unicorn/no-thenable': 'off',
        'typescript/no-misused-spread': 'off',
        // node:test collects what `test()` returns.
        'typescript/no-floating-promises': [
          'error',
          {
            allowForKnownSafeCalls: [
              { from: 'package', package: 'node:test', name: ['test', 'it', 'suite', 'describe'] },
            ],
          },
        ],
      },
    },
    {
      // Plain JavaScript that must run on an old Node, unchecked by the compiler.
      files: ['**/*.js', '**/*.mjs'],
      rules: {
        'no-var': 'off',
        'typescript/no-floating-promises': 'off',
        'typescript/no-unsafe-argument': 'off',
        'typescript/no-unsafe-assignment': 'off',
        'typescript/no-unsafe-call': 'off',
        'typescript/no-unsafe-member-access': 'off',
        'typescript/no-unsafe-return': 'off',
        'typescript/restrict-plus-operands': 'off',
      },
    },
    { files: ['oxlint.config.ts'], rules: { 'import/no-default-export': 'off' } },
  ],
})

export default config
