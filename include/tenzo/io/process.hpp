// What the system says of this process.
#pragma once

#include <sys/resource.h>

#include <cstdint>

namespace tenzo {

/// Largest resident memory of this process so far, in bytes.
inline std::int64_t peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return std::int64_t(usage.ru_maxrss) * 1024;
}

}  // namespace tenzo
