#pragma once
// Fibers of the emulators: stacks of their own on one thread, between which calls switch.

#include <cstring>

/// Goes on with another fiber: saves what a call preserves on this one's stack and its stack pointer at `save`.
extern "C" void attention_switch_fiber(void** save, void* load);

#if defined(__x86_64__)
asm(R"(
.text
.hidden attention_switch_fiber
.weak attention_switch_fiber
.type attention_switch_fiber, @function
attention_switch_fiber:
  push %rbp
  push %rbx
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, (%rdi)
  mov %rsi, %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbx
  pop %rbp
  ret
.size attention_switch_fiber, .-attention_switch_fiber
)");
#elif defined(__aarch64__)
asm(R"(
.text
.hidden attention_switch_fiber
.weak attention_switch_fiber
.type attention_switch_fiber, %function
attention_switch_fiber:
  stp x19, x20, [sp, #-160]!
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  ldp x19, x20, [sp], #160
  ret
.size attention_switch_fiber, .-attention_switch_fiber
)");
#else
#error "the emulators run on x86-64 and aarch64"
#endif

namespace attention {

/// The stack pointer of a fiber that begins with `start`, which never returns. Its stack ends at `end`, a multiple of 16.
inline void* start_of_fiber(void* end, void (*start)()) {
#if defined(__x86_64__)
  constexpr int words = 8;  // six registers, where to go on, and where `start` would return to
  constexpr int next = 6;
#else
  constexpr int words = 20;  // as they are saved above, with where to go on in x30
  constexpr int next = 11;
#endif
  void** stack = static_cast<void**>(end) - words;
  std::memset(stack, 0, words * sizeof(void*));
  stack[next] = reinterpret_cast<void*>(start);
  return stack;
}

}  // namespace attention
