# The variant of the addon whose kernels run on the CPU: included by native/cuda/CMakeLists.txt. With
# ATTENTION_EMULATOR_CHECKED=ON kernels tell each access to memory, which ATTENTION_CUDA_CHECKED=1 then looks at; with
# ATTENTION_EMULATOR_ASAN=ON the addon, but no kernel, runs under AddressSanitizer (scripts/fuzz_native/asan.sh).
set(emulator ${CMAKE_CURRENT_LIST_DIR})
option(ATTENTION_EMULATOR_CHECKED "Look for races in kernels that run on the CPU" OFF)
option(ATTENTION_EMULATOR_ASAN "Look for faults of the addon's own code" OFF)
file(GLOB emulator_sources CONFIGURE_DEPENDS ${emulator}/*.cc ${emulator}/../common/*.cc)
target_sources(attention_cuda PRIVATE ${emulator_sources})
set_source_files_properties(${kernels} PROPERTIES LANGUAGE CXX)
set_source_files_properties(
  ${KERNELS}/common/architecture.cu PROPERTIES COMPILE_DEFINITIONS "ATTENTION_CUDA_ARCHITECTURES=\"the CPU\"")
target_compile_definitions(attention_cuda PRIVATE ATTENTION_CUDA_EMULATOR)
target_include_directories(attention_cuda BEFORE PRIVATE ${emulator}/include ${emulator} ${emulator}/../common)
# Line tables tell where a kernel faults.
target_compile_options(attention_cuda PRIVATE -O2 -gline-tables-only -fno-stack-protector -Wall -Wextra -Wno-pass-failed)
# A GPU faults where an access is not aligned.
set_property(SOURCE ${kernels} APPEND PROPERTY COMPILE_OPTIONS
  -fsanitize=alignment,array-bounds -fsanitize-trap=alignment,array-bounds)
if(ATTENTION_EMULATOR_CHECKED)
  target_compile_definitions(attention_cuda PRIVATE ATTENTION_CUDA_CHECKED)
  file(STRINGS ${emulator}/checked_options.txt checked_options)
  set_property(SOURCE ${kernels} APPEND PROPERTY COMPILE_OPTIONS ${checked_options})
endif()
if(ATTENTION_EMULATOR_ASAN)
  set_property(SOURCE ${sources} APPEND PROPERTY COMPILE_OPTIONS -fsanitize=address -fno-omit-frame-pointer)
  target_link_options(attention_cuda PRIVATE -fsanitize=address -shared-libasan)
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_options(attention_cuda PRIVATE -march=x86-64-v3)
endif()
target_link_libraries(attention_cuda PRIVATE pthread dl)
