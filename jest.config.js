import { existsSync } from 'node:fs';

// The op suites run on every backend that this machine has: on `cpu`, and on `metal` where its addon was built.
const hasMetal = existsSync(new URL('packages/backend-metal/build/attention_metal.node', import.meta.url));
if (hasMetal) process.env.ATTENTION_METAL_HOST_DEVICE ??= '1'; // on Linux: shaders on the CPU
process.env.ATTENTION_TEST_BACKENDS ??= hasMetal ? 'cpu,metal' : 'cpu';
if (!hasMetal) {
  console.warn(
    'Left out: everything on `metal`. Its shaders run on the CPU where the addon is built, which takes clang\n' +
      '(apt-get install clang; on a Mac xcode-select --install): npm run build:native',
  );
}

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
