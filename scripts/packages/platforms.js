/**
 * Platform packages, each with one addon. They do not exist before a release, so no package.json in the repository may
 * name them; packing adds them to the `optionalDependencies` of their backend's package.
 */
export const ADDONS = {
  'backend-cuda': {
    file: 'build/cuda/Release/attention_cuda.node',
    devices: 'NVIDIA GPUs',
    notice: 'native/cuda/NOTICE', // notices of the libraries that the addon links
    platforms: {
      'linux-x64': { os: ['linux'], cpu: ['x64'], libc: ['glibc'] },
      'linux-arm64': { os: ['linux'], cpu: ['arm64'], libc: ['glibc'] },
    },
  },
  'backend-metal': {
    file: 'build/attention_metal.node',
    devices: 'Macs with Apple silicon',
    platforms: {
      'darwin-arm64': { os: ['darwin'], cpu: ['arm64'] },
    },
  },
};

export const platformPackage = (backend, platform) => `@attention-js/${backend}-${platform}`;

/** The names of all platform packages of `packages/NAME`. */
export function platformPackages(name) {
  return Object.keys(ADDONS[name]?.platforms ?? {}).map((platform) => platformPackage(name, platform));
}
