// What tests ask the emulation.
#pragma once

#include <utility>

#include "access.hpp"
#include "runtime.hpp"

namespace tenzo::emulation {

/// Does all that is still to be done. Throws Error if something went wrong that nobody asked for, or if allocations,
/// streams, events or graphs were not given back; what was told once is not told again. For the end of a test.
void expect_clean();

/// What the kernels that f launches move through load, store and atomics.
template <class F>
Traffic traffic_of(F&& f) {
  {
    const Call call;
    Queue::instance().finish_all();
    traffic = {};
  }
  std::forward<F>(f)();
  const Call call;
  Queue::instance().finish_all();
  return traffic;
}

}  // namespace tenzo::emulation
