#pragma once
// How JavaScript calls a launcher: it passes the bytes of the launcher's parameter struct, packed by a table of the
// same fields in TypeScript. ATTENTION_OPERATION describes the struct; the backend compares the two descriptions when
// it loads the addon.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "common/element_type.h"
#include "common/launch.h"

namespace attention {

/// A 4-byte bool, as packages/backend-common/src/params.ts packs it.
struct bool32 {
  __host__ __device__ constexpr bool32(bool value = false) : value(value) {}
  __host__ __device__ constexpr operator bool() const { return value != 0; }

  uint32_t value;
};

/// One member of a parameter struct.
struct Field {
  enum class Kind { tensor, int32, int64, other };

  std::string_view name;  // in snake_case
  std::string_view type;  // as in params.ts; empty for a tensor
  Kind kind;              // arrays are `other`
  int length;             // of an array; 0 for a scalar
  size_t offset;
  size_t bytes;
  size_t alignment;
  int element_type;  // required of a tensor; any_element, any_weight: the launcher checks it

  static constexpr int any_element = -1;
  static constexpr int any_weight = -2;  // also blocks
};

/// A launcher that JavaScript can call.
class Operation {
 public:
  using Launcher = void (*)(const LaunchContext& context, const void* params);

  static constexpr size_t max_bytes = 1024;

  /// Adds itself to the registry. `name` is the launcher's name in snake_case.
  Operation(std::string_view name, Launcher launcher, std::vector<Field> fields, size_t bytes);

  /// The name in JavaScript: `rmsNorm`.
  const std::string& name() const { return name_; }
  size_t bytes() const { return bytes_; }
  /// How many tensors the struct starts with.
  size_t num_tensors() const;
  /// Their names: `x,weight,residual_sum`.
  std::string tensors() const;
  /// The scalars that follow, in the format of params.ts's `layout`: `rows:int64@0,width:int32@8;size=16`.
  std::string layout() const;

  /// Throws ERR_DTYPE if a tensor has the wrong element type, ERR_RANGE if a size is negative.
  void check(const unsigned char* params) const;
  void launch(const LaunchContext& context, const void* params) const { launcher_(context, params); }

 private:
  std::string name_;
  Launcher launcher_;
  std::vector<Field> fields_;
  size_t bytes_;
};

/// Throws ERR_RANGE if a size is out of bounds.
inline void expect_size(const char* name, int64_t size, int64_t least, int64_t most) {
  if (size >= least && size <= most) return;
  throw DeviceError("ERR_RANGE", std::string(name) + ": expected " + std::to_string(least) + " to " +
                                     std::to_string(most) + ", received " + std::to_string(size));
}

/// Throws ERR_RANGE if a size is not positive.
inline void expect_positive(const char* name, int64_t size) {
  if (size > 0) return;
  throw DeviceError("ERR_RANGE", std::string(name) + ": expected at least 1, received " + std::to_string(size));
}

/// All registered operations, sorted by name.
const std::vector<const Operation*>& operations();

// The rest of this file implements ATTENTION_OPERATION.

template <typename Type>
constexpr std::string_view scalar_name() {
  if constexpr (std::is_enum_v<Type>) {
    return scalar_name<std::underlying_type_t<Type>>();
  } else if constexpr (std::is_same_v<Type, bool32>) {
    return "bool";
  } else if constexpr (std::is_same_v<Type, float>) {
    return "float32";
  } else if constexpr (std::is_same_v<Type, int32_t>) {
    return "int32";
  } else if constexpr (std::is_same_v<Type, uint32_t>) {
    return "uint32";
  } else if constexpr (std::is_same_v<Type, int64_t>) {
    return "int64";
  } else {
    static_assert(std::is_same_v<Type, uint64_t>, "a parameter has a type of params.ts");
    return "uint64";
  }
}

template <typename Type>
constexpr Field describe_field(std::string_view name, size_t offset) {
  using Element = std::remove_extent_t<Type>;
  constexpr int length = std::is_array_v<Type> ? int(std::extent_v<Type>) : 0;
  if constexpr (std::is_same_v<Type, Operand>) {
    return {name, "", Field::Kind::tensor, 0, offset, sizeof(Type), alignof(Type), Field::any_element};
  } else if constexpr (std::is_same_v<Type, WeightOperand>) {
    return {name, "", Field::Kind::tensor, 0, offset, sizeof(Type), alignof(Type), Field::any_weight};
  } else if constexpr (is_typed_operand<Type>) {
    return {name, "", Field::Kind::tensor, 0, offset, sizeof(Type), alignof(Type), int(Type::element_type)};
  } else {
    const std::string_view type = scalar_name<Element>();
    const bool is_size = length == 0 && !std::is_enum_v<Type>;
    const auto kind = is_size && type == "int32"   ? Field::Kind::int32
                      : is_size && type == "int64" ? Field::Kind::int64
                                                   : Field::Kind::other;
    return {name, type, kind, length, offset, sizeof(Type), alignof(Type), -1};
  }
}

/// Whether the list covers the whole struct: tensors come first, and no field leaves a gap beyond alignment.
template <size_t Count>
constexpr bool are_all_fields(const Field (&fields)[Count], size_t bytes) {
  size_t end = 0;
  size_t alignment = 1;
  bool tensors = true;
  const auto aligned = [](size_t offset, size_t to) { return (offset + to - 1) / to * to; };
  for (const Field& field : fields) {
    if (field.offset != aligned(end, field.alignment)) return false;
    const bool is_tensor = field.kind == Field::Kind::tensor;
    if (is_tensor && !tensors) return false;
    tensors = is_tensor;
    end = field.offset + field.bytes;
    alignment = alignment > field.alignment ? alignment : field.alignment;
  }
  return bytes == aligned(end, alignment);
}

#define ATTENTION_PARENS ()
#define ATTENTION_EXPAND(...) ATTENTION_EXPAND_4(ATTENTION_EXPAND_4(ATTENTION_EXPAND_4(__VA_ARGS__)))
#define ATTENTION_EXPAND_4(...) ATTENTION_EXPAND_2(ATTENTION_EXPAND_2(ATTENTION_EXPAND_2(__VA_ARGS__)))
#define ATTENTION_EXPAND_2(...) ATTENTION_EXPAND_1(ATTENTION_EXPAND_1(ATTENTION_EXPAND_1(__VA_ARGS__)))
#define ATTENTION_EXPAND_1(...) __VA_ARGS__
#define ATTENTION_FIELDS(Params, ...) __VA_OPT__(ATTENTION_EXPAND(ATTENTION_NEXT_FIELD(Params, __VA_ARGS__)))
#define ATTENTION_NEXT_FIELD(Params, field, ...)                                    \
  describe_field<decltype(Params::field)>(#field, offsetof(Params, field)),         \
      __VA_OPT__(ATTENTION_FIELDS_AGAIN ATTENTION_PARENS(Params, __VA_ARGS__))
#define ATTENTION_FIELDS_AGAIN() ATTENTION_NEXT_FIELD

/// Registers `launcher(context, const Params& params)` as an operation that JavaScript can call. Lists all fields of
/// the struct, tensors first: `ATTENTION_OPERATION(rms_norm, RmsNormParams, x, weight, …)`.
#define ATTENTION_OPERATION(launcher, Params, ...)                                                            \
  namespace {                                                                                                 \
  constexpr Field launcher##_fields[] = {ATTENTION_FIELDS(Params, __VA_ARGS__)};                              \
  static_assert(are_all_fields(launcher##_fields, sizeof(Params)), "all fields of " #Params ", tensors first"); \
  static_assert(sizeof(Params) <= Operation::max_bytes && std::is_trivially_copyable_v<Params>);              \
  const Operation launcher##_operation(                                                                       \
      #launcher,                                                                                              \
      [](const LaunchContext& context, const void* params) {                                                  \
        launcher(context, *static_cast<const Params*>(params));                                               \
      },                                                                                                      \
      {std::begin(launcher##_fields), std::end(launcher##_fields)}, sizeof(Params));                          \
  }

}  // namespace attention
