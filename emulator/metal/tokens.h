#pragma once

#include <string>
#include <vector>

namespace attention::metal {

struct Token {
  enum Kind { identifier, number, string, punctuation, directive, end };
  Kind kind;
  std::string space;  // before it
  std::string text;
  unsigned line;  // in the shader's source

  bool is(const char* s) const { return (kind == identifier || kind == punctuation) && text == s; }
};

/// Tokens of preprocessed source; `# line "file"` markers and pragmas are directives. Ends with an `end` token.
/// Throws std::runtime_error.
std::vector<Token> tokenize(const std::string& source);

std::string join(const std::vector<Token>& tokens, std::size_t begin, std::size_t end);

}  // namespace attention::metal
