// Compiles a .metal file on the emulator and lists its kernels, or says what is wrong with it:
//   run_shader [--checked] CACHE_FOLDER SOURCE_FOLDER FILE.metal
// `#include "x.h"` is looked up beside the file.

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "emulated_device.h"

namespace {

namespace fs = std::filesystem;

std::string inlined(const fs::path& path, std::set<std::string>& seen) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  std::string text, line;
  while (std::getline(file, line)) {
    const auto open = line.find("#include \"");
    if (open == std::string::npos) {
      if (line.rfind("#pragma once", 0) != 0) text += line;
      text += "\n";
      continue;
    }
    const std::string name = line.substr(open + 10, line.find('"', open + 10) - open - 10);
    if (seen.insert(name).second) text += inlined(path.parent_path() / name, seen);
  }
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace attention::metal;
  EmulatorOptions options;
  int first = 1;
  if (argc > 1 && std::string(argv[1]) == "--checked") {
    options.checked = true;
    ++first;
  }
  if (argc - first != 3) {
    std::fprintf(stderr, "usage: run_shader [--checked] CACHE_FOLDER SOURCE_FOLDER FILE.metal\n");
    return 2;
  }
  options.cache_folder = argv[first];
  options.source_folder = argv[first + 1];
  try {
    std::set<std::string> seen;
    const fs::path file = argv[first + 2];
    const auto device = make_emulated_device(options);
    for (const std::string& name : device->make_library(inlined(file, seen), file.stem().string())->functions()) {
      std::printf("%s\n", name.c_str());
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
