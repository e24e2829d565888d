#include "tokens.h"

#include <cctype>
#include <cstdlib>
#include <stdexcept>

namespace attention::metal {

namespace {

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

std::size_t quoted_end(const std::string& source, std::size_t at, unsigned line) {
  const char quote = source[at];
  for (std::size_t i = at + 1; i < source.size() && source[i] != '\n'; ++i) {
    if (source[i] == '\\') {
      ++i;
    } else if (source[i] == quote) {
      return i + 1;
    }
  }
  throw std::runtime_error("line " + std::to_string(line) + ": a quote is not closed");
}

std::size_t number_end(const std::string& source, std::size_t at) {
  std::size_t i = at;
  const bool hex = source[at] == '0' && at + 1 < source.size() && (source[at + 1] == 'x' || source[at + 1] == 'X');
  while (i < source.size()) {
    const char c = source[i];
    const char last = i > at ? source[i - 1] : ' ';
    const bool exponent = hex ? last == 'p' || last == 'P' : last == 'e' || last == 'E';
    if (is_word(c) || c == '.' || ((c == '+' || c == '-') && exponent)) {
      ++i;
    } else {
      break;
    }
  }
  return i;
}

std::size_t punctuation_end(const std::string& source, std::size_t at) {
  static const char* const longer[] = {"<<=", ">>=", "...", "->*", "::", "->", "++", "--", "&&", "||", "==", "!=",
                                       "<=",  ">=",  "+=",  "-=",  "*=", "/=", "%=", "&=", "|=", "^=", "<<"};
  for (const char* p : longer) {
    const std::string s = p;
    if (source.compare(at, s.size(), s) == 0) return at + s.size();
  }
  return at + 1;  // ">>" stays two tokens: it may close two template argument lists
}

}  // namespace

std::vector<Token> tokenize(const std::string& source) {
  std::vector<Token> tokens;
  unsigned line = 1;
  std::size_t at = 0;
  bool line_start = true;
  while (true) {
    std::size_t start = at;
    while (at < source.size() && std::isspace(static_cast<unsigned char>(source[at]))) {
      if (source[at] == '\n') {
        ++line;
        line_start = true;
      }
      ++at;
    }
    Token token{Token::end, source.substr(start, at - start), "", line};
    if (at == source.size()) {
      tokens.push_back(token);
      return tokens;
    }
    start = at;
    const char c = source[at];
    if (c == '#' && line_start) {
      token.kind = Token::directive;
      while (at < source.size() && source[at] != '\n') ++at;
      token.text = source.substr(start, at - start);
      char* rest = nullptr;
      const unsigned long marked = std::strtoul(token.text.c_str() + 1, &rest, 10);
      if (rest != token.text.c_str() + 1) line = static_cast<unsigned>(marked) - 1;
    } else {
      if (std::isdigit(static_cast<unsigned char>(c)) ||
          (c == '.' && at + 1 < source.size() && std::isdigit(static_cast<unsigned char>(source[at + 1])))) {
        token.kind = Token::number;
        at = number_end(source, at);
      } else if (is_word(c)) {
        token.kind = Token::identifier;
        while (at < source.size() && is_word(source[at])) ++at;
      } else if (c == '"' || c == '\'') {
        token.kind = Token::string;
        at = quoted_end(source, at, line);
      } else {
        token.kind = Token::punctuation;
        at = punctuation_end(source, at);
      }
      token.text = source.substr(start, at - start);
    }
    line_start = false;
    tokens.push_back(token);
  }
}

std::string join(const std::vector<Token>& tokens, std::size_t begin, std::size_t end) {
  std::string text;
  for (std::size_t i = begin; i < end; ++i) text += tokens[i].space + tokens[i].text;
  return text;
}

}  // namespace attention::metal
