#include "report.hpp"

#include <cstdint>
#include <string>

#include "linkage.hpp"
#include "runtime_streams.hpp"
#include "tenzo/core/error.hpp"

namespace tenzo::emulation {

TENZO_IN_LIBRARY void expect_clean() {
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

}  // namespace tenzo::emulation
