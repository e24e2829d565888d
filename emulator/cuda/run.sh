#!/bin/sh
# Compiles kernels and a program that calls their launchers, and runs it on the emulator:
#   emulator/cuda/run.sh my_test.cc kernels/cuda/norm/rms_norm.cu
# Flags of the compiler: CXXFLAGS. With ATTENTION_CUDA_CHECKED=1 it finds races too. The objects are kept in
# ATTENTION_EMULATOR_BUILD and compiled again if they are older than what they include.
set -e
root=$(cd "$(dirname "$0")/../.." && pwd)
emulator=$root/emulator/cuda
build=${ATTENTION_EMULATOR_BUILD:-${TMPDIR:-/tmp}/attention_emulator.$(id -u)}
mkdir -p "$build"
flags="-std=c++20 -O2 -gline-tables-only -DATTENTION_CUDA_EMULATOR -DATTENTION_CUDA_ARCHITECTURES=\"CPU\""
flags="$flags -I$emulator/include -I$emulator -I$root/emulator/common -I$root/kernels/cuda -Wall -Wextra -Wno-pass-failed"
kernel_flags="-fsanitize=alignment,array-bounds -fsanitize-trap=alignment,array-bounds"
if [ "$ATTENTION_CUDA_CHECKED" = 1 ]; then
  flags="$flags -DATTENTION_CUDA_CHECKED"
  kernel_flags="$kernel_flags $(tr '\n' ' ' < "$emulator/checked_options.txt")"
fi
case $(uname -m) in x86_64) flags="$flags -march=x86-64-v3" ;; esac
objects=
# compile SOURCE FLAGS
compile() {
  object=$build/$(echo "$1 $2 $CXXFLAGS" | cksum | cut -d ' ' -f 1)_$(basename "$1").o
  stale=yes
  if [ -f "$object" ] && [ -f "$object.d" ]; then
    stale=$(find $(sed 's/^[^:]*://; s/\\$//' "$object.d") -newer "$object" 2>&1 | head -1)
  fi
  if [ -n "$stale" ]; then
    # shellcheck disable=SC2086
    nice "${CXX:-clang++}" $2 $CXXFLAGS -MMD -MF "$object.d" -x c++ -c "$1" -o "$object.$$"
    mv "$object.$$" "$object"
  fi
  objects="$objects $object"
}
for source in "$emulator"/*.cc "$root"/emulator/common/*.cc; do compile "$source" "$flags"; done
for source in "$root/kernels/cuda/common/operation.cu" "$@"; do compile "$source" "$flags $kernel_flags"; done
program=$build/program.$$
# shellcheck disable=SC2086
"${CXX:-clang++}" $objects -pthread -ldl -o "$program"
trap 'rm -f "$program"' EXIT
"$program"
