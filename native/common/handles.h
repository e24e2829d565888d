#pragma once
// C++ objects that JavaScript holds. Each type has a `static constexpr napi_type_tag tag` of its own, random bits: what
// JavaScript passes in is a T only if it has it.

#include <napi.h>

#include <memory>
#include <string>

#include "arguments.h"

namespace attention {

/// Gives a C++ object to JavaScript.
template <typename T>
Napi::External<T> hold(Napi::Env env, std::unique_ptr<T> handle) {
  auto external = Napi::External<T>::New(env, handle.get(), [](Napi::Env, T* held) { delete held; });
  handle.release();
  external.TypeTag(&T::tag);
  return external;
}

/// The C++ object that JavaScript passes in.
template <typename T>
T& held(const Napi::Value& value, const char* name) {
  if (!value.IsExternal()) fail("ERR_DTYPE", name, "a handle of this addon");
  auto external = value.As<Napi::External<T>>();
  if (!external.CheckTypeTag(&T::tag)) fail("ERR_DTYPE", name, "another kind of handle");
  return *external.Data();
}

}  // namespace attention
