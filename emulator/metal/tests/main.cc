// emulator_test CACHE_FOLDER SOURCE_FOLDER [FILTER]: tests of the emulator itself.

#include <fstream>
#include <sstream>

#include "harness.h"

namespace attention::metal::tests {

std::vector<Test>& all() {
  static std::vector<Test> tests;
  return tests;
}

std::string read(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw Failure{"cannot read " + path};
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string run(Context& context, Device& device, const std::string& shader, const std::string& function, Dispatch dispatch,
                const FunctionConstants& constants) {
  try {
    const auto library = device.make_library(read(context.shaders + "/" + shader + ".metal"), shader);
    dispatch.pipeline = library->pipeline(function, constants);
    device.dispatch(dispatch);
    device.wait();
    return "";
  } catch (const std::runtime_error& error) {
    return error.what();
  }
}

}  // namespace attention::metal::tests

int main(int argc, char** argv) {
  using namespace attention::metal;
  using namespace attention::metal::tests;
  if (argc < 3) {
    std::fprintf(stderr, "usage: emulator_test CACHE_FOLDER SOURCE_FOLDER [FILTER]\n");
    return 2;
  }
  EmulatorOptions options;
  options.cache_folder = argv[1];
  options.source_folder = argv[2];
  int failed = 0, passed = 0;
  try {
    const auto unchecked = make_emulated_device(options);
    options.checked = true;
    const auto checked = make_emulated_device(options);
    Context context{options.source_folder + "/tests/shaders", *checked, *unchecked};
    for (const Test& test : all()) {
      if (argc > 3 && test.name.find(argv[3]) == std::string::npos) continue;
      std::string message;
      try {
        test.run(context);
      } catch (const Failure& failure) {
        message = failure.message;
      } catch (const std::exception& error) {
        message = error.what();
      }
      std::printf("%s %s%s%s\n", message.empty() ? "ok  " : "FAIL", test.name.c_str(), message.empty() ? "" : ": ", message.c_str());
      ++(message.empty() ? passed : failed);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed ? 1 : 0;
}
