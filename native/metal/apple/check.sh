#!/bin/sh
# Checks device.mm on a machine without Apple's SDK: types and selectors, against declarations/.
set -e
cd "$(dirname "$0")"
"${CXX_METAL_EMULATOR:-clang++}" -fsyntax-only -x objective-c++ -std=c++20 -Wall -Wextra -Werror -Wno-nullability-completeness \
  -fobjc-arc -fobjc-runtime=macosx-14 -fblocks -I declarations device.mm
