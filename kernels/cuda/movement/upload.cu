#include "movement/upload.h"

#include <cstring>

namespace attention {
namespace {

template <int Bytes>
struct Payload {
  unsigned char bytes[Bytes];
};

template <int Bytes>
__global__ void upload_kernel(unsigned char* to, int bytes, const Payload<Bytes> payload) {
  for (int i = threadIdx.x; i < bytes; i += blockDim.x) to[i] = payload.bytes[i];
}

template <int Bytes>
void launch_upload(const LaunchContext& context, void* to, const void* from, size_t bytes) {
  Payload<Bytes> payload;
  std::memcpy(payload.bytes, from, bytes);
  launch(context, upload_kernel<Bytes>, {.threads = 128}, static_cast<unsigned char*>(to), int(bytes), payload);
}

}  // namespace

void upload_by_value(const LaunchContext& context, void* to, const void* from, size_t bytes) {
  if (bytes <= 128) return launch_upload<128>(context, to, from, bytes);
  launch_upload<largest_upload_by_value>(context, to, from, bytes);
}

}  // namespace attention
