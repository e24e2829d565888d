#pragma once
// The block that runs, and what its threads may ask for.

#include <cstddef>
#include <cstdint>

#include "../include/vector_types_emulated.h"
#include "threads.h"

namespace attention::emulator {

struct CudaBlock : Block {
  unsigned char* shared;
  size_t shared_bytes;
};
/// One runs at a time.
extern CudaBlock block;

/// Waits for the lanes of `mask`, the last of which runs `finish`.
void join_warp(unsigned mask, void* operands, Finish* finish, const Site& site, bool orders_memory = false);
/// Waits for all threads of the block that have not returned. Returns count, all and any of the predicates.
const int* join_block(int predicate, const Site& site);
/// Waits at barrier 1 to 15 of the block, or arrives there.
void join_barrier(unsigned barrier, unsigned threads, const Site& site);
void arrive_at_barrier(unsigned barrier, unsigned threads, const Site& site);
/// Waits for the 128 threads of the warpgroup, the last of which runs `finish(first thread)`.
void join_warpgroup(void* operands, void (*finish)(Thread* threads), const Site& site);
/// Ends the launch, which throws.
[[noreturn]] void fail(const Site& site, const char* message);

/// Copies `bytes` bytes, at most 16, and zeros up to 16.
void start_copy(void* to, const void* from, unsigned bytes, const Site& site);
void commit_copies();
void finish_copies(unsigned pending);
/// Whether memory is of the block's shared memory.
bool is_shared(const void* memory, size_t bytes);

/// An access by a function of the emulator's, on behalf of the kernel.
void accessed(const void* address, size_t bytes, bool writes, const void* instruction);
/// The same by the copy engine or a product that the thread starts.
void accessed_in_background(const void* address, size_t bytes, bool writes, const void* instruction);
void accessed_atomically(const void* address, size_t bytes, const void* instruction);

}  // namespace attention::emulator
