import { existsSync } from 'node:fs';

// The op suites run on every backend that this machine has: on `cpu`, and on `metal` and `cuda` where their addons were
// built. Without a Mac shaders run on the CPU, without an NVIDIA GPU CUDA kernels do.
const isBuilt = (path) => existsSync(new URL(`packages/${path}`, import.meta.url));
const hasGpu = existsSync('/dev/nvidiactl') && isBuilt('backend-cuda/build/cuda/Release/attention_cuda.node');
const backends = [
  {
    name: 'metal',
    isThere: isBuilt('backend-metal/build/attention_metal.node'),
    emulator: { ATTENTION_METAL_EMULATOR: '1' },
    needs: ['clang'],
  },
  {
    name: 'cuda',
    isThere: hasGpu || isBuilt('backend-cuda/build/emulator/Release/attention_cuda.node'),
    emulator: hasGpu ? {} : { ATTENTION_CUDA_EMULATOR: '1' },
    needs: ['clang', 'cmake', 'ninja'],
  },
];
const names = ['cpu'];
for (const { name, isThere, emulator } of backends) {
  if (isThere) {
    names.push(name);
    for (const [variable, value] of Object.entries(emulator)) process.env[variable] ??= value;
  }
}
const leftOut = backends.filter(({ isThere }) => !isThere);
if (leftOut.length > 0) {
  const needs = [...new Set(leftOut.flatMap((backend) => backend.needs))].join(', ');
  console.warn(
    `Left out: all tests on ${leftOut.map(({ name }) => name).join(' and ')}; to run them too: npm run build:native (needs ${needs})`,
  );
}
process.env.ATTENTION_TEST_BACKENDS ??= names.join();

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
