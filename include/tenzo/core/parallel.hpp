// Parallel loops whose result does not depend on the number of threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>

#include "tenzo/core/detail/thread_team.hpp"

#ifdef _OPENMP
#include <omp.h>
#endif

namespace tenzo {

namespace detail {

inline int hardware_threads() {
#ifdef _OPENMP
  return omp_get_max_threads();  // what the user's environment asks for
#else
  return std::max(1, int(std::thread::hardware_concurrency()));
#endif
}

inline std::atomic<int>& thread_setting() {
  static std::atomic<int> n{hardware_threads()};
  return n;
}

}  // namespace detail

/// Number of threads that parallel loops use; at first what OpenMP or the machine offers.
inline int threads() { return detail::thread_setting().load(std::memory_order_relaxed); }

/// Sets the number of threads of later parallel loops; at least one.
inline void set_threads(int n) { detail::thread_setting().store(std::max(1, n), std::memory_order_relaxed); }

/// Calls `f(begin, end)` for the pieces [0, grain), [grain, 2 grain), … of [0, n).
///   The pieces depend on n and grain only, never on the number of threads; which thread runs a piece does. So a
///   result is reproducible as soon as each piece writes what is its own. Nested calls run serially.
///   An exception of a piece is thrown again here, after the others have ended.
///   Cost   under a microsecond where loops follow each other closely; give a piece ten microseconds of work or more.
template <class F>
void parallel_for(std::int64_t n, std::int64_t grain, F&& f) {
  if (n <= 0) return;
  grain = std::max<std::int64_t>(1, grain);
  const std::int64_t pieces = (n - 1) / grain + 1;
  const int team = int(std::min<std::int64_t>(threads(), pieces));
  if (team <= 1 || detail::inside_parallel) {
    for (std::int64_t i = 0; i < pieces; ++i) f(i * grain, std::min(n, (i + 1) * grain));
    return;
  }
  std::atomic<std::int64_t> next{0};
  detail::ThreadTeam::instance().run(team - 1, [&] {
    for (std::int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < pieces;)
      f(i * grain, std::min(n, (i + 1) * grain));
  });
}

}  // namespace tenzo
