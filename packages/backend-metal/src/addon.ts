import { fileURLToPath } from 'node:url';
import { loadAddon } from '@attention-js/backend-common/node';
import type { AddonCandidate } from '@attention-js/backend-common/node';
import { AttentionError } from '@attention-js/core';
import type { AttentionErrorCode } from '@attention-js/core';

/** Memory shared by CPU and GPU. */
export interface NativeBuffer {
  readonly __buffer: unique symbol;
}

/** Compiled shader source. */
export interface NativeLibrary {
  readonly __library: unique symbol;
}

/** A function of a library, with its function constants set. */
export interface NativePipeline {
  readonly __pipeline: unique symbol;
}

/** The device, exported by native/metal/addon.cc. Errors carry a `code` of AttentionError. */
export interface NativeDevice {
  /** The device's name. */
  readonly name: string;
  /** Whether this is the emulator, which runs shaders on the CPU. */
  readonly isEmulated: boolean;
  /** Bytes that this process has allocated on the device, and Metal's recommended limit. */
  memory(): { allocated: number; recommended: number };
  /** Allocates an uninitialized buffer. */
  makeBuffer(byteLength: number): NativeBuffer;
  /**
   * The buffer's memory itself, as the same ArrayBuffer on every call, which is detached when the buffer is freed.
   * Throws `ERR_UNSUPPORTED` if the buffer is longer than an ArrayBuffer may be in this version of Node (4 GiB before
   * Node 22).
   */
  contents(buffer: NativeBuffer): ArrayBuffer;
  /** Sets every byte of the buffer. Wait for the device first. */
  fillBuffer(buffer: NativeBuffer, byte: number): void;
  /** Copies `bytes` to the start of the buffer. Wait for the device first. */
  writeBuffer(buffer: NativeBuffer, bytes: Uint8Array): void;
  /** Fills `bytes` from the start of the buffer. Wait for the device first. */
  readBuffer(buffer: NativeBuffer, bytes: Uint8Array): void;
  /** Frees the buffer once no dispatched work uses it. Detaches its ArrayBuffer immediately. */
  freeBuffer(buffer: NativeBuffer): void;
  /** Compiles shader source; `name` appears in errors. */
  makeLibrary(name: string, source: string): NativeLibrary;
  /** Compiles a function of a library. */
  makePipeline(
    library: NativeLibrary,
    functionName: string,
    constants: Readonly<Record<string, boolean | number>>,
  ): NativePipeline;
  /** Runs a pipeline after all work dispatched before. `grid`: threadgroups x, y, z, then threads x, y, z. */
  dispatch(
    pipeline: NativePipeline,
    buffers: readonly NativeBuffer[],
    params: Uint8Array,
    grid: readonly number[],
    threadgroupBytes: number,
  ): void;
  /** Blocks until all dispatched work is complete. */
  wait(): void;
  /** Resolves when all work dispatched before the call is complete. */
  waitAsync(): Promise<void>;
}

/** The emulator's folders of headers and compiled shaders; see emulator/metal/emulated_device.h. */
interface EmulatorOptions {
  cacheFolder: string;
  sourceFolder: string;
  checked: boolean;
}

interface NativeAddon {
  NativeDevice: new (
    makeError: (code: AttentionErrorCode, message: string) => AttentionError,
    options: EmulatorOptions,
  ) => NativeDevice;
}

const PLATFORM_PACKAGE = '@attention-js/backend-metal-darwin-arm64';

const candidates: readonly AddonCandidate[] = [
  {
    specifier: fileURLToPath(new URL('../build/attention_metal.node', import.meta.url)),
    fix: 'npx -p @attention-js/backend-metal --no-install attention-metal (builds it; needs clang++, on a Mac: xcode-select --install)',
  },
  { specifier: PLATFORM_PACKAGE, fix: `npm install ${PLATFORM_PACKAGE} (on a Mac with Apple silicon)` },
];

/** The emulator is for tests on machines other than Macs, so it must be requested explicitly. */
const wantsEmulator = (): boolean => process.env.ATTENTION_METAL_EMULATOR === '1';

/**
 * Opens the Metal device.
 *
 * @throws AttentionError `ERR_NO_DEVICE` on a machine without an Apple GPU, `ERR_ADDON_MISSING`.
 */
export function openDevice(): NativeDevice {
  const machine = `${process.platform}-${process.arch}`;
  if (machine !== 'darwin-arm64' && !wantsEmulator()) {
    throw new AttentionError(
      'ERR_NO_DEVICE',
      `[metal] expected a Mac with Apple silicon, received ${machine}: use another backend here, for example ` +
        `tf.setBackend('cpu')`,
    );
  }
  const { NativeDevice } = loadAddon('metal', candidates, import.meta.url) as NativeAddon;
  return new NativeDevice((code, message) => new AttentionError(code, message), {
    cacheFolder: fileURLToPath(new URL('../../../node_modules/.cache/attention-js/metal', import.meta.url)),
    sourceFolder: fileURLToPath(new URL('../../../emulator/metal', import.meta.url)),
    checked: process.env.ATTENTION_METAL_CHECKED === '1',
  });
}
