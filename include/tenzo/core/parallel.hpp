// Parallel loops whose result does not depend on the number of threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#if defined(_OPENMP) && !defined(TENZO_STD_THREADS)
#include <omp.h>
#define TENZO_OPENMP 1
#endif

namespace tenzo {

namespace detail {

inline int hardware_threads() {
#ifdef TENZO_OPENMP
  return omp_get_max_threads();
#else
  return std::max(1, int(std::thread::hardware_concurrency()));
#endif
}

inline std::atomic<int>& thread_setting() {
  static std::atomic<int> n{hardware_threads()};
  return n;
}

inline thread_local bool inside_parallel = false;

/// The first exception of a parallel region, to be thrown again by the thread that opened it.
class FirstError {
 public:
  template <class F>
  void guard(F&& f) noexcept {
    try {
      f();
    } catch (...) {
      std::scoped_lock lock(mutex_);
      if (!error_) error_ = std::current_exception();
    }
  }
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::mutex mutex_;
  std::exception_ptr error_;
};

/// Runs `work()` on `n` threads, this one among them.
template <class F>
void on_threads(int n, F&& work) {
  FirstError first;
  auto body = [&] {
    inside_parallel = true;
    first.guard(work);
    inside_parallel = false;
  };
#ifdef TENZO_OPENMP
#pragma omp parallel num_threads(n)
  body();
#else
  std::vector<std::jthread> others;
  for (int i = 1; i < n; ++i) others.emplace_back(body);
  body();
  others.clear();
#endif
  first.rethrow();
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
template <class F>
void parallel_for(std::int64_t n, std::int64_t grain, F&& f) {
  if (n <= 0) return;
  grain = std::max<std::int64_t>(1, grain);
  const std::int64_t pieces = (n + grain - 1) / grain;
  const int team = int(std::min<std::int64_t>(threads(), pieces));
  if (team <= 1 || detail::inside_parallel) {
    for (std::int64_t i = 0; i < pieces; ++i) f(i * grain, std::min(n, (i + 1) * grain));
    return;
  }
  std::atomic<std::int64_t> next{0};
  detail::on_threads(team, [&] {
    for (std::int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < pieces;)
      f(i * grain, std::min(n, (i + 1) * grain));
  });
}

}  // namespace tenzo
