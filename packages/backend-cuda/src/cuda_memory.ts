import type { DeviceBuffer, DeviceMemory } from '@attention-js/backend-common';
import { AttentionError } from '@attention-js/core';
import type { NativeContext } from './addon.ts';
import { SpareMemory } from './spare_memory.ts';

/** Values of more bytes go to the device when they are written, so that JavaScript keeps no copy of them. */
const LARGEST_LAZY = 16_384;

/** Memory of the device, or pinned memory that the device reaches. */
export class CudaBuffer implements DeviceBuffer {
  readonly byteLength: number;
  readonly isPinned: boolean;
  readonly isPending = true; // its bytes take a copy, which takes its turn on the stream
  readonly #memory: CudaMemory;
  #address: number | undefined;

  constructor(memory: CudaMemory, address: number, byteLength: number, isPinned: boolean) {
    this.#memory = memory;
    this.#address = address;
    this.byteLength = byteLength;
    this.isPinned = isPinned;
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
  readonly #use: Float64Array;
  readonly #buffers = new Set<CudaBuffer>();
  /** None on the emulator, which watches what is freed, and fills what is new with NaN. */
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

  /** The most that there were so far, with what kernels needed besides. */
  get peak(): number {
    return Math.max(this.#earlierPeak, this.#use[2]);
  }

  /** Bytes by which the most that was in use since the call before exceeds what is in use now. */
  takeGrowth(): number {
    const [tensors, besides, peak] = this.#use;
    this.#earlierPeak = Math.max(this.#earlierPeak, peak);
    this.#use[2] = tensors + besides;
    return peak - tensors - besides;
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

  /** Copies under way have their own memory by now. */
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
