import { fileURLToPath } from 'node:url';
import { loadAddon } from '@attention-js/backend-common/node';
import { AttentionError } from '@attention-js/core';
import type { AttentionErrorCode } from '@attention-js/core';
import { bindOperations } from './operation.ts';
import type { NativeOperation } from './operation.ts';

/** A module of user-defined kernels. */
export interface NativeModule {
  readonly __module: unique symbol;
}

/** Measures device time between two points of the stream. */
export interface NativeStopwatch {
  readonly __stopwatch: unique symbol;
}

/** Use of device memory, in bytes. */
export interface NativeMemory {
  used: number;
  reserved: number;
  pinned: number;
  staging: number;
  deviceFree: number;
  deviceTotal: number;
}

/** The device of a context, and overrides for tests. */
export interface ContextOptions {
  /** Index of the device. */
  ordinal: number;
  /** Use the kernels of an older architecture: 80 for compute capability 8.0. */
  architecture?: number;
  /** Number of splits of the keys in attention. Default: launchers decide. */
  splits?: number;
}

/**
 * A device with its stream and memory pool, exported by native/cuda/addon.cc. Addresses are numbers, since those of
 * current GPUs have 47 bits. Errors carry a `code` of AttentionError.
 */
export interface NativeContext {
  readonly deviceName: string;
  /** 90 for compute capability 9.0. */
  readonly architecture: number;
  readonly multiprocessors: number;
  /** 13000 for CUDA 13.0. */
  readonly driverVersion: number;
  /** Whether kernels run on the CPU emulator, for tests. */
  readonly isEmulated: boolean;
  /** Kernels launched so far. */
  readonly launches: number;
  /**
   * Bytes of device memory in use: by tensors (counted in TypeScript), by kernels' scratch memory, and the peak of
   * their sum.
   */
  readonly memoryUse: Float64Array;
  /** Called before an allocation fails: frees memory that is kept for reuse. */
  releaseSpare?: () => void;
  /** Runs operation number `index` of {@link NativeAddon.operations} with the parameters in `block`. */
  run(index: number, block: ArrayBuffer): void;
  /** Allocates uninitialized device memory; 0 for 0 bytes. */
  allocate(byteLength: number): number;
  /** Frees memory in stream order, after all work launched before. */
  free(address: number): void;
  /** Allocates pinned host memory, which kernels can access at the same address. */
  allocatePinned(byteLength: number): number;
  /** Waits for the device, then frees the memory. */
  freePinned(address: number): void;
  /** Copies `bytes` before it returns. */
  upload(address: number, bytes: Uint8Array): void;
  fillBytes(address: number, byte: number, byteLength: number): void;
  /** Blocks until `bytes` is filled. */
  download(address: number, bytes: Uint8Array): void;
  /** Resolves to the bytes as of all work launched before the call. */
  downloadAsync(address: number, byteLength: number): Promise<ArrayBuffer>;
  wait(): void;
  /** Waits for the device, and returns the pool's unused memory to it. */
  trim(): void;
  memory(): NativeMemory;
  startStopwatch(): NativeStopwatch;
  stopStopwatch(stopwatch: NativeStopwatch): void;
  /** Call it only after the device has passed the stop. */
  milliseconds(stopwatch: NativeStopwatch): number;
  loadModule(image: Uint8Array): NativeModule;
  /** `sizes`: blocks x, y, z, threads x, y, z, bytes of dynamic shared memory. */
  launchModule(
    module: NativeModule,
    functionName: string,
    sizes: Float64Array,
    parameters: Uint8Array,
    offsets: Float64Array,
  ): void;
}

interface NativeAddon {
  NativeContext: new (
    makeError: (code: AttentionErrorCode, message: string) => AttentionError,
    options: ContextOptions,
  ) => NativeContext;
  operations: readonly NativeOperation[];
}

const PLATFORM_PACKAGE = `@attention-js/backend-cuda-${process.platform}-${process.arch}`;

/** The emulator is for tests on machines without a GPU, so it must be requested explicitly. */
const wantsEmulator = (): boolean => process.env.ATTENTION_CUDA_EMULATOR === '1';

/** Selects the build that also detects races, if it exists; otherwise only guard pages check memory accesses. */
const wantsChecks = (): boolean => process.env.ATTENTION_CUDA_CHECKED === '1';

const built = (variant: 'cuda' | 'emulator' | 'emulator_checked'): string =>
  fileURLToPath(new URL(`../build/${variant}/Release/attention_cuda.node`, import.meta.url));

/**
 * Opens a device.
 *
 * @throws AttentionError `ERR_ADDON_MISSING`, `ERR_NO_DRIVER`, `ERR_DRIVER_TOO_OLD`, `ERR_NO_DEVICE`, `ERR_ARCH`; the
 * message says how to fix it.
 */
export function openContext(options: ContextOptions): NativeContext {
  const addon = loadAddon(
    'cuda',
    wantsEmulator()
      ? [
          ...(wantsChecks()
            ? [
                {
                  specifier: built('emulator_checked'),
                  fix: 'npx -p @attention-js/backend-cuda --no-install attention-cuda --checked (builds it; needs clang++, cmake, ninja)',
                },
              ]
            : []),
          {
            specifier: built('emulator'),
            fix: 'npx -p @attention-js/backend-cuda --no-install attention-cuda --emulator (builds it; needs clang++, cmake, ninja)',
          },
        ]
      : [
          {
            specifier: built('cuda'),
            fix: 'npx -p @attention-js/backend-cuda --no-install attention-cuda (builds it; needs the CUDA toolkit 13, cmake, ninja)',
          },
          { specifier: PLATFORM_PACKAGE, fix: `npm install ${PLATFORM_PACKAGE} (on Linux with glibc)` },
        ],
    import.meta.url,
  ) as NativeAddon;
  bindOperations(addon.operations);
  return new addon.NativeContext((code, message) => new AttentionError(code, message), options);
}
