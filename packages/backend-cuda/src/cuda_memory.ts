import type { DeviceBuffer, DeviceMemory } from '@attention-js/backend-common';
import { AttentionError } from '@attention-js/core';
import type { NativeContext } from './addon.ts';
import { SpareMemory } from './spare_memory.ts';

/** Larger values are uploaded when they are written, so that JavaScript keeps no copy of them. */
const LARGEST_LAZY = 16_384;

/** Device memory, or pinned host memory that the device can access. */
export class CudaBuffer implements DeviceBuffer {
  readonly byteLength: number;
  readonly isPinned: boolean;
  readonly isPending = true; // reading takes a copy in stream order
  readonly #memory: CudaMemory;
  #address: number | undefined;

  constructor(memory: CudaMemory, address: number, byteLength: number, isPinned: boolean) {
    this.#memory = memory;
    this.#address = address;
    this.byteLength = byteLength;
    this.isPinned = isPinned;
  }

  /** The start address; 0 if the buffer is empty. */
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

/** Allocates and tracks the buffers of a device. */
export class CudaMemory implements DeviceMemory<CudaBuffer> {
  readonly backendName: string;
  readonly isShared = false;
  readonly context: NativeContext;
  readonly #use: Float64Array;
  readonly #buffers = new Set<CudaBuffer>();
  /** Undefined on the emulator, which checks accesses to freed memory and fills new memory with NaN. */
  readonly #spare: SpareMemory | undefined;
  #isDisposed = false;
  #earlierPeak = 0;

  constructor(backendName: string, context: NativeContext) {
    this.backendName = backendName;
    this.context = context;
    this.#use = context.memoryUse;
    if (context.isEmulated) return;
    const spare = new SpareMemory((address) => context.free(address));
    context.releaseSpare = () => spare.clear();
    this.#spare = spare;
  }

  /** Bytes of tensors on the device. */
  get byteLength(): number {
    return this.#use[0];
  }

  /** Peak of tensors plus kernels' scratch memory. */
  get peak(): number {
    return Math.max(this.#earlierPeak, this.#use[2]);
  }

  /** Bytes by which peak use since the previous call exceeds current use. */
  takeGrowth(): number {
    const [tensors, scratch, peak] = this.#use;
    this.#earlierPeak = Math.max(this.#earlierPeak, peak);
    this.#use[2] = tensors + scratch;
    return peak - tensors - scratch;
  }

  #count(byteLength: number): void {
    const use = this.#use;
    use[0] += byteLength;
    use[2] = Math.max(use[2], use[0] + use[1]);
  }

  allocate(byteLength: number, isPinned = false): CudaBuffer {
    if (this.#isDisposed) this.failDisposed();
    const address = isPinned ? this.context.allocatePinned(byteLength) : this.#take(byteLength);
    const buffer = new CudaBuffer(this, address, byteLength, isPinned);
    this.#buffers.add(buffer);
    if (!isPinned) this.#count(byteLength);
    return buffer;
  }

  #take(byteLength: number): number {
    return this.#spare?.take(byteLength) ?? this.context.allocate(byteLength);
  }

  free(buffer: CudaBuffer): void {
    if (!this.#buffers.delete(buffer)) return;
    const { address, byteLength } = buffer;
    if (buffer.isPinned) return this.context.freePinned(address);
    this.#count(-byteLength);
    if (this.#spare) this.#spare.put(address, byteLength);
    else this.context.free(address);
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

  /** Copies in progress use their own memory, so buffers can be freed. */
  dispose(): void {
    this.#isDisposed = true;
    for (const buffer of this.#buffers) buffer.free();
    this.#spare?.clear();
    this.context.trim();
  }

  failDisposed(): never {
    throw new AttentionError(
      'ERR_DISPOSED',
      `[${this.backendName}] backend: expected a live one, received a disposed one`,
    );
  }
}
