// What the figures of speed were measured on.
#pragma once

#include <fstream>
#include <string>

#include "tenzo/core/error.hpp"
#include "tenzo/core/parallel.hpp"

namespace dqn {

/// The processor as the system names it.
inline std::string processor() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (const std::size_t colon = line.find(": "); line.starts_with("model name") && colon != line.npos)
      return tenzo::one_line(line.substr(colon + 2), 80);
  return "a processor that does not say its name";
}

inline std::string compiler() {
#if defined(__clang__)
  return tenzo::cat("clang ", __clang_major__, '.', __clang_minor__);
#elif defined(__GNUC__)
  return tenzo::cat("g++ ", __GNUC__, '.', __GNUC_MINOR__);
#else
  return "another compiler";
#endif
}

/// "AMD EPYC 9454, 2 threads, g++ 12.2".
inline std::string machine() {
  return tenzo::cat(processor(), ", ", tenzo::threads(), tenzo::threads() == 1 ? " thread, " : " threads, ",
                    compiler());
}

}  // namespace dqn
