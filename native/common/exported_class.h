#pragma once
// Classes that an addon exports.

#include <napi.h>

#include <algorithm>
#include <string>
#include <type_traits>
#include <vector>

#include "errors.h"

namespace attention {

/// Napi::ObjectWrap whose methods look at what they are called on: node-addon-api would take any wrapped object, also
/// that of another addon, for a T. T has a `class_name`, and `guard(env, body)`, which converts what a method throws.
template <typename T>
class ExportedClass : public Napi::ObjectWrap<T> {
 public:
  explicit ExportedClass(const Napi::CallbackInfo& info) : Napi::ObjectWrap<T>(info) {
    objects().push_back(static_cast<T*>(this));
  }
  ~ExportedClass() override { std::erase(objects(), static_cast<T*>(this)); }

  /// Without `new`. ObjectWrap calls it.
  static Napi::Value OnCalledAsFunction(const Napi::CallbackInfo& info) {
    throw Errors().make(info.Env(), "ERR_DTYPE", T::class_name, "expected `new`");
  }

 protected:
  using Member = napi_property_descriptor;

  template <auto function>
  static Member method(const char* name) {
    Member member{};
    member.utf8name = name;
    member.method = call<function>;
    member.attributes = napi_default_method;
    return member;
  }

  template <auto function>
  static Member accessor(const char* name) {
    Member member{};
    member.utf8name = name;
    member.getter = call<function>;
    member.attributes = napi_default_jsproperty;
    return member;
  }

  /// The class with these members. They are functions of the prototype, which V8 calls on anything.
  static Napi::Function define_class(Napi::Env env, const std::vector<Member>& members) {
    const Napi::Function constructor = Napi::ObjectWrap<T>::DefineClass(env, T::class_name, {});
    const napi_value prototype = constructor.Get("prototype");
    const napi_status status = napi_define_properties(env, prototype, members.size(), members.data());
    if (status != napi_ok) throw Napi::Error::New(env);
    return constructor;
  }

 private:
  template <auto function>
  static napi_value call(napi_env env, napi_callback_info raw) {
    try {
      const Napi::CallbackInfo info(env, raw);
      T& self = receiver(info);
      return self.guard(info.Env(), [&]() -> napi_value {
        if constexpr (std::is_void_v<decltype((self.*function)(info))>) {
          (self.*function)(info);
          return info.Env().Undefined();
        } else {
          return (self.*function)(info);
        }
      });
    } catch (const Napi::Error& error) {
      error.ThrowAsJavaScriptException();
      return nullptr;
    }
  }

  /// The object that a method is called on. Objects of other addons have other addresses. (Checking a type tag would double
  /// the cost of a call.)
  static T& receiver(const Napi::CallbackInfo& info) {
    void* wrapped = nullptr;
    const bool is_wrapped = napi_unwrap(info.Env(), info.This(), &wrapped) == napi_ok;
    if (!is_wrapped || std::ranges::find(objects(), wrapped) == objects().end()) {
      throw Errors().make(info.Env(), "ERR_DTYPE", T::class_name, std::string("this: expected a ") + T::class_name);
    }
    return *static_cast<T*>(wrapped);
  }

  /// The live objects of this thread's JavaScript, one or a few. Never destroyed: finalizers may come while a thread ends.
  static std::vector<void*>& objects() {
    static thread_local auto& objects = *new std::vector<void*>;
    return objects;
  }
};

}  // namespace attention
