#!/bin/sh
# Builds an addon with AddressSanitizer, for emulated devices, and calls it with hostile values.
#
#   sh scripts/fuzz_native/asan.sh metal [calls]
set -e
cd "$(dirname "$0")/../.."
name="$1"
calls="${2:-10000}"
case "$name" in
  metal) node packages/backend-metal/scripts/build.js --asan ;;
  *) echo "usage: asan.sh metal [calls]" >&2; exit 2 ;;
esac
library="$(clang++ -print-file-name=libclang_rt.asan-$(uname -m).so)"
# Emulators switch stacks, and Node keeps memory to its end.
ATTENTION_FUZZ_ADDON="packages/backend-$name/build/asan/attention_$name.node" \
  ASAN_OPTIONS="detect_leaks=0:detect_stack_use_after_return=0:allocator_may_return_null=1" LD_PRELOAD="$library" \
  node --expose-gc scripts/fuzz_native/run.js "$name" --calls "$calls"
