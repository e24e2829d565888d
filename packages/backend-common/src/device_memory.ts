/** A piece of device memory. */
export interface DeviceBuffer {
  readonly byteLength: number;
  /** Whether the device may still be at work on it: its bytes cannot be had without waiting. */
  readonly isPending: boolean;
  /**
   * The bytes, once the device is done with them; at an offset that is a multiple of 4. Where memory is shared they are
   * the memory itself and one and the same ArrayBuffer every time, detached when the buffer is freed; else a copy.
   */
  bytes(): Uint8Array;
  /** A copy of the bytes as they are after all that was launched so far. Outlives `free` of the buffer. */
  readAsync(): Promise<Uint8Array>;
  /** Overwrites the buffer, after all that was launched so far. Keeps no reference to `bytes`. */
  write(bytes: Uint8Array): void;
  /** Sets every byte, after all that was launched so far. */
  fill(byte: number): void;
  /** Frees the memory; what was launched with it still runs. */
  free(): void;
}

/** The memory of a device. */
export interface DeviceMemory<Buffer extends DeviceBuffer = DeviceBuffer> {
  /** The tfjs backend's name, for errors. */
  readonly backendName: string;
  /** Whether `bytes()` of a buffer is the memory itself. */
  readonly isShared: boolean;
  /** Bytes in buffers. */
  readonly byteLength: number;
  /**
   * Makes a buffer of undefined content.
   *
   * @throws AttentionError `ERR_OUT_OF_MEMORY`.
   */
  allocate(byteLength: number): Buffer;
  /** Whether `values` is a view of a buffer's memory, which must not be kept beyond the buffer's life. */
  isView(values: ArrayBufferView): boolean;
  /** Whether values that a caller writes go to the device at once, and not when a kernel wants them. */
  isEager(byteLength: number): boolean;
  /** Blocks until the device has done all that was launched. */
  wait(): void;
  /** Resolves when the device has done all that was launched before the call. */
  waitAsync(): Promise<void>;
  /** Frees all buffers; those that are being read follow when they were. */
  dispose(): void;
}
