/** A block of device memory. */
export interface DeviceBuffer {
  readonly byteLength: number;
  /** Whether the device may still be using it, so that reading it would wait. */
  readonly isPending: boolean;
  /**
   * The bytes, after the device is done with them, at an offset that is a multiple of 4. If memory is shared, this is
   * the memory itself, with the same ArrayBuffer on every call, which is detached when the buffer is freed; otherwise a
   * copy.
   */
  bytes(): Uint8Array;
  /** Resolves to a copy of the bytes after all work launched so far. Stays valid if the buffer is freed meanwhile. */
  readAsync(): Promise<Uint8Array>;
  /** Overwrites the buffer, after all work launched so far. Copies `bytes` before it returns. */
  write(bytes: Uint8Array): void;
  /** Sets every byte, after all work launched so far. */
  fill(byte: number): void;
  /** Frees the memory. Work already launched with it still completes. */
  free(): void;
}

/** The memory of a device. */
export interface DeviceMemory<Buffer extends DeviceBuffer = DeviceBuffer> {
  /** The backend's tfjs name, for errors. */
  readonly backendName: string;
  /** Whether buffers share memory with JavaScript, so that `bytes()` returns the memory itself. */
  readonly isShared: boolean;
  /** Total bytes of all buffers. */
  readonly byteLength: number;
  /**
   * Allocates an uninitialized buffer.
   *
   * @throws AttentionError `ERR_OUT_OF_MEMORY`.
   */
  allocate(byteLength: number): Buffer;
  /** Whether `values` is a view of a buffer's memory, which must not be kept longer than the buffer. */
  isView(values: ArrayBufferView): boolean;
  /** Whether written values of this size are uploaded at once, and not at their first use by a kernel. */
  isEager(byteLength: number): boolean;
  /** Blocks until all launched work is complete. */
  wait(): void;
  /** Resolves when all work launched before the call is complete. */
  waitAsync(): Promise<void>;
  /** Frees all buffers; those being read are freed afterwards. */
  dispose(): void;
}
