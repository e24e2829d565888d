#pragma once
// Goes on with another fiber: saves what a call preserves on this one's stack and its stack pointer at `save`.

extern "C" void attention_cuda_switch(void** save, void* load);

#if defined(__x86_64__)
constexpr int saved_words = 7;  // the last is where to go on
asm(R"(
.text
.hidden attention_cuda_switch
.weak attention_cuda_switch
.type attention_cuda_switch, @function
attention_cuda_switch:
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
.size attention_cuda_switch, .-attention_cuda_switch
)");
#elif defined(__aarch64__)
constexpr int saved_words = 20;  // word 11 is where to go on
asm(R"(
.text
.hidden attention_cuda_switch
.weak attention_cuda_switch
.type attention_cuda_switch, %function
attention_cuda_switch:
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
.size attention_cuda_switch, .-attention_cuda_switch
)");
#else
#error "the host device runs on x86-64 and aarch64"
#endif
