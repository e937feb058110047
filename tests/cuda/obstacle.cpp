// Ends a test program with the status of a skipped test where there is no GPU, before any of it runs.
#include <cstdio>
#include <cstdlib>

#include "tenzo/cuda.hpp"

namespace {

const bool usable = [] {
  const std::string obstacle = tenzo::cuda::obstacle(tenzo::Cuda{});
  if (obstacle.empty()) return true;
  std::fprintf(stderr, "skipped: %s\n", obstacle.c_str());
  std::exit(77);
}();

}  // namespace
