#include "harness.h"

int main() {
  for (const char* order : {"forward", "reversed"}) {
    setenv("ATTENTION_CUDA_EMULATOR_ORDER", order, 1);
    test_results();
    test_defects();
    test_attention_decode_work();
    test_races();
    test_hopper();
  }
  test_runtime();
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
