// Faults of kernels: accesses outside of memory, divisions by zero. The thread that faults goes on, on a stack of its own,
// with abandoning the block.

#include <pthread.h>
#include <signal.h>
#include <ucontext.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include <cstring>
#include <iterator>
#include <mutex>
#include <utility>
#include <vector>

#include "block_runner.h"
#include "symbols.h"

namespace attention::emulator {
namespace {

constexpr int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
constexpr size_t alternate_bytes = 64 * 1024;

std::mutex mutex;
unsigned users = 0;
struct sigaction previous[std::size(signals)];
thread_local BlockRunner* running = nullptr;
thread_local Fault fault;
thread_local std::vector<unsigned char> alternate;  // stack of the handler

/// What clang's checks put into the trap: ud1 with a number on x86-64, brk with it on aarch64.
int trap_kind(const unsigned char* instruction) {
#if defined(__x86_64__)
  const unsigned char ud1[] = {0x67, 0x0f, 0xb9, 0x40};
  return std::memcmp(instruction, ud1, sizeof ud1) == 0 ? instruction[4] : -1;
#else
  uint32_t word;
  std::memcpy(&word, instruction, 4);
  return (word >> 5 & 0xff00) == 0x5500 ? int(word >> 5 & 0xff) : -1;
#endif
}

#if defined(__x86_64__)
thread_local const unsigned char* stepped = nullptr;  // computes with a NaN: is it the one that is watched?

constexpr uint32_t invalid_mask = 0x80, exception_flags = 0x3f;  // of mxcsr
constexpr greg_t single_step = 0x100;                            // of the flags
constexpr uint32_t quiet = 0x400000;                             // what a computation makes of a signalling NaN

bool has_register(const mcontext_t& machine, uint32_t bits) {
  for (const auto& xmm : machine.fpregs->_xmm) {
    for (const uint32_t lane : xmm.element) {
      if (lane == bits) return true;
    }
  }
  return false;
}

/// Computations with other NaNs go on; a watched one, which may come from memory, is in a register afterwards.
/// Returns the instruction that used it.
const unsigned char* user_of_nan(int signal, int code, uint32_t watched, mcontext_t& machine, bool& goes_on) {
  const auto* instruction = reinterpret_cast<const unsigned char*>(machine.gregs[REG_RIP]);
  goes_on = false;
  if (!watched) return nullptr;
  if (signal == SIGFPE && code == FPE_FLTINV) {
    if (has_register(machine, watched)) return instruction;
    machine.fpregs->mxcsr = (machine.fpregs->mxcsr | invalid_mask) & ~exception_flags;
    machine.gregs[REG_EFL] |= single_step;
    stepped = instruction;
    goes_on = true;
  } else if (signal == SIGTRAP && stepped) {
    machine.gregs[REG_EFL] &= ~single_step;
    instruction = std::exchange(stepped, nullptr);
    if (has_register(machine, watched | quiet)) return instruction;
    machine.fpregs->mxcsr &= ~(invalid_mask | exception_flags);
    goes_on = true;
  }
  return nullptr;
}
#endif

[[noreturn]] void go_on() { running->faulted(fault); }

void handle(int signal, siginfo_t* info, void* context) {
  auto& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  const auto stack = reinterpret_cast<const void*>(machine.gregs[REG_RSP]);
#else
  const auto stack = reinterpret_cast<const void*>(machine.sp);
#endif
  if (!running || !running->owns_stack(stack)) {
    // Not a kernel's: what was there before sees it when the instruction runs again.
    for (size_t i = 0; i < std::size(signals); i++) {
      if (signals[i] == signal) sigaction(signal, &previous[i], nullptr);
    }
    return;
  }
  fault.is_watched = false;
#if defined(__x86_64__)
  bool goes_on;
  const unsigned char* user = user_of_nan(signal, info->si_code, running->watched_nan(), machine, goes_on);
  if (goes_on) return;
  if (user) machine.gregs[REG_RIP] = reinterpret_cast<greg_t>(user);
  fault.is_watched = user != nullptr;
#endif
  fault.thread = running->thread_of(stack);
  fault.signal = signal;
  fault.address = static_cast<const unsigned char*>(info->si_addr);
#if defined(__x86_64__)
  fault.instruction = reinterpret_cast<const unsigned char*>(machine.gregs[REG_RIP]);
  machine.gregs[REG_RIP] = reinterpret_cast<greg_t>(go_on);
  machine.gregs[REG_RSP] = reinterpret_cast<greg_t>(running->fault_stack()) - 8;
#else
  fault.instruction = reinterpret_cast<const unsigned char*>(machine.pc);
  machine.pc = reinterpret_cast<unsigned long long>(go_on);
  machine.sp = reinterpret_cast<unsigned long long>(running->fault_stack());
#endif
}

}  // namespace

void BlockRunner::faulted(const Fault& at) {
  const std::string where = locate(at.instruction);
  const auto end = [&](const std::string& what) {
    abandon(what + (where.empty() ? "" : where.rfind("in ", 0) == 0 ? " " + where : " (" + where + ")") +
            position(at.thread));
  };
  if (at.is_watched) end(std::string("a thread computes with ") + watched_what_);
  if (at.signal == SIGFPE) end("an integer is divided by zero");
  if (at.signal == SIGILL || at.signal == SIGTRAP) {
    constexpr int out_of_bounds = 0x12, type_mismatch = 0x16;
    const int kind = trap_kind(at.instruction);
    end(kind == out_of_bounds   ? "an index is outside of its array"
        : kind == type_mismatch ? "an access is not aligned"
                                : "the kernel traps");
  }
  if (owns_stack(at.address)) end("the stack of a thread overflows");
  if (!at.address) end("an access to address 0, or one that is not aligned");
  end("an access " + describe_address(at.address));
  __builtin_unreachable();
}

void BlockRunner::watch_nan(uint32_t bits, const char* what) {
#if defined(__x86_64__)
  watched_nan_ = bits;
  watched_what_ = what;
  _mm_setcsr(_mm_getcsr() & ~(invalid_mask | exception_flags));
#else
  (void)bits, (void)what;
#endif
}

void BlockRunner::watch_no_nan() {
#if defined(__x86_64__)
  if (!watched_nan_) return;
  watched_nan_ = 0;
  _mm_setcsr((_mm_getcsr() | invalid_mask) & ~exception_flags);
#endif
}

struct FaultHandlers::Saved {
  stack_t stack;
  BlockRunner* running;
};

FaultHandlers::FaultHandlers(BlockRunner& runner) : saved_(new Saved) {
  stack_t stack{};
  alternate.resize(alternate_bytes);
  stack.ss_sp = alternate.data();
  stack.ss_size = alternate_bytes;
  sigaltstack(&stack, &saved_->stack);
  saved_->running = std::exchange(running, &runner);
  const std::lock_guard<std::mutex> lock(mutex);
  if (users++) return;
  struct sigaction action {};
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (size_t i = 0; i < std::size(signals); i++) sigaction(signals[i], &action, &previous[i]);
}

FaultHandlers::~FaultHandlers() {
  {
    const std::lock_guard<std::mutex> lock(mutex);
    if (--users == 0) {
      for (size_t i = 0; i < std::size(signals); i++) sigaction(signals[i], &previous[i], nullptr);
    }
  }
  running = saved_->running;
  sigaltstack(&saved_->stack, nullptr);
}

}  // namespace attention::emulator
