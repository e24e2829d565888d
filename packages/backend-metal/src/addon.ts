import { fileURLToPath } from 'node:url';
import { loadAddon } from '@attention-js/backend-common/node';
import type { AddonCandidate } from '@attention-js/backend-common/node';
import { AttentionError } from '@attention-js/core';
import type { AttentionErrorCode } from '@attention-js/core';

/** Memory that CPU and GPU share. */
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

/** The device, as native/metal/addon.cc exports it. Its errors have a `code` of AttentionError. */
export interface NativeDevice {
  /** What the device calls itself. */
  readonly name: string;
  /** Whether this is the emulator, which runs shaders on the CPU. */
  readonly isEmulated: boolean;
  /** Bytes that the process has allocated on the device, and that Metal recommends it to stay below. */
  memory(): { allocated: number; recommended: number };
  /** Makes a buffer of undefined content. */
  makeBuffer(byteLength: number): NativeBuffer;
  /**
   * The buffer's memory itself. One ArrayBuffer per buffer: it is detached when the buffer is freed. `ERR_UNSUPPORTED` for
   * one that is longer than this version of Node allows (4 GiB before Node 22).
   */
  contents(buffer: NativeBuffer): ArrayBuffer;
  /** Sets every byte of the buffer. Wait for the device before. */
  fillBuffer(buffer: NativeBuffer, byte: number): void;
  /** Copies `bytes` to the beginning of the buffer. Wait for the device before. */
  writeBuffer(buffer: NativeBuffer, bytes: Uint8Array): void;
  /** Fills `bytes` from the beginning of the buffer. Wait for the device before. */
  readBuffer(buffer: NativeBuffer, bytes: Uint8Array): void;
  /** Frees the buffer as soon as nothing that was dispatched uses it; detaches its ArrayBuffer at once. */
  freeBuffer(buffer: NativeBuffer): void;
  /** Compiles shader source; `name` appears in errors. */
  makeLibrary(name: string, source: string): NativeLibrary;
  /** Compiles a function of a library. */
  makePipeline(
    library: NativeLibrary,
    functionName: string,
    constants: Readonly<Record<string, boolean | number>>,
  ): NativePipeline;
  /** Runs a pipeline after all that was dispatched before. `grid`: threadgroups x, y, z, then threads x, y, z. */
  dispatch(
    pipeline: NativePipeline,
    buffers: readonly NativeBuffer[],
    params: Uint8Array,
    grid: readonly number[],
    threadgroupBytes: number,
  ): void;
  /** Blocks until all that was dispatched is done. */
  wait(): void;
  /** Resolves when all that was dispatched before the call is done. */
  waitAsync(): Promise<void>;
}

/** Where the emulator finds its headers and keeps compiled shaders; see emulator/metal/emulated_device.h. */
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

/** The emulator exists for tests, where no Mac is at hand; nothing else shall run on it without being told to. */
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
