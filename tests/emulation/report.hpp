// What tests ask the emulation.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "runtime_streams.hpp"

namespace tenzo::emulation {

/// Does all that is still to be done. Throws Error if something went wrong that nobody asked for, or if allocations,
/// streams, events or graphs were not given back; what was told once is not told again. For the end of a test.
inline void expect_clean() {
  static std::uint64_t allocations_told = 0;
  static std::size_t handles_told = 0;
  const Call call;
  Queue::instance().finish_all();
  std::string text;
  const auto tell = [&text](const auto&... parts) { text += cat(text.empty() ? "" : "; ", parts...); };
  if (LastError::instance().ask() != cudaSuccess) tell("an error that nobody asked for: ", last_report().text);
  for (const auto& [start, a] : Memory::instance().all())
    if (a.number > allocations_told && !a.graph)
      tell(a.bytes, a.place == Allocation::Place::device ? " bytes of the device" : " bytes of pinned memory",
           " were not freed (allocation ", a.number, ")");
  allocations_told = Memory::instance().made();
  const Handles& h = handles();
  const std::size_t now = Queue::instance().streams.size() + h.events.size() + h.graphs.size() + h.executables.size();
  if (now > handles_told)
    tell("not destroyed: ", Queue::instance().streams.size(), " streams, ", h.events.size(), " events, ",
         h.graphs.size(), " graphs, ", h.executables.size(), " executable graphs");
  handles_told = now;
  if (!text.empty()) throw Error("emulation: " + text);
}

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
