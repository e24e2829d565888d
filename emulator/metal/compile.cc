#include "compile.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "translate.h"

namespace attention::metal {

namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw DeviceError("cannot read " + path.string());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_file(const fs::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) throw DeviceError("cannot write " + path.string());
}

std::string hash(const std::string& text) {
  // FNV-1a, 64 bits, from two starts.
  std::uint64_t a = 0xcbf29ce484222325u, b = 0x84222325cbf29ce4u;
  for (const char c : text) {
    a = (a ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    b = (b ^ static_cast<unsigned char>(c) ^ (a >> 57)) * 0x100000001b3u;
  }
  char digits[33];
  std::snprintf(digits, sizeof digits, "%016llx%016llx", static_cast<unsigned long long>(a), static_cast<unsigned long long>(b));
  return digits;
}

std::string shell_quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

std::string temporary(const std::string& path) {
  static std::atomic<unsigned> count{0};
  return path + "." + std::to_string(getpid()) + "." + std::to_string(count++) + ".tmp";
}

/// Runs a shell command; returns its exit status and what it printed.
std::pair<int, std::string> execute(const std::string& command) {
  std::FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (!pipe) return {-1, "cannot start a shell"};
  std::string text;
  char part[4096];
  for (std::size_t n; (n = std::fread(part, 1, sizeof part, pipe)) > 0;) text.append(part, n);
  return {pclose(pipe), text};
}

std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("flags", 0) == 0 || line.rfind("Features", 0) == 0) return line;
  }
  return "";
}

const char* const includes[] = {"metal_stdlib",        "metal_simdgroup", "metal_simdgroup_matrix", "metal_atomic",
                                 "metal_math",          "metal_integer",   "metal_common",           "metal_relational",
                                 "metal_type_traits",   "metal_compute",   "metal_limits",           "metal_geometric",
                                 "metal_numeric",       "simd/simd.h",     "metal_config",           "metal_packed"};

}  // namespace

Compiler::Compiler(const EmulatorOptions& options)
    : compiler_(options.compiler), cache_(options.cache_folder), checked_(options.checked) {
  if (compiler_.empty()) {
    const char* variable = std::getenv("CXX_METAL_EMULATOR");
    compiler_ = variable && *variable ? variable : "clang++";
  }
  const auto [status, version] = execute(shell_quoted(compiler_) + " --version");
  if (status != 0 || version.find("clang") == std::string::npos) {
    throw DeviceError("the emulator compiles Metal shaders with clang++, which is not there (" + compiler_ +
                      "): install it, e.g. apt-get install clang");
  }
  fs::create_directories(cache_);
  key_ = version + flags() + processor();
  prepare_headers(options.source_folder);
}

std::string Compiler::flags() const {
  std::string flags =
      " -std=c++20 -O2 -march=native -fPIC -fvisibility=hidden -fno-exceptions -fno-rtti -fno-strict-aliasing -ffp-contract=off"
      " -fno-math-errno -flax-vector-conversions=none -w";
  // Unchecked shaders keep their NaNs and infinities too: no fast math. Checks see every access, so that
  // accesses must not be merged into ones wider than 16 bytes.
  if (checked_) {
    flags +=
        " -DMTL_CHECKED -DMTL_ACCESSED=\\&attention_metal_accessed -gline-tables-only -fsanitize=thread -fno-vectorize"
        " -fno-slp-vectorize -mllvm -tsan-instrument-func-entry-exit=0 -mllvm -tsan-instrument-atomics=0"
        " -mllvm -tsan-instrument-read-before-write=1";
  } else {
    flags += " -DMTL_ACCESSED=nullptr";
  }
  return flags;
}

/// The headers go into the cache, beside what is compiled from them: whole folders appear at once.
void Compiler::prepare_headers(const std::string& source_folder) {
  std::vector<fs::path> files;
  for (const char* file : {"fiber_switch.h", "threads.h", "instrumented.h", "redirected.h"}) {
    files.push_back(fs::path(source_folder) / "../common" / file);
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(fs::path(source_folder) / "msl")) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  // What they are translated by belongs to the key too.
  std::string all = key_;
  for (const char* file : {"tokens.cc", "translate.cc", "compile.cc"}) all += read_file(fs::path(source_folder) / file);
  for (const fs::path& file : files) all += file.filename().string() + read_file(file);
  key_ = hash(all);
  headers_ = (fs::path(cache_) / ("msl-" + key_)).string();
  if (!fs::exists(headers_)) {
    const std::string folder = temporary(headers_);
    fs::create_directories(folder + "/include/simd");
    for (const fs::path& file : files) fs::copy_file(file, fs::path(folder) / file.filename());
    for (const char* include : includes) write_file(folder + "/include/" + include, "");
    std::error_code error;
    fs::rename(folder, headers_, error);
    if (error) fs::remove_all(folder);  // another process was first
  }
  const std::string cxx = shell_quoted(compiler_) + flags();
  prepare(headers_ + "/shader.pch", cxx + " -x c++-header " + shell_quoted(headers_ + "/shader.h"));
  if (checked_) {
    prepare(headers_ + "/tell.o", shell_quoted(compiler_) + " -std=c++20 -O2 -fPIC -march=native -fvisibility=hidden -fno-exceptions -w -c " +
                                        shell_quoted(headers_ + "/tell.cc"));
  }
}

void Compiler::prepare(const std::string& path, const std::string& command) {
  if (fs::exists(path)) return;
  const std::string file = temporary(path);
  const auto [status, text] = execute(command + " -o " + shell_quoted(file));
  if (status != 0) throw DeviceError("the emulator's headers do not compile:\n" + text);
  fs::rename(file, path);
}

Compiler::Loaded Compiler::load(const std::string& source, const std::string& name) {
  std::string stem;
  for (const char c : name) stem += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  const std::string base = cache_ + "/" + stem + "-" + hash(key_ + name + source);
  const std::string library = base + ".so";
  if (!fs::exists(library)) {
    const std::string scratch = temporary(base);
    fs::create_directories(scratch);
    struct Remove {
      std::string path;
      ~Remove() { fs::remove_all(path); }
    } remove{scratch};
    const std::string file = scratch + "/" + stem + ".metal";
    write_file(file, "#line 1 \"" + name + ".metal\"\n" + source);
    const auto [status, preprocessed] =
        execute(shell_quoted(compiler_) + " -E -x c++ -nostdinc -undef -D__METAL_VERSION__=310 -D__METAL_MACOS__=1 -D__HAVE_BFLOAT__=1 -DATTENTION_EMULATOR=1 -I " +
                shell_quoted(headers_ + "/include") + " " + shell_quoted(file));
    if (status != 0) throw ShaderError(name, preprocessed);
    std::string translated;
    try {
      translated = translate(preprocessed);
    } catch (const std::runtime_error& error) {
      throw ShaderError(name, error.what());
    }
    const std::string code = scratch + "/" + stem + ".cc";
    write_file(code, translated);
    const std::string cxx = shell_quoted(compiler_) + flags() + " -include-pch " + shell_quoted(headers_ + "/shader.pch");
    const std::string object = scratch + "/shader.o";
    const auto [failed, messages] = execute(cxx + " -c " + shell_quoted(code) + " -o " + shell_quoted(object));
    if (std::getenv("ATTENTION_METAL_KEEP_SOURCE")) fs::copy_file(code, base + ".cc", fs::copy_options::overwrite_existing);
    if (failed != 0) throw ShaderError(name, messages);
    const std::string result = scratch + "/shader.so";
    std::string link = shell_quoted(compiler_) + " -shared -o " + shell_quoted(result) + " " + shell_quoted(object);
    if (checked_) {
      link += " " + shell_quoted(headers_ + "/tell.o");

    }
    const auto [unlinked, complaints] = execute(link + " -lm -Wl,-z,defs");
    if (unlinked != 0) throw ShaderError(name, complaints);
    fs::rename(result, library);
  }
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) throw ShaderError(name, dlerror());
  Loaded loaded{std::shared_ptr<void>(handle, dlclose), nullptr};
  loaded.module = static_cast<const mtl::Module*>(dlsym(handle, "attention_metal_module"));
  if (!loaded.module) throw ShaderError(name, "the library has no table of kernels");
  return loaded;
}

}  // namespace attention::metal
