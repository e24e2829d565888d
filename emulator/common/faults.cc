// Faults of kernels: accesses outside of memory, divisions by zero. The thread that faults goes on, on a stack of its own,
// with abandoning the block.

#include <pthread.h>
#include <signal.h>
#include <ucontext.h>

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
