/** @type {import('jest').Config} */
export default {
  testMatch: ['<rootDir>/packages/*/src/**/*.test.ts'],
  testTimeout: 60_000,
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
        module: { type: 'es6' },
      },
    ],
  },
  moduleNameMapper: {
    '^@attention-js/([^/]+)$': '<rootDir>/packages/$1/src/index.ts',
    '^@attention-js/([^/]+)/([a-z_]+)$': '<rootDir>/packages/$1/src/$2.ts',
  },
};
