import type { DeviceBuffer, DeviceMemory } from '@attention-js/backend-common';
import type { NativeBuffer, NativeDevice } from './addon.ts';

/** ArrayBuffers that are a device buffer's memory: views of them become invalid when the buffer is freed. */
const sharedMemory = new WeakSet<object>();

/** A buffer in memory shared by CPU and GPU. */
export class MetalBuffer implements DeviceBuffer {
  readonly native: NativeBuffer;
  readonly byteLength: number;
  /** Number of the last dispatch that used the buffer. */
  lastUse = 0;
  /** Number of reads in progress. */
  readers = 0;
  readonly #memory: MetalMemory;
  #contents: ArrayBuffer | undefined;

  constructor(memory: MetalMemory, byteLength: number) {
    this.#memory = memory;
    this.native = memory.device.makeBuffer(Math.max(byteLength, 16));
    this.byteLength = byteLength;
  }

  get isPending(): boolean {
    return this.#memory.isPending(this);
  }

  /** The memory itself, after the device is done with it. */
  bytes(): Uint8Array {
    this.#memory.waitFor(this);
    if (!this.#contents) {
      this.#contents = this.#memory.device.contents(this.native);
      sharedMemory.add(this.#contents);
    }
    return new Uint8Array(this.#contents, 0, this.byteLength);
  }

  async readAsync(): Promise<Uint8Array> {
    return this.#memory.whenDone(this, () => {
      const copy = new Uint8Array(this.byteLength);
      this.#memory.device.readBuffer(this.native, copy);
      return copy;
    });
  }

  write(bytes: Uint8Array): void {
    this.#memory.waitFor(this);
    this.#memory.device.writeBuffer(this.native, bytes);
  }

  fill(byte: number): void {
    this.#memory.waitFor(this);
    this.#memory.device.fillBuffer(this.native, byte);
  }

  /** Frees the memory. Work already dispatched with it still completes. */
  free(): void {
    this.#memory.free(this);
  }
}

/** Tracks the buffers of a device and the dispatches that use them, so that reads wait only if necessary. */
export class MetalMemory implements DeviceMemory<MetalBuffer> {
  readonly backendName = 'metal';
  readonly isShared = true;
  readonly device: NativeDevice;
  /** Total bytes of all buffers. */
  byteLength = 0;
  #peak = 0;
  readonly #buffers = new Set<MetalBuffer>();
  #dispatched = 0;
  #completed = 0;
  #isDisposed = false;

  constructor(device: NativeDevice) {
    this.device = device;
  }

  allocate(byteLength: number): MetalBuffer {
    const buffer = new MetalBuffer(this, byteLength);
    this.#buffers.add(buffer);
    this.byteLength += byteLength;
    this.#peak = Math.max(this.#peak, this.byteLength);
    return buffer;
  }

  /** Bytes by which peak use since the previous call exceeds current use. */
  takeGrowth(): number {
    const growth = this.#peak - this.byteLength;
    this.#peak = this.byteLength;
    return growth;
  }

  isView(values: ArrayBufferView): boolean {
    return sharedMemory.has(values.buffer);
  }

  isEager(): boolean {
    return true;
  }

  free(buffer: MetalBuffer): void {
    if (!this.#buffers.delete(buffer)) return;
    this.byteLength -= buffer.byteLength;
    this.device.freeBuffer(buffer.native);
  }

  /** Frees all buffers; those being read are freed afterwards. */
  dispose(): void {
    this.wait();
    this.#isDisposed = true;
    for (const buffer of this.#buffers) if (buffer.readers === 0) this.free(buffer);
  }

  /** Calls `read` once the device is done with `buffer`, which is kept until then even if it is disposed. */
  async whenDone<T>(buffer: MetalBuffer, read: () => T): Promise<T> {
    buffer.readers++;
    try {
      if (this.isPending(buffer)) await this.waitAsync();
      return read();
    } finally {
      buffer.readers--;
      if (this.#isDisposed && buffer.readers === 0) this.free(buffer);
    }
  }

  /** Records that the next dispatch uses these buffers. */
  use(buffers: readonly MetalBuffer[]): void {
    this.#dispatched++;
    for (const buffer of buffers) buffer.lastUse = this.#dispatched;
  }

  isPending(buffer: MetalBuffer): boolean {
    return buffer.lastUse > this.#completed;
  }

  waitFor(buffer: MetalBuffer): void {
    if (this.isPending(buffer)) this.wait();
  }

  wait(): void {
    const dispatched = this.#dispatched;
    this.device.wait();
    this.#completed = Math.max(this.#completed, dispatched);
  }

  async waitAsync(): Promise<void> {
    const dispatched = this.#dispatched;
    await this.device.waitAsync();
    this.#completed = Math.max(this.#completed, dispatched);
  }
}
