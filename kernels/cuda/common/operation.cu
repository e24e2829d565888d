#include "common/operation.h"

#include <algorithm>
#include <cctype>
#include <cstring>

namespace attention {
namespace {

std::vector<const Operation*>& registry() {
  static std::vector<const Operation*> all;  // filled while the library loads, read-only afterwards
  return all;
}

bool is_tensor(const Field& field) { return field.kind == Field::Kind::tensor; }

std::string to_camel_case(std::string_view name) {
  std::string result;
  for (size_t i = 0; i < name.size(); i++) {
    if (name[i] != '_') {
      result += name[i];
    } else if (++i < name.size()) {
      result += char(std::toupper(name[i]));
    }
  }
  return result;
}

template <typename T>
T read_at(const unsigned char* params, size_t offset) {
  T value;
  std::memcpy(&value, params + offset, sizeof(T));
  return value;
}

void check_tensor(const Field& field, const Operand& tensor) {
  const int most = int(field.element_type == Field::any_weight ? ElementType::q6_k : ElementType::bool8);
  const int type = int(tensor.type);
  const bool is_type = type >= 0 && type <= most;
  if (is_type && (field.element_type < 0 || type == field.element_type || !tensor)) return;
  const std::string expected =
      field.element_type < 0 ? "0 to " + std::to_string(most) : std::to_string(field.element_type);
  throw DeviceError("ERR_DTYPE", to_camel_case(field.name) + ": expected element type " + expected + ", received " +
                                     std::to_string(type));
}

}  // namespace

Operation::Operation(std::string_view name, Launcher launcher, std::vector<Field> fields, size_t bytes)
    : name_(to_camel_case(name)), launcher_(launcher), fields_(std::move(fields)), bytes_(bytes) {
  auto& all = registry();
  const auto by_name = [](const Operation* a, const Operation* b) { return a->name_ < b->name_; };
  all.insert(std::upper_bound(all.begin(), all.end(), this, by_name), this);
}

size_t Operation::num_tensors() const { return size_t(std::count_if(fields_.begin(), fields_.end(), is_tensor)); }

std::string Operation::tensors() const {
  std::string result;
  for (const Field& field : fields_) {
    if (!is_tensor(field)) continue;
    if (!result.empty()) result += ',';
    result += field.name;
  }
  return result;
}

std::string Operation::layout() const {
  std::string result;
  size_t start = 0;
  size_t end = 0;
  size_t alignment = 1;
  for (const Field& field : fields_) {
    if (is_tensor(field)) {
      start = field.offset + field.bytes;
      continue;
    }
    if (!result.empty()) result += ',';
    result.append(field.name).append(":").append(field.type);
    if (field.length > 0) result.append("[").append(std::to_string(field.length)).append("]");
    result.append("@").append(std::to_string(field.offset - start));
    end = field.offset - start + field.bytes;
    alignment = std::max(alignment, field.alignment);
  }
  return result + ";size=" + std::to_string((end + alignment - 1) / alignment * alignment);
}

void Operation::check(const unsigned char* params) const {
  for (const Field& field : fields_) {
    int64_t value = 0;
    switch (field.kind) {
      case Field::Kind::tensor: check_tensor(field, read_at<Operand>(params, field.offset)); continue;
      case Field::Kind::int32: value = read_at<int32_t>(params, field.offset); break;
      case Field::Kind::int64: value = read_at<int64_t>(params, field.offset); break;
      case Field::Kind::other: continue;
    }
    if (value >= 0) continue;
    throw DeviceError("ERR_RANGE",
                      to_camel_case(field.name) + ": expected at least 0, received " + std::to_string(value));
  }
}

const std::vector<const Operation*>& operations() { return registry(); }

}  // namespace attention
