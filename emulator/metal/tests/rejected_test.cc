// Sources that Metal refuses are refused here, with the line: shaders/rejected.txt holds a title, a source and part of the message.

#include <sstream>

#include "harness.h"

namespace attention::metal::tests {

METAL_TEST(rejects_what_metal_does_not_take) {
  std::istringstream file(read(context.shaders + "/rejected.txt"));
  std::string title, source, part;
  while (std::getline(file, title) && std::getline(file, source) && std::getline(file, part)) {
    std::string message;
    try {
      context.unchecked.make_library("\n" + source + "\n", "rejected");
    } catch (const ShaderError& error) {
      message = error.what();
    }
    expect(!message.empty(), title + " was accepted");
    // The source is on the second line.
    const auto expected = [&] {
      std::string text = part;
      for (std::size_t at; (at = text.find("line 1:")) != std::string::npos;) text.replace(at, 7, "line 2:");
      for (std::size_t at; (at = text.find(".metal:1")) != std::string::npos;) text.replace(at, 8, ".metal:2");
      return text;
    }();
    expect(message.find("rejected: ") == 0 && message.find(expected) != std::string::npos, title + ": " + message);
  }
}

}  // namespace attention::metal::tests
