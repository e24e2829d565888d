import type { DeviceBuffer, DeviceMemory } from '@attention-js/backend-common';
import { AttentionError } from '@attention-js/core';
import type { NativeContext } from './addon.ts';

/** Values of more bytes go to the device when they are written, so that JavaScript keeps no copy of them. */
const LARGEST_LAZY = 16_384;

/** Memory of the device, or pinned memory of the host that the device reaches. */
export class CudaBuffer implements DeviceBuffer {
  readonly byteLength: number;
  readonly isPinned: boolean;
  readonly isPending = true; // its bytes take a copy, which takes its turn on the stream
  readonly #memory: CudaMemory;
  #address: number | undefined;

  constructor(memory: CudaMemory, byteLength: number, isPinned: boolean) {
    const { context } = memory;
    this.#memory = memory;
    this.byteLength = byteLength;
    this.isPinned = isPinned;
    this.#address = isPinned ? context.allocateHost(byteLength) : context.allocate(byteLength);
  }

  /** Where it begins; 0 where it is empty. */
  get address(): number {
    return this.#address ?? this.#memory.failDisposed();
  }

  bytes(): Uint8Array {
    const bytes = new Uint8Array(this.byteLength);
    this.#memory.context.download(this.address, bytes);
    return bytes;
  }

  async readAsync(): Promise<Uint8Array> {
    return new Uint8Array(await this.#memory.context.downloadAsync(this.address, this.byteLength));
  }

  write(bytes: Uint8Array): void {
    this.#memory.context.upload(this.address, bytes);
  }

  fill(byte: number): void {
    this.#memory.context.fillBytes(this.address, byte, this.byteLength);
  }

  free(): void {
    this.#memory.free(this);
    this.#address = undefined;
  }
}

/** The buffers of a device. */
export class CudaMemory implements DeviceMemory<CudaBuffer> {
  readonly backendName: string;
  readonly isShared = false;
  readonly context: NativeContext;
  byteLength = 0;
  readonly #buffers = new Set<CudaBuffer>();
  #isDisposed = false;

  constructor(backendName: string, context: NativeContext) {
    this.backendName = backendName;
    this.context = context;
  }

  allocate(byteLength: number, isPinned = false): CudaBuffer {
    if (this.#isDisposed) this.failDisposed();
    const buffer = new CudaBuffer(this, byteLength, isPinned);
    this.#buffers.add(buffer);
    if (!isPinned) this.byteLength += byteLength;
    return buffer;
  }

  free(buffer: CudaBuffer): void {
    if (!this.#buffers.delete(buffer)) return;
    if (buffer.isPinned) {
      this.context.freeHost(buffer.address);
    } else {
      this.byteLength -= buffer.byteLength;
      this.context.free(buffer.address);
    }
  }

  isView(): boolean {
    return false;
  }

  isEager(byteLength: number): boolean {
    return byteLength > LARGEST_LAZY;
  }

  wait(): void {
    this.context.wait();
  }

  async waitAsync(): Promise<void> {
    await this.context.downloadAsync(0, 0);
  }

  /** Copies under way have their own memory by now. */
  dispose(): void {
    this.#isDisposed = true;
    for (const buffer of this.#buffers) buffer.free();
    this.context.trim();
  }

  failDisposed(): never {
    throw new AttentionError(
      'ERR_DISPOSED',
      `[${this.backendName}] backend: expected a live one, received a disposed one`,
    );
  }
}
