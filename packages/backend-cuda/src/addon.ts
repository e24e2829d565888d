import { fileURLToPath } from 'node:url';
import { loadAddon } from '@attention-js/backend-common/node';
import { AttentionError } from '@attention-js/core';
import type { AttentionErrorCode } from '@attention-js/core';
import { bindOperations } from './operation.ts';
import type { NativeOperation } from './operation.ts';

/** Compiled kernels of an author's. */
export interface NativeModule {
  readonly __module: unique symbol;
}

/** Two points of the device's time. */
export interface NativeStopwatch {
  readonly __stopwatch: unique symbol;
}

/** What the device's memory is used for, in bytes. */
export interface NativeMemory {
  used: number;
  reserved: number;
  pinned: number;
  staging: number;
  deviceFree: number;
  deviceTotal: number;
}

/** Which device a context is of, and for tests what it makes of it. */
export interface ContextOptions {
  /** Index of the device. */
  ordinal: number;
  /** Chooses kernels for an older architecture than the device's: 80 for compute capability 8.0. */
  architecture?: number;
  /** Parts into which attention splits the keys; left out, launchers decide. */
  splits?: number;
}

/**
 * A device, its stream and its memory pool, as native/cuda/addon.cc exports it. Addresses are numbers: those of today's
 * GPUs have 47 bits. Errors have a `code` of AttentionError.
 */
export interface NativeContext {
  readonly deviceName: string;
  /** 90 for compute capability 9.0. */
  readonly architecture: number;
  readonly multiprocessors: number;
  /** 13000 for CUDA 13.0. */
  readonly driverVersion: number;
  /** Whether kernels run on the CPU, for tests. */
  readonly isEmulated: boolean;
  /** Kernels launched so far. */
  readonly launches: number;
  /**
   * Bytes of device memory in use: by tensors, which are counted here, by what kernels need besides, and the most of both
   * so far.
   */
  readonly memoryUse: Float64Array;
  /** Called before an error says that there is no device memory: gives back what is kept for reuse. */
  releaseSpare?: () => void;
  /** Runs the operation with that place in {@link NativeAddon.operations}, which finds its parameters in `block`. */
  run(index: number, block: ArrayBuffer): void;
  /** Device memory of undefined content; 0 for 0 bytes. */
  allocate(byteLength: number): number;
  /** Gives memory back once what was launched before is done with it. */
  free(address: number): void;
  /** Pinned memory, which kernels reach under the same address. */
  allocatePinned(byteLength: number): number;
  /** Waits for the device. */
  freePinned(address: number): void;
  /** Keeps no reference to `bytes`. */
  upload(address: number, bytes: Uint8Array): void;
  fillBytes(address: number, byte: number, byteLength: number): void;
  /** Blocks until `bytes` is filled. */
  download(address: number, bytes: Uint8Array): void;
  /** The bytes as they are after all that was launched before the call. */
  downloadAsync(address: number, byteLength: number): Promise<ArrayBuffer>;
  wait(): void;
  /** Waits, and gives the memory that is kept for reuse back to the device. */
  trim(): void;
  memory(): NativeMemory;
  startStopwatch(): NativeStopwatch;
  stopStopwatch(stopwatch: NativeStopwatch): void;
  /** Once the device has passed the end. */
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

/** The emulator exists for tests, on machines without a GPU; nothing else shall run on it without being told to. */
const wantsEmulator = (): boolean => process.env.ATTENTION_CUDA_EMULATOR === '1';

/** Finds races too, if it is built; without it allocations end at guard pages only. */
const wantsChecks = (): boolean => process.env.ATTENTION_CUDA_CHECKED === '1';

const built = (variant: 'cuda' | 'emulator' | 'emulator_checked'): string =>
  fileURLToPath(new URL(`../build/${variant}/Release/attention_cuda.node`, import.meta.url));

/**
 * Opens a device.
 *
 * @throws AttentionError `ERR_ADDON_MISSING`, `ERR_NO_DRIVER`, `ERR_DRIVER_TOO_OLD`, `ERR_NO_DEVICE`, `ERR_ARCH`, each
 * with the fix.
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
                  fix: 'npx attention-cuda --checked (builds it; needs clang++, cmake, ninja)',
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
