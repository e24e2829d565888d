// The GPU's memory bandwidth at its best: kernels that only read or only copy, 16 bytes per thread.

extern "C" __global__ void read_all(const uint4* from, unsigned* to, long long count) {
  const long long stride = (long long)gridDim.x * blockDim.x;
  unsigned sum = 0;
  long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  for (; i + 3 * stride < count; i += 4 * stride) {
    uint4 values[4];
#pragma unroll
    for (int j = 0; j < 4; j++) values[j] = __ldcs(from + i + j * stride);
#pragma unroll
    for (int j = 0; j < 4; j++) sum ^= values[j].x ^ values[j].y ^ values[j].z ^ values[j].w;
  }
  for (; i < count; i += stride) sum ^= from[i].x;
  if (sum == 0x12345678u) *to = sum;
}

extern "C" __global__ void copy_all(const uint4* from, uint4* to, long long count) {
  const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) to[i] = from[i];
}
