// Faults of kernels: accesses outside of memory, divisions by zero. The thread that faults goes on, on a stack of its own,
// with abandoning the launch.

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <ucontext.h>

#include <cstdio>
#include <cstring>
#include <memory>

#include "device/grid.h"

namespace attention::emulator {
namespace {

constexpr int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
constexpr size_t alternate_bytes = 64 * 1024;
alignas(16) unsigned char alternate_stack[alternate_bytes];

struct Fault {
  int signal;
  const unsigned char* address;
  const unsigned char* instruction;
  pthread_t thread;
} fault;

/// " (file:line)" of an instruction or " in function", by binutils' addr2line; empty where that is not to be had.
std::string locate(const unsigned char* instruction) {
  Dl_info info;
  if (!dladdr(instruction, &info) || !info.dli_fname) return "";
  char command[1200];
  std::snprintf(command, sizeof command, "addr2line -Cfe '%s' 0x%lx 2>/dev/null", info.dli_fname,
                static_cast<unsigned long>(instruction - static_cast<const unsigned char*>(info.dli_fbase)));
  std::FILE* pipe = popen(command, "r");
  if (!pipe) return "";
  char function[2048] = {};
  char place[2048] = {};
  const bool read = std::fgets(function, sizeof function, pipe) && std::fgets(place, sizeof place, pipe);
  pclose(pipe);
  if (!read) return "";
  std::string line = place;
  line = line.substr(0, line.find_first_of("\n ("));
  const std::string number = line.substr(line.rfind(':') + 1);
  if (number != "?" && number != "0") return " (" + line.substr(line.rfind('/') + 1) + ")";
  std::string name = function;
  return name[0] == '?' ? "" : " in " + name.substr(0, name.find_first_of("(\n"));
}

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

std::string describe() {
  if (fault.signal == SIGFPE) return "an integer is divided by zero";
  if (fault.signal == SIGILL || fault.signal == SIGTRAP) {
    constexpr int out_of_bounds = 0x12, type_mismatch = 0x16;
    const int kind = trap_kind(fault.instruction);
    return kind == out_of_bounds   ? "an index is outside of its array"
           : kind == type_mismatch ? "an access is not aligned"
                                   : "the kernel traps";
  }
  const unsigned char* at = fault.address;
  const unsigned char* shared_end = grid.shared + most_shared_bytes;
  if (at >= shared_end && at < shared_end + page_bytes) {
    return "an access " + std::to_string(at - (state.shared + state.shared_bytes)) + " bytes past the end of " +
           std::to_string(state.shared_bytes) + " bytes of shared memory";
  }
  if (at >= grid.stacks && at < grid.stacks + most_threads * stack_bytes) return "the stack of a thread overflows";
  if (!at) return "an access to address 0, or one that is not aligned";
  return "an access " + describe_address(at);
}

[[noreturn]] void abandon_at_fault() { abandon(describe() + locate(fault.instruction) + position()); }

void handle(int signal, siginfo_t* info, void* context);

}  // namespace

struct FaultHandlers::Saved {
  struct sigaction actions[std::size(signals)];
  stack_t stack;
};

namespace {

FaultHandlers* active = nullptr;
struct sigaction previous[std::size(signals)];

void handle(int signal, siginfo_t* info, void* context) {
  if (!active || !grid.running || !state.current || !pthread_equal(pthread_self(), fault.thread)) {
    // Not a kernel's: what was there before sees it when the instruction runs again.
    for (size_t i = 0; i < std::size(signals); i++) {
      if (signals[i] == signal) sigaction(signal, &previous[i], nullptr);
    }
    return;
  }
  fault.signal = signal;
  fault.address = static_cast<const unsigned char*>(info->si_addr);
  unsigned char* stack = grid.stacks + (most_threads + 1) * stack_bytes;
  auto& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  fault.instruction = reinterpret_cast<const unsigned char*>(machine.gregs[REG_RIP]);
  machine.gregs[REG_RIP] = reinterpret_cast<greg_t>(abandon_at_fault);
  machine.gregs[REG_RSP] = reinterpret_cast<greg_t>(stack - 8);
#else
  fault.instruction = reinterpret_cast<const unsigned char*>(machine.pc);
  machine.pc = reinterpret_cast<unsigned long long>(abandon_at_fault);
  machine.sp = reinterpret_cast<unsigned long long>(stack);
#endif
}

}  // namespace

FaultHandlers::FaultHandlers() : saved_(new Saved) {
  fault.thread = pthread_self();
  stack_t stack{};
  stack.ss_sp = alternate_stack;
  stack.ss_size = alternate_bytes;
  sigaltstack(&stack, &saved_->stack);
  struct sigaction action {};
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (size_t i = 0; i < std::size(signals); i++) {
    sigaction(signals[i], &action, &saved_->actions[i]);
    previous[i] = saved_->actions[i];
  }
  active = this;
}

FaultHandlers::~FaultHandlers() {
  active = nullptr;
  for (size_t i = 0; i < std::size(signals); i++) sigaction(signals[i], &saved_->actions[i], nullptr);
  sigaltstack(&saved_->stack, nullptr);
  delete saved_;
}

}  // namespace attention::emulator
