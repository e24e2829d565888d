#include "matmul/cublaslt.h"

#ifdef ATTENTION_CUDA_EMULATOR

namespace attention {

class Cublaslt::Library {};
Cublaslt::Cublaslt() = default;
Cublaslt::~Cublaslt() = default;
bool Cublaslt::multiply(const LaunchContext&, const MatmulParams&) { return false; }

}  // namespace attention

#else

#include <dlfcn.h>
#include <library_types.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <tuple>

namespace attention {
namespace {

// The subset of cublasLt.h that we use, since the header may be missing at build time. The numbers are part of the
// library's ABI.
using Status = int;
using Handle = void*;
using Descriptor = void*;
constexpr int compute_float32 = 68;
constexpr int compute_tf32 = 77;
enum OperationAttribute { transpose_first = 3, transpose_second = 4, epilogue = 7, bias_pointer = 8, bias_type = 26 };
enum LayoutAttribute { batch_count = 5, batch_stride = 6 };
enum PreferenceAttribute {
  max_workspace_bytes = 1,
  reduction_schemes = 3,
  alignment_first = 5,
  alignment_last = 8,
};
constexpr uint32_t epilogue_bias = 4;
constexpr uint32_t reduce_in_compute_type = 2;  // split-K partial sums are added in float32

struct Algorithm {
  uint64_t data[8];
};
struct HeuristicResult {
  Algorithm algorithm;
  size_t workspace_bytes;
  Status status;
  float waves;
  int reserved[4];
};

constexpr size_t workspace_bytes = 32 << 20;
constexpr size_t max_plans = 4096;

/// The key of the cache of plans.
struct Problem {
  int type;
  bool allow_tf32;
  bool transpose_a;
  bool transpose_b;
  bool has_bias;
  bool is_aligned;  // to 256 bytes; otherwise to 16
  int64_t rows;
  int64_t columns;
  int64_t depth;
  int64_t batches;
  int64_t a_stride;
  int64_t b_stride;

  auto key() const {
    return std::tie(type, allow_tf32, transpose_a, transpose_b, has_bias, is_aligned, rows, columns, depth, batches,
                    a_stride, b_stride);
  }
  bool operator<(const Problem& other) const { return key() < other.key(); }
};

cudaDataType data_type(int type) {
  return ElementType(type) == ElementType::float32   ? CUDA_R_32F
         : ElementType(type) == ElementType::float16 ? CUDA_R_16F
                                                     : CUDA_R_16BF;
}

void* open_library() {
  const char* path = std::getenv("ATTENTION_CUBLASLT_PATH");
  if (path && *path) return dlopen(path, RTLD_NOW | RTLD_LOCAL);
  for (const char* name : {"libcublasLt.so.13", "libcublasLt.so.12", "/usr/local/cuda/lib64/libcublasLt.so.13",
                           "/usr/local/cuda/lib64/libcublasLt.so.12"}) {
    if (void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL)) return library;
  }
  return nullptr;
}

bool is_multiple_of(const void* address, uintptr_t bytes) { return reinterpret_cast<uintptr_t>(address) % bytes == 0; }

}  // namespace

class Cublaslt::Library {
 public:
  explicit Library(const LaunchContext& context) : stream_(context.stream), library_(open_library()) {
    is_ready_ = library_ && find(create_, "cublasLtCreate") && find(destroy_, "cublasLtDestroy") &&
                find(create_operation_, "cublasLtMatmulDescCreate") &&
                find(destroy_operation_, "cublasLtMatmulDescDestroy") &&
                find(set_operation_, "cublasLtMatmulDescSetAttribute") &&
                find(create_layout_, "cublasLtMatrixLayoutCreate") &&
                find(destroy_layout_, "cublasLtMatrixLayoutDestroy") &&
                find(set_layout_, "cublasLtMatrixLayoutSetAttribute") &&
                find(create_preference_, "cublasLtMatmulPreferenceCreate") &&
                find(destroy_preference_, "cublasLtMatmulPreferenceDestroy") &&
                find(set_preference_, "cublasLtMatmulPreferenceSetAttribute") &&
                find(find_algorithm_, "cublasLtMatmulAlgoGetHeuristic") && find(multiply_, "cublasLtMatmul") &&
                create_(&handle_) == 0;
    if (!is_ready_) return;
    try {
      workspace_.emplace(context, workspace_bytes);
    } catch (const DeviceError&) {  // products also work without a workspace
    }
  }

  ~Library() {
    forget_plans();
    if (handle_) destroy_(handle_);
    // The library stays loaded: its threads and handlers may still be running.
  }

  bool multiply(const MatmulParams& params) {
    if (!is_ready_) return false;
    Problem problem{};
    if (!describe(problem, params)) return false;
    auto found = plans_.find(problem);
    if (found == plans_.end()) {
      if (plans_.size() >= max_plans) forget_plans();
      found = plans_.emplace(problem, Plan{}).first;
      found->second.is_served = make_plan(found->second, problem, params);
    }
    Plan& plan = found->second;
    if (!plan.is_served) return false;
    if (problem.has_bias) set_operation_(plan.operation, bias_pointer, &params.bias.data, sizeof(void*));
    const float one = 1.0f;
    const float zero = 0.0f;
    // cuBLASLt is column-major: our row-major a b is its b a, with both operands transposed.
    const Status status =
        multiply_(handle_, plan.operation, &one, params.b.data, plan.first, params.a.data, plan.second, &zero,
                  params.output.data, plan.output, params.output.data, plan.output, &plan.algorithm,
                  workspace_ ? workspace_->as<void>() : nullptr, workspace_ ? workspace_bytes : 0, stream_);
    if (status != 0) {
      cudaGetLastError();
      plan.is_served = false;
    }
    return status == 0;
  }

 private:
  struct Plan {
    bool is_served = false;
    Descriptor operation = nullptr;
    Descriptor first = nullptr;
    Descriptor second = nullptr;
    Descriptor output = nullptr;
    Algorithm algorithm{};
  };

  template <typename Function>
  bool find(Function& function, const char* name) {
    function = reinterpret_cast<Function>(dlsym(library_, name));
    return function != nullptr;
  }

  /// Fills in the problem; false if cuBLASLt is not used for it.
  static bool describe(Problem& problem, const MatmulParams& params) {
    const int64_t pack = 16 / element_bytes(params.output.type);
    const auto fits = [&](const void* address, int64_t line) {
      return is_multiple_of(address, 16) && line % pack == 0;
    };
    if (params.activation != MatMulActivation::linear || params.batch_rank > 1 ||
        (params.bias && !params.bias_per_column) ||
        params.depth == 0 || !fits(params.a.data, params.transpose_a ? params.rows : params.depth) ||
        !fits(params.b.data, params.transpose_b ? params.depth : params.columns) ||
        !fits(params.output.data, params.columns) || !fits(params.bias.data, 0)) {
      return false;
    }
    problem.type = int(params.output.type);
    problem.allow_tf32 = params.output.type == ElementType::float32 && params.allow_tf32;
    problem.transpose_a = params.transpose_a;
    problem.transpose_b = params.transpose_b;
    problem.has_bias = bool(params.bias);
    problem.is_aligned = is_multiple_of(params.a.data, 256) && is_multiple_of(params.b.data, 256) &&
                         is_multiple_of(params.output.data, 256);
    problem.rows = params.rows;
    problem.columns = params.columns;
    problem.depth = params.depth;
    problem.batches = params.batch_rank == 1 ? params.batch_shape[0] : 1;
    problem.a_stride = params.batch_rank == 1 ? params.a_batch_strides[0] : 0;
    problem.b_stride = params.batch_rank == 1 ? params.b_batch_strides[0] : 0;
    return problem.batches <= INT32_MAX && problem.a_stride % pack == 0 && problem.b_stride % pack == 0;
  }

  bool make_layout(Descriptor* layout, const Problem& problem, int64_t lines, int64_t length, int64_t stride) const {
    // One of our rows is a column in column-major order.
    if (create_layout_(layout, data_type(problem.type), uint64_t(length), uint64_t(lines), length) != 0) return false;
    const int count = int(problem.batches);
    return count == 1 || (set_layout_(*layout, batch_count, &count, sizeof(count)) == 0 &&
                          set_layout_(*layout, batch_stride, &stride, sizeof(stride)) == 0);
  }

  bool make_operation(Plan& plan, const Problem& problem, const MatmulParams& params) const {
    const int compute = problem.allow_tf32 ? compute_tf32 : compute_float32;
    if (create_operation_(&plan.operation, compute, CUDA_R_32F) != 0) return false;
    const int first = problem.transpose_b ? 1 : 0;
    const int second = problem.transpose_a ? 1 : 0;
    if (set_operation_(plan.operation, transpose_first, &first, sizeof(first)) != 0 ||
        set_operation_(plan.operation, transpose_second, &second, sizeof(second)) != 0) {
      return false;
    }
    if (!problem.has_bias) return true;
    const int type = data_type(problem.type);
    return set_operation_(plan.operation, epilogue, &epilogue_bias, sizeof(epilogue_bias)) == 0 &&
           set_operation_(plan.operation, bias_type, &type, sizeof(type)) == 0 &&
           set_operation_(plan.operation, bias_pointer, &params.bias.data, sizeof(void*)) == 0;
  }

  bool find_algorithm(Plan& plan, const Problem& problem) const {
    Descriptor preference = nullptr;
    if (create_preference_(&preference) != 0) return false;
    const uint64_t bytes = workspace_ ? workspace_bytes : 0;
    bool is_set = set_preference_(preference, max_workspace_bytes, &bytes, sizeof(bytes)) == 0 &&
                  set_preference_(preference, reduction_schemes, &reduce_in_compute_type, sizeof(uint32_t)) == 0;
    const uint32_t alignment = problem.is_aligned ? 256 : 16;
    for (int attribute = alignment_first; attribute <= alignment_last; attribute++) {
      is_set = is_set && set_preference_(preference, attribute, &alignment, sizeof(alignment)) == 0;
    }
    HeuristicResult result{};
    int count = 0;
    const bool is_found = is_set &&
                          find_algorithm_(handle_, plan.operation, plan.first, plan.second, plan.output, plan.output,
                                          preference, 1, &result, &count) == 0 &&
                          count == 1 && result.status == 0;
    destroy_preference_(preference);
    plan.algorithm = result.algorithm;
    return is_found;
  }

  bool make_plan(Plan& plan, const Problem& problem, const MatmulParams& params) const {
    const int64_t output_stride = problem.rows * problem.columns;
    const bool is_made =
        make_operation(plan, problem, params) &&
        make_layout(&plan.first, problem, problem.transpose_b ? problem.columns : problem.depth,
                    problem.transpose_b ? problem.depth : problem.columns, problem.b_stride) &&
        make_layout(&plan.second, problem, problem.transpose_a ? problem.depth : problem.rows,
                    problem.transpose_a ? problem.rows : problem.depth, problem.a_stride) &&
        make_layout(&plan.output, problem, problem.rows, problem.columns, output_stride) &&
        find_algorithm(plan, problem);
    cudaGetLastError();
    return is_made;
  }

  void forget_plans() {
    for (auto& [problem, plan] : plans_) {
      if (plan.operation) destroy_operation_(plan.operation);
      for (Descriptor layout : {plan.first, plan.second, plan.output}) {
        if (layout) destroy_layout_(layout);
      }
    }
    plans_.clear();
  }

  Status (*create_)(Handle*) = nullptr;
  Status (*destroy_)(Handle) = nullptr;
  Status (*create_operation_)(Descriptor*, int, int) = nullptr;
  Status (*destroy_operation_)(Descriptor) = nullptr;
  Status (*set_operation_)(Descriptor, int, const void*, size_t) = nullptr;
  Status (*create_layout_)(Descriptor*, int, uint64_t, uint64_t, int64_t) = nullptr;
  Status (*destroy_layout_)(Descriptor) = nullptr;
  Status (*set_layout_)(Descriptor, int, const void*, size_t) = nullptr;
  Status (*create_preference_)(Descriptor*) = nullptr;
  Status (*destroy_preference_)(Descriptor) = nullptr;
  Status (*set_preference_)(Descriptor, int, const void*, size_t) = nullptr;
  Status (*find_algorithm_)(Handle, Descriptor, Descriptor, Descriptor, Descriptor, Descriptor, Descriptor, int,
                            HeuristicResult*, int*) = nullptr;
  Status (*multiply_)(Handle, Descriptor, const void*, const void*, Descriptor, const void*, Descriptor, const void*,
                      const void*, Descriptor, void*, Descriptor, const Algorithm*, void*, size_t,
                      cudaStream_t) = nullptr;

  cudaStream_t stream_;
  void* library_;
  Handle handle_ = nullptr;
  std::optional<Scratch> workspace_;
  bool is_ready_ = false;
  std::map<Problem, Plan> plans_;
};

Cublaslt::Cublaslt() = default;
Cublaslt::~Cublaslt() = default;

bool Cublaslt::multiply(const LaunchContext& context, const MatmulParams& params) {
  if (!library_) library_ = std::make_unique<Library>(context);
  return library_->multiply(params);
}

}  // namespace attention

#endif
