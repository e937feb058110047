// Ends a test program where there is no GPU, before any of it runs: with the status of a skipped test, or, where
// TENZO_WANT_GPU is set, of a failed one. What only describes the program (--help and the like) needs none.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "tenzo/cuda.hpp"

namespace {

/// Whether the first argument asks for a description. Read from the system, since main has not begun.
bool is_asked_about() {
  std::ifstream file("/proc/self/cmdline");
  std::string argument;
  std::getline(file, argument, '\0');
  std::getline(file, argument, '\0');
  for (const char* asks : {"-h", "-?", "--help", "--version", "-v", "--list-test-cases", "-ltc"})
    if (argument == asks) return true;
  return false;
}

const bool usable = [] {
  if (is_asked_about()) return true;
  const std::string obstacle = tenzo::cuda::obstacle(tenzo::Cuda{});
  if (obstacle.empty()) return true;
  const char* wanted = std::getenv("TENZO_WANT_GPU");
  const bool fails = wanted && *wanted;
  std::fprintf(stderr, "%s: %s\n", fails ? "TENZO_WANT_GPU" : "skipped", obstacle.c_str());
  std::exit(fails ? 1 : 77);
}();

}  // namespace
