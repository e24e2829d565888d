import type { DeviceBuffer, DeviceMemory } from '@attention-js/backend-common';
import type { NativeBuffer, NativeDevice } from './addon.ts';

/** ArrayBuffers that are a buffer's own memory: what is made of them is gone when the buffer is freed. */
const sharedMemory = new WeakSet<object>();

/** Memory that CPU and GPU share. */
export class MetalBuffer implements DeviceBuffer {
  readonly native: NativeBuffer;
  readonly byteLength: number;
  /** Number of the last dispatch that used the buffer. */
  lastUse = 0;
  /** Reads that are under way. */
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

  /** The bytes themselves, once the device is done with them. */
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

  /** Frees the memory; what was dispatched with it still runs. */
  free(): void {
    this.#memory.free(this);
  }
}

/** The buffers of a device, and what was dispatched to it: the two that a read has to bring together. */
export class MetalMemory implements DeviceMemory<MetalBuffer> {
  readonly backendName = 'metal';
  readonly isShared = true;
  readonly device: NativeDevice;
  /** Bytes in buffers. */
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

  /** Bytes by which the most that was in buffers since the call before exceeds what is in them now. */
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

  /** Frees all buffers; those that are being read follow when they were. */
  dispose(): void {
    this.wait();
    this.#isDisposed = true;
    for (const buffer of this.#buffers) if (buffer.readers === 0) this.free(buffer);
  }

  /** What `read` returns once the device is done with `buffer`, which stays until then, whatever is disposed of. */
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

  /** Notes that what is dispatched next uses these buffers. */
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
