#include "symbols.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstring>

namespace attention::emulator {

std::string place(const char* file, unsigned line) {
  const char* slash = std::strrchr(file, '/');
  return std::string(slash ? slash + 1 : file) + ":" + std::to_string(line);
}

std::string locate(const void* instruction) {
  Dl_info info;
  if (!instruction || !dladdr(instruction, &info) || !info.dli_fname) return "";
  char command[1200];
  std::snprintf(command, sizeof command, "addr2line -Cfie '%s' 0x%lx 2>/dev/null", info.dli_fname,
                static_cast<unsigned long>(static_cast<const char*>(instruction) -
                                           static_cast<const char*>(info.dli_fbase)));
  std::FILE* pipe = popen(command, "r");
  if (!pipe) return "";
  std::string found;
  // Two lines per frame, from the innermost of what is inlined there.
  char function[4096] = {};
  char source[4096] = {};
  while (std::fgets(function, sizeof function, pipe) && std::fgets(source, sizeof source, pipe)) {
    std::string line = source;
    line = line.substr(0, line.find_first_of("\n ("));
    const std::string number = line.substr(line.rfind(':') + 1);
    if (number == "?" || number == "0") {
      const std::string name = function;
      if (found.empty() && name[0] != '?') found = "in " + name.substr(0, name.find_first_of("(\n"));
      continue;
    }
    found = line.substr(line.rfind('/') + 1);
    const bool is_own = line.find("/emulator/cuda/device/") != std::string::npos ||
                        line.find("_emulated.h:") != std::string::npos || line.find("/msl-") != std::string::npos;
    if (!is_own) break;
  }
  while (std::fgets(function, sizeof function, pipe)) {
  }
  pclose(pipe);
  return found;
}

}  // namespace attention::emulator
