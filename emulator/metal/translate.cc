#include "translate.h"

#include <map>
#include <set>
#include <stdexcept>
#include <vector>

#include "tokens.h"

namespace attention::metal {

namespace {

using Tokens = std::vector<Token>;

const std::set<std::string> address_spaces = {"device", "constant", "thread", "threadgroup"};

const std::map<std::string, std::string> rejected = {
    {"double", "Metal has no double"},
    {"texture1d", "textures are not supported"},
    {"texture2d", "textures are not supported"},
    {"texture3d", "textures are not supported"},
    {"texture_buffer", "textures are not supported"},
    {"sampler", "samplers are not supported"},
    {"imageblock", "imageblocks are not supported"},
    {"threadgroup_imageblock", "imageblocks are not supported"},
    {"object_data", "mesh shaders are not supported"},
    {"ray_data", "ray tracing is not supported"},
    {"vertex", "vertex functions are not supported"},
    {"fragment", "fragment functions are not supported"},
    {"virtual", "Metal has no virtual functions"},
    {"new", "Metal has no dynamic memory"},
    {"delete", "Metal has no dynamic memory"},
    {"throw", "Metal has no exceptions"},
    {"try", "Metal has no exceptions"},
    {"goto", "Metal has no goto"},
    {"dynamic_cast", "Metal has no dynamic_cast"},
    {"typeid", "Metal has no run-time type information"},
    {"thread_local", "Metal has no thread_local"},
    {"std", "the C++ standard library is not Metal's: use metal::"},
    {"asm", "inline assembly is not supported"},
    {"mtl", "the name is the emulator's own"},
};

const std::map<std::string, std::string> value_attributes = {
    {"thread_position_in_grid", "thread_position_in_grid"},
    {"threadgroup_position_in_grid", "threadgroup_position_in_grid"},
    {"thread_position_in_threadgroup", "thread_position_in_threadgroup"},
    {"threads_per_grid", "threads_per_grid"},
    {"threads_per_threadgroup", "threads_per_threadgroup"},
    {"dispatch_threads_per_threadgroup", "threads_per_threadgroup"},
    {"threadgroups_per_grid", "threadgroups_per_grid"},
    {"thread_index_in_threadgroup", "thread_index_in_threadgroup"},
    {"simdgroup_index_in_threadgroup", "simdgroup_index_in_threadgroup"},
    {"thread_index_in_simdgroup", "thread_index_in_simdgroup"},
    {"simdgroups_per_threadgroup", "simdgroups_per_threadgroup"},
    {"dispatch_simdgroups_per_threadgroup", "simdgroups_per_threadgroup"},
    {"threads_per_simdgroup", "threads_per_simdgroup"},
    {"thread_execution_width", "threads_per_simdgroup"},
};

[[noreturn]] void fail(const Token& token, const std::string& message) {
  throw std::runtime_error("line " + std::to_string(token.line) + ": " + message);
}

void erase(Token& token) { token.text.clear(); }

/// The name and arguments of one attribute, e.g. buffer and 0.
struct Attribute {
  std::string name;
  Tokens arguments;
};

struct Parameter {
  std::string kind;  // of mtl::Argument
  unsigned index = 0;
  std::string present;  // function constant, may be empty
};

struct KernelEntry {
  std::string name;
  std::string function;  // with its template arguments
  std::string base;
};

class Translator {
 public:
  explicit Translator(const std::string& source) : tokens_(tokenize(source)) {}

  std::string run() {
    collect_type_names();
    std::size_t at = 0;
    while (tokens_[at].kind != Token::end) at = declaration(at);
    rewrite_tokens();
    return join(tokens_, 0, tokens_.size()) + tables();
  }

 private:
  Tokens tokens_;
  std::set<std::string> type_names_;  // called like a function they may construct a vector
  std::map<std::string, std::vector<Parameter>> kernels_;
  std::vector<KernelEntry> entries_;
  std::vector<std::string> constants_;
  std::set<std::string> runtime_constants_;  // function constants and what derives from them
  std::vector<std::pair<std::string, std::string>> derived_;
  std::set<std::size_t> keep_;  // tokens that rewrite_tokens leaves alone
  unsigned sites_ = 0;

  // --- walking over tokens

  std::size_t closing(std::size_t at) const {
    const std::string open = tokens_[at].text;
    int depth = 0;
    for (std::size_t i = at; tokens_[i].kind != Token::end; ++i) {
      const Token& t = tokens_[i];
      if (t.kind != Token::punctuation) continue;
      if (t.text == "(" || t.text == "[" || t.text == "{") ++depth;
      if (t.text == ")" || t.text == "]" || t.text == "}") {
        if (--depth == 0) return i;
      }
    }
    fail(tokens_[at], "'" + open + "' is not closed");
  }

  std::size_t closing_angle(std::size_t at) const {
    int depth = 0;
    for (std::size_t i = at; tokens_[i].kind != Token::end; ++i) {
      const Token& t = tokens_[i];
      if (t.is("<")) ++depth;
      if (t.is(">") && --depth == 0) return i;
      if (t.is("(") || t.is("[") || t.is("{")) i = closing(i);
      if (t.is(";")) break;
    }
    fail(tokens_[at], "'<' is not closed");
  }

  bool starts_attribute(std::size_t at) const { return tokens_[at].is("[") && tokens_[at + 1].is("["); }

  /// Reads the attributes at `at`, erases those of Metal, and moves `at` behind them.
  std::vector<Attribute> attributes(std::size_t& at) {
    std::vector<Attribute> found;
    while (starts_attribute(at)) {
      const std::size_t end = closing(at);
      bool metal = true;
      for (std::size_t i = at + 2; i < end - 1;) {
        if (tokens_[i].is(",")) {
          ++i;
          continue;
        }
        Attribute attribute{tokens_[i].text, {}};
        if (tokens_[i].is("maybe_unused") || tokens_[i].is("fallthrough") || tokens_[i].is("nodiscard") ||
            tokens_[i].is("clang") || tokens_[i].is("gnu")) {
          metal = false;
          break;
        }
        ++i;
        if (tokens_[i].is("(")) {
          const std::size_t close = closing(i);
          attribute.arguments.assign(tokens_.begin() + i + 1, tokens_.begin() + close);
          i = close + 1;
        }
        found.push_back(attribute);
      }
      if (metal) {
        for (std::size_t i = at; i <= end; ++i) erase(tokens_[i]);
      }
      at = end + 1;
    }
    return found;
  }

  static std::string string_of(const Attribute& attribute, const Token& where) {
    std::string text;
    for (const Token& t : attribute.arguments) {
      if (t.kind != Token::string) fail(where, attribute.name + " takes a string");
      text += t.text.substr(1, t.text.size() - 2);
    }
    return text;
  }

  static unsigned index_of(const Attribute& attribute, const Token& where) {
    if (attribute.arguments.size() != 1 || attribute.arguments[0].kind != Token::number) {
      fail(where, "[[" + attribute.name + "(n)]] takes a number");
    }
    return static_cast<unsigned>(std::stoul(attribute.arguments[0].text));
  }

  // --- declarations at namespace scope

  std::size_t declaration(std::size_t at) {
    const Token& first = tokens_[at];
    if (first.kind == Token::directive || first.is(";") || first.is("}")) return at + 1;
    if (first.is("namespace") || (first.is("inline") && tokens_[at + 1].is("namespace"))) {
      while (!tokens_[at].is("{") && !tokens_[at].is(";")) ++at;
      return at + 1;
    }
    if (first.is("extern") && tokens_[at + 1].kind == Token::string && tokens_[at + 2].is("{")) return at + 3;

    const std::size_t end = declaration_end(at);
    if (first.is("template") && !tokens_[at + 1].is("<")) {
      instantiation(at, end);
      return end;
    }
    std::size_t begin = at;
    bool is_template = false;
    while (tokens_[begin].is("template")) {
      begin = closing_angle(begin + 1) + 1;
      is_template = true;
    }
    bool kernel = false, constant = false;
    std::string host_name;
    for (std::size_t i = begin; i < end;) {
      if (starts_attribute(i)) {
        const std::size_t where = i;
        for (const Attribute& attribute : attributes(i)) {
          if (attribute.name == "kernel") {
            kernel = true;
          } else if (attribute.name == "host_name") {
            host_name = string_of(attribute, tokens_[where]);
          } else if (attribute.name == "function_constant") {
            function_constant(at, where, end);
            return end;
          } else if (attribute.name != "max_total_threads_per_threadgroup") {
            fail(tokens_[where], "unknown attribute [[" + attribute.name + "]]");
          }
        }
        continue;
      }
      const Token& t = tokens_[i];
      if (t.is("kernel")) {
        kernel = true;
        erase(tokens_[i]);
      } else if (t.is("constant")) {
        constant = true;
      } else if (t.is("(") || t.is("=") || t.is("{") || t.is(";")) {
        break;
      }
      ++i;
    }
    if (kernel) {
      kernel_definition(begin, end, is_template, host_name);
    } else if (begin < end && (tokens_[begin].is("struct") || tokens_[begin].is("union") || tokens_[begin].is("class"))) {
      members(begin, end);
    } else if (constant && !is_template && derived_constant(at, end)) {
      return end;
    } else {
      function(begin, end);
    }
    return end;
  }

  std::size_t declaration_end(std::size_t at) const {
    for (std::size_t i = at; tokens_[i].kind != Token::end; ++i) {
      const Token& t = tokens_[i];
      if (t.is(";")) return i + 1;
      if (t.is("(") || t.is("[")) {
        i = closing(i);
      } else if (t.is("{")) {
        const std::size_t close = closing(i);
        if (tokens_[close + 1].is(";")) return close + 2;
        const bool initializer = i > at && (tokens_[i - 1].is("=") || tokens_[i - 1].kind == Token::identifier);
        if (initializer && !is_record(at, i)) {
          i = close;  // int a[] = {1}, b{2};
          if (i + 1 < tokens_.size() && !tokens_[i + 1].is(",") && !tokens_[i + 1].is(";")) return close + 1;
          continue;
        }
        return close + 1;
      } else if (t.is("}")) {
        return i;
      }
    }
    fail(tokens_[at], "a declaration does not end");
  }

  bool is_record(std::size_t begin, std::size_t end) const {
    for (std::size_t i = begin; i < end; ++i) {
      if (tokens_[i].is("struct") || tokens_[i].is("enum") || tokens_[i].is("union") || tokens_[i].is("class")) return true;
    }
    return false;
  }

  void function_constant(std::size_t begin, std::size_t attribute, std::size_t end) {
    if (attribute == begin || tokens_[attribute - 1].kind != Token::identifier) {
      fail(tokens_[begin], "a function constant is declared as: constant T name [[function_constant(n)]];");
    }
    if (!tokens_[end - 2].text.empty()) fail(tokens_[begin], "a function constant has no initial value");
    const std::string name = tokens_[attribute - 1].text;
    bool has_space = false;
    for (std::size_t i = begin; i < attribute; ++i) {
      if (tokens_[i].is("constant")) {
        tokens_[i].text = "static";
        has_space = true;
      }
    }
    if (!has_space) fail(tokens_[begin], "a function constant is in the constant address space");
    constants_.push_back(name);
    runtime_constants_.insert(name);
    tokens_[end - 1].text = "; static bool mtl_defined_" + name + ";";
  }

  /// A constant whose value depends on function constants becomes a variable that is set along with them.
  bool derived_constant(std::size_t begin, std::size_t end) {
    std::size_t equals = begin;
    while (equals < end && !tokens_[equals].is("=")) ++equals;
    if (equals == end) return false;
    bool derived = false;
    for (std::size_t i = equals; i < end; ++i) {
      derived |= tokens_[i].is("is_function_constant_defined") || runtime_constants_.count(tokens_[i].text) != 0;
    }
    if (!derived) return false;
    const std::string name = tokens_[equals - 1].text;
    for (std::size_t i = begin; i < equals; ++i) {
      if (tokens_[i].is("constexpr")) fail(tokens_[i], name + " depends on function constants: it cannot be constexpr");
      if (tokens_[i].is("constant")) tokens_[i].text = "static";
      if (tokens_[i].is("static") || tokens_[i].is("const")) {
        if (i != begin) erase(tokens_[i]);
      }
    }
    tokens_[begin].text = "static";
    rewrite_defined(equals, end);
    derived_.emplace_back(name, join(tokens_, equals + 1, end - 1));
    runtime_constants_.insert(name);
    for (std::size_t i = equals; i < end - 1; ++i) erase(tokens_[i]);
    return true;
  }

  void rewrite_defined(std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i + 3 < end; ++i) {
      if (!tokens_[i].is("is_function_constant_defined")) continue;
      const std::string name = tokens_[i + 2].text;
      bool known = false;
      for (const std::string& constant : constants_) known |= constant == name;
      if (!known) fail(tokens_[i], name + " is not a function constant");
      tokens_[i].text = "(mtl_defined_" + name + ")";
      for (std::size_t j = i + 1; j <= i + 3; ++j) erase(tokens_[j]);
    }
  }

  void kernel_definition(std::size_t begin, std::size_t end, bool is_template, const std::string& host_name) {
    std::size_t open = begin;
    while (open < end && !tokens_[open].is("(")) ++open;
    if (open == end || open == begin || tokens_[open - 1].kind != Token::identifier) {
      fail(tokens_[begin], "a kernel is a function: kernel void name(...)");
    }
    const std::string name = tokens_[open - 1].text;
    const std::size_t close = closing(open);
    std::vector<Parameter> parameters;
    for (std::size_t i = open + 1; i < close;) {
      std::size_t stop = i;
      int angles = 0;
      Parameter parameter;
      bool any = false;
      while (stop < close && (angles > 0 || !tokens_[stop].is(","))) {
        if (starts_attribute(stop)) {
          const std::size_t where = stop;
          for (const Attribute& attribute : attributes(stop)) {
            any |= kernel_parameter(attribute, tokens_[where], parameter);
          }
          continue;
        }
        if (tokens_[stop].is("<")) ++angles;
        if (tokens_[stop].is(">")) --angles;
        if (tokens_[stop].is("(")) stop = closing(stop);
        ++stop;
      }
      if (!any) fail(tokens_[i], "kernel " + name + ": an argument has no attribute such as [[buffer(n)]]");
      parameters.push_back(parameter);
      i = stop + 1;
    }
    kernels_[name] = parameters;
    if (!is_template) entries_.push_back({host_name.empty() ? name : host_name, name, name});
    check_parameters(open, close);
    if (tokens_[close + 1].is("{")) body(close + 1, end, true);
  }

  bool kernel_parameter(const Attribute& attribute, const Token& where, Parameter& parameter) {
    if (attribute.name == "buffer" || attribute.name == "threadgroup") {
      parameter.kind = attribute.name;
      parameter.index = index_of(attribute, where);
      if (parameter.index > 30) fail(where, "[[" + attribute.name + "(n)]]: n is at most 30");
      return true;
    }
    if (attribute.name == "function_constant") {
      if (attribute.arguments.size() != 1 || runtime_constants_.count(attribute.arguments[0].text) == 0) {
        fail(where, "[[function_constant(name)]] takes the name of a function constant");
      }
      parameter.present = attribute.arguments[0].text;
      return false;
    }
    const auto known = value_attributes.find(attribute.name);
    if (known == value_attributes.end()) fail(where, "unknown attribute [[" + attribute.name + "]]");
    parameter.kind = known->second;
    return true;
  }

  /// template [[host_name("...")]] [[kernel]] void f<half>(...); or decltype(f<half>) f<half>;
  void instantiation(std::size_t begin, std::size_t end) {
    std::string host_name;
    bool kernel = false;
    std::size_t name = end;
    for (std::size_t i = begin + 1; i < end;) {
      if (starts_attribute(i)) {
        const std::size_t where = i;
        for (const Attribute& attribute : attributes(i)) {
          if (attribute.name == "host_name") host_name = string_of(attribute, tokens_[where]);
          if (attribute.name == "kernel") kernel = true;
        }
        continue;
      }
      if (tokens_[i].is("kernel")) {
        kernel = true;
        erase(tokens_[i]);
      }
      if (tokens_[i].is("decltype")) {
        i = closing(i + 1) + 1;
        continue;
      }
      if (name == end && tokens_[i].kind == Token::identifier && tokens_[i + 1].is("<")) {
        name = i;
        i = closing_angle(i + 1);
      }
      ++i;
    }
    if (!kernel && host_name.empty()) return;
    if (name == end) fail(tokens_[begin], "an instantiation names its kernel with template arguments");
    const std::string base = tokens_[name].text;
    if (kernels_.count(base) == 0) fail(tokens_[begin], "there is no kernel " + base + " before its instantiation");
    if (host_name.empty()) fail(tokens_[begin], "an instantiation of kernel " + base + " needs [[host_name(\"...\")]]");
    std::string function;
    const std::size_t close = closing_angle(name + 1);
    for (std::size_t i = name; i <= close; ++i) {
      if (address_spaces.count(tokens_[i].text) == 0) function += tokens_[i].text + " ";
    }
    entries_.push_back({host_name, function, base});
  }

  // --- functions, bodies, records

  void function(std::size_t begin, std::size_t end) {
    std::size_t open = begin;
    while (open < end && !tokens_[open].is("(") && !tokens_[open].is("=") && !tokens_[open].is("{")) ++open;
    if (open == end || !tokens_[open].is("(")) return;
    const std::size_t close = closing(open);
    check_parameters(open, close);
    for (std::size_t i = close; i < end; ++i) {
      if (tokens_[i].is("{")) {
        body(i, end, false);
        return;
      }
    }
  }

  void members(std::size_t begin, std::size_t end) {
    std::size_t i = begin;
    while (i < end && !tokens_[i].is("{")) ++i;
    if (i >= end) return;
    check_locals(i, end);
    for (++i; i < end; ++i) {
      if (tokens_[i].is("[") && starts_attribute(i)) fail(tokens_[i], "attributes of members are not supported");
      if (tokens_[i].is("(") && tokens_[i - 1].kind == Token::identifier) {
        const std::size_t close = closing(i);
        if (tokens_[close + 1].is("{") || tokens_[close + 1].is("const") || tokens_[close + 1].is("thread")) {
          check_parameters(i, close);
        }
        i = close;
      } else if (tokens_[i].is("{")) {
        body(i, closing(i) + 1, false);
        i = closing(i);
      }
    }
  }

  void body(std::size_t begin, std::size_t end, bool kernel) {
    check_locals(begin, end);
    for (std::size_t i = begin + 1; i < end; ++i) {
      const Token& previous = tokens_[i - 1];
      const bool statement = previous.text.empty() || previous.text.back() == ';' || previous.is("{") || previous.is("}") ||
                             previous.kind == Token::directive;
      if (tokens_[i].is("threadgroup") && statement) threadgroup_variable(i, kernel);
      if (tokens_[i].is("static") && !tokens_[i + 1].is("constexpr")) fail(tokens_[i], "Metal has no static local variables");
      const bool expression = previous.kind == Token::punctuation && !previous.is("]") && !previous.is(")");
      if (tokens_[i].is("[") && expression && !starts_attribute(i) && !previous.is("[") && !previous.is(">")) {
        fail(tokens_[i], "Metal 3.1 has no lambdas");
      }
    }
    rewrite_defined(begin, end);
  }

  /// threadgroup T name[n];
  void threadgroup_variable(std::size_t at, bool kernel) {
    std::size_t i = at + 1;
    while (!tokens_[i].is(";") && !tokens_[i].is("[") && !tokens_[i].is("*") && !tokens_[i].is("&")) {
      if (tokens_[i].is("=") || tokens_[i].is(",") || tokens_[i].is("(")) {
        fail(tokens_[i], "a threadgroup variable is declared alone and has no initial value");
      }
      i = tokens_[i].is("<") ? closing_angle(i) + 1 : i + 1;
    }
    if (tokens_[i].is("*") || tokens_[i].is("&")) return;
    if (!kernel) fail(tokens_[at], "threadgroup variables are declared in a kernel's body");
    const std::size_t name = i - 1;
    std::size_t end = i;
    while (tokens_[end].is("[")) end = closing(end) + 1;
    if (!tokens_[end].is(";")) fail(tokens_[at], "a threadgroup variable is declared alone and has no initial value");
    if (sites_ >= 64) fail(tokens_[at], "more than 64 threadgroup variables in a file");
    const std::string site = std::to_string(sites_++);
    const std::string variable = tokens_[name].text;
    tokens_[at].text = "using mtl_variable_" + site + " =";
    erase(tokens_[name]);
    tokens_[end].text = "; mtl_variable_" + site + "& " + variable + " = mtl::threadgroup_variable<mtl_variable_" + site +
                        ">(" + site + ", \"" + variable + "\");";
    keep_.insert(at);
  }

  /// Pointers and references among a function's parameters name an address space.
  void check_parameters(std::size_t open, std::size_t close) {
    bool space = false;
    for (std::size_t i = open + 1; i <= close; ++i) {
      if (address_spaces.count(tokens_[i].text)) space = true;
      if (tokens_[i].is("<")) {
        // Template arguments of a parameter's type.
        i = closing_angle(i);
        continue;
      }
      if (tokens_[i].is("(") || tokens_[i].is("[") || tokens_[i].is("{")) {
        i = closing(i);
        continue;
      }
      if (tokens_[i].is("=")) {
        while (i < close && !tokens_[i].is(",")) ++i;
      }
      if (tokens_[i].is(",")) space = false;
      if ((tokens_[i].is("*") || tokens_[i].is("&") || tokens_[i].is("&&")) && !space) {
        fail(tokens_[i], "a pointer or reference needs an address space (device, constant, threadgroup or thread)");
      }
    }
  }

  /// The same of local variables and members: at a statement's start, a type, * or &, a name, and = ; [ or ,
  void check_locals(std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i + 1 < end; ++i) {
      if (!tokens_[i].is(";") && !tokens_[i].is("{") && !tokens_[i].is("}") && tokens_[i].kind != Token::directive) continue;
      bool space = false;
      std::size_t j = i + 1;
      while (j < end && (tokens_[j].kind == Token::identifier || tokens_[j].is("::") || tokens_[j].is("<"))) {
        if (tokens_[j].is("return") || tokens_[j].is("case") || tokens_[j].is("using") || tokens_[j].is("typedef")) break;
        if (address_spaces.count(tokens_[j].text)) space = true;
        if (tokens_[j].is("<")) {
          std::size_t k = j;
          int depth = 0;
          while (k < end && !tokens_[k].is(";") && !tokens_[k].is("{")) {
            if (tokens_[k].is("<")) ++depth;
            if (tokens_[k].is(">") && --depth == 0) break;
            ++k;
          }
          if (k >= end || !tokens_[k].is(">")) break;
          j = k;
        }
        ++j;
      }
      if (j == i + 1 || !(tokens_[j].is("*") || tokens_[j].is("&")) || space) continue;
      const Token& name = tokens_[j + 1];
      const Token& after = tokens_[j + 2];
      if (name.kind == Token::identifier && (after.is("=") || after.is(";") || after.is("[") || after.is(","))) {
        fail(tokens_[j], "a pointer or reference needs an address space (device, constant, threadgroup or thread)");
      }
    }
  }

  // --- single tokens

  void collect_type_names() {
    for (const char* scalar : {"bool", "char", "uchar", "short", "ushort", "int", "uint", "long", "ulong", "half", "bfloat", "float"}) {
      type_names_.insert(scalar);
      for (const char* n : {"2", "3", "4"}) type_names_.insert(std::string(scalar) + n);
    }
    for (std::size_t i = 0; i + 1 < tokens_.size(); ++i) {
      const Token& t = tokens_[i];
      if ((t.is("typename") || t.is("class")) && i > 0 && (tokens_[i - 1].is("<") || tokens_[i - 1].is(",")) &&
          tokens_[i + 1].kind == Token::identifier) {
        const Token& after = tokens_[i + 2];
        if (after.is(",") || after.is(">") || after.is("=")) type_names_.insert(tokens_[i + 1].text);
      }
      if (t.is("using") && tokens_[i + 1].kind == Token::identifier && tokens_[i + 2].is("=")) {
        type_names_.insert(tokens_[i + 1].text);
      }
      if (t.is("typedef")) {
        std::size_t j = i;
        while (tokens_[j].kind != Token::end && !tokens_[j].is(";")) ++j;
        if (tokens_[j - 1].kind == Token::identifier) type_names_.insert(tokens_[j - 1].text);
      }
    }
  }

  bool is_vector_name(const std::string& name) const {
    return type_names_.count(name) && name.size() > 1 && (name.back() == '2' || name.back() == '3' || name.back() == '4');
  }

  void rewrite_tokens() {
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      Token& t = tokens_[i];
      if (t.kind == Token::number) {
        rewrite_number(t);
      } else if (t.kind == Token::identifier) {
        rewrite_identifier(i);
      } else if (t.kind == Token::directive && t.text.find("pragma METAL") != std::string::npos) {
        erase(t);
      } else if (t.is("(") && tokens_[i + 1].kind == Token::identifier && is_vector_name(tokens_[i + 1].text) &&
                 tokens_[i + 2].is(")") && (tokens_[i + 3].kind == Token::identifier || tokens_[i + 3].is("(")) &&
                 !(i > 0 && (tokens_[i - 1].is("sizeof") || tokens_[i - 1].is("alignof")))) {
        fail(t, "write the conversion as " + tokens_[i + 1].text + "(...)");
      } else if (starts_attribute(i)) {
        const Token& name = tokens_[i + 2];
        static const std::set<std::string> allowed = {"maybe_unused", "fallthrough", "nodiscard", "clang", "gnu"};
        if (allowed.count(name.text) == 0 && !name.is("[")) {
          const std::size_t close = closing(i);
          if (tokens_[close - 1].is("]") && name.kind == Token::identifier && tokens_[close].is("]") &&
              closing(i + 1) == close - 1) {
            fail(t, "unknown attribute [[" + name.text + "]]");
          }
        }
      }
    }
  }

  void rewrite_identifier(std::size_t i) {
    Token& t = tokens_[i];
    const bool member = i > 0 && (tokens_[i - 1].is(".") || tokens_[i - 1].is("->"));
    if (member || t.text.empty() || keep_.count(i)) return;
    const auto found = rejected.find(t.text);
    if (found != rejected.end()) fail(t, found->second);
    if (t.text == "constant") {
      t.text = "const";
    } else if (t.text == "device" || t.text == "thread" || t.text == "threadgroup") {
      erase(t);
    } else if (t.text == "kernel") {
      fail(t, "kernel is at an unexpected place");
    } else if (t.text == "static_cast" && tokens_[i + 1].is("<")) {
      t.text = "mtl::cast";
    } else if (t.text == "vec" && tokens_[i + 1].is("<")) {
      const std::size_t close = closing_angle(i + 1);
      if (tokens_[close + 1].is("(")) construct(i, close);
    } else if (tokens_[i + 1].is("(") && type_names_.count(t.text) &&
               !(i > 0 && (tokens_[i - 1].is("operator") || tokens_[i - 1].is("~")))) {
      construct(i, i);
    }
  }

  void construct(std::size_t begin, std::size_t end) {
    if (tokens_[begin].text.empty()) return;
    if (begin >= 2 && tokens_[begin - 1].is("::")) {
      // metal::vec<T, 4>(...): the qualification goes.
      if (!tokens_[begin - 2].is("metal")) return;
      erase(tokens_[begin - 2]);
      erase(tokens_[begin - 1]);
    }
    if (tokens_[begin].text == "vec") tokens_[begin].text = "metal::vec";
    tokens_[begin].text = "mtl::make<" + tokens_[begin].text;
    tokens_[end].text += ">";
  }

  static void rewrite_number(Token& t) {
    std::string& s = t.text;
    const bool hex = s.size() > 1 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
    const bool real = hex ? s.find_first_of("pP") != std::string::npos : s.find_first_of(".eE") != std::string::npos;
    if (hex && !real) return;
    if (s.size() > 2 && s.compare(s.size() - 2, 2, "bf") == 0) {
      s = "bfloat(" + s.substr(0, s.size() - 2) + "f)";
      return;
    }
    const char last = s.back();
    if (last == 'h' || last == 'H') {
      const std::string digits = s.substr(0, s.size() - 1);
      s = "half(" + digits + (real ? "f)" : ".0f)");
    } else if (real && (last == 'l' || last == 'L')) {
      fail(t, "Metal has no long double");
    } else if (real && last != 'f' && last != 'F') {
      s += "f";
    }
  }

  // --- what the emulator reads

  std::string tables() const {
    std::string text = "\n# 1 \"generated\"\n";
    std::string kernels;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const KernelEntry& entry = entries_[i];
      const std::string id = std::to_string(i);
      std::string codes, arguments;
      const std::vector<Parameter>& parameters = kernels_.at(entry.base);
      for (const Parameter& parameter : parameters) {
        const std::string index = std::to_string(parameter.index);
        codes += (codes.empty() ? "" : ", ") + ("int(mtl::Argument::" + parameter.kind + ") * 256 + ") + index;
        arguments += "{mtl::Argument::" + parameter.kind + ", " + index + ", " +
                     (parameter.present.empty() ? "nullptr" : "&" + parameter.present) + "}, ";
      }
      text += "static void mtl_entry_" + id + "(const mtl::Thread& self) { mtl::invoke<" + codes + ">(::" + entry.function +
              ", self); }\n";
      text += "static const mtl::Argument mtl_arguments_" + id + "[] = {" + arguments + "{}};\n";
      kernels += "{\"" + entry.name + "\", mtl_entry_" + id + ", mtl_arguments_" + id + ", " +
                 std::to_string(parameters.size()) + "}, ";
    }
    std::string constants;
    for (const std::string& name : constants_) {
      text += "static void mtl_set_" + name + "(std::int64_t integer, double number) { mtl::set_constant(" + name +
              ", integer, number); }\n";
      constants += "{\"" + name + "\", mtl_set_" + name + ", &mtl_defined_" + name + "}, ";
    }
    std::string derive;
    for (const auto& [name, value] : derived_) derive += name + " = " + value + "; ";
    text += "static const mtl::Kernel mtl_kernels[] = {" + kernels + "{}};\n";
    text += "static const mtl::Constant mtl_constants[] = {" + constants + "{}};\n";
    text += "static void mtl_derive_constants() { " + derive + "}\n";
    text += "extern \"C\" mtl::Accessed* attention_metal_accessed;\n";
    text += "extern \"C\" __attribute__((visibility(\"hidden\"))) const unsigned char __ehdr_start, _end;\n";
    text += "extern \"C\" __attribute__((visibility(\"default\"))) const mtl::Module attention_metal_module;\n";
    text += "const mtl::Module attention_metal_module = {mtl_kernels, " + std::to_string(entries_.size()) +
            ", mtl_constants, " + std::to_string(constants_.size()) + ", mtl_derive_constants, MTL_ACCESSED, &__ehdr_start, &_end};\n";
    return text;
  }
};

}  // namespace

std::string translate(const std::string& preprocessed) { return Translator(preprocessed).run(); }

}  // namespace attention::metal
