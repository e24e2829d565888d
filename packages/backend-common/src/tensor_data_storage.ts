import { DataStorage } from '@tensorflow/tfjs-core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { DeviceBuffer } from './device_memory.ts';
import type { TensorData } from './tensor_data.ts';

type DataId = TensorInfo['dataId'];

/**
 * Maps data ids to data. Data made by the backend is its own id and needs no map lookup, of which each op would do a
 * dozen; only data that tfjs moves here from another backend has a separate id.
 */
export class TensorDataStorage<Buffer extends DeviceBuffer> extends DataStorage<TensorData<Buffer>> {
  #made = 0;

  override get(dataId: DataId): TensorData<Buffer> {
    return this.#holdsMade(dataId) ? dataId : super.get(dataId);
  }

  override set(dataId: DataId, data: TensorData<Buffer>): void {
    if (dataId !== data) return super.set(dataId, data);
    data.home = this;
    this.#made++;
  }

  override has(dataId: DataId): boolean {
    return this.#holdsMade(dataId) || super.has(dataId);
  }

  override delete(dataId: DataId): boolean {
    if (!this.#holdsMade(dataId)) return super.delete(dataId);
    dataId.home = undefined;
    this.#made--;
    return true;
  }

  override numDataIds(): number {
    return this.#made + super.numDataIds();
  }

  #holdsMade(dataId: DataId): dataId is TensorData<Buffer> {
    return (dataId as Partial<TensorData<Buffer>>).home === this;
  }
}
