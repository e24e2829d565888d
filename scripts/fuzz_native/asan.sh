#!/bin/sh
# Builds an addon for emulated devices with AddressSanitizer and calls it with hostile values.
#
#   sh scripts/fuzz_native/asan.sh metal|cuda [calls]
set -e
cd "$(dirname "$0")/../.."
name="$1"
calls="${2:-10000}"
case "$name" in
  metal) addon=packages/backend-metal/build/asan/attention_metal.node ;;
  cuda) addon=packages/backend-cuda/build/emulator_asan/Release/attention_cuda.node ;;
  *) echo "usage: asan.sh metal|cuda [calls]" >&2; exit 2 ;;
esac
node "packages/backend-$name/scripts/build.js" --asan
library="$(clang++ -print-file-name=libclang_rt.asan-$(uname -m).so)"
# No leak detection, because Node does not free everything at exit; no use-after-return detection, because emulators switch
# stacks.
ATTENTION_FUZZ_ADDON="$addon" \
  ASAN_OPTIONS="detect_leaks=0:detect_stack_use_after_return=0:allocator_may_return_null=1" LD_PRELOAD="$library" \
  node --expose-gc scripts/fuzz_native/run.js "$name" --calls "$calls"
