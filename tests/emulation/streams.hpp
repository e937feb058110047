// Streams, events and graphs: what was asked for and is still to be done, and what must be done before.
//
// Nothing is done when it is asked for. A synchronisation does what it waits for, and perhaps other things, in an order
// that the schedule chooses among those that CUDA allows. To the thread sanitizer each stream is a thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "launch.hpp"
#include "memory.hpp"
#include "sanitizers.hpp"

namespace tenzo::emulation {

/// Something that a stream does: a launch, a copy, or with no work a mark between others.
struct Operation {
  using Pointer = std::shared_ptr<Operation>;

  std::function<void()> work;
  std::vector<Pointer> after;
  Strands* strands = nullptr;
  bool done = false;
  std::chrono::steady_clock::time_point time;  // when it was done
  char issued_tag = 0, done_tag = 0;
};

/// What a graph allocates: one address for all its launches.
struct GraphMemory {
  std::vector<const void*> blocks;
  ~GraphMemory() {
    for (const void* p : blocks) Memory::instance().destroy(p);
  }
};

}  // namespace tenzo::emulation

struct CUstream_st {
  tenzo::emulation::Strands* strands;
  tenzo::emulation::Operation::Pointer last = {};
  bool blocking = true;  // waits for the legacy stream, and that for it
  struct CUgraph_st* capture = nullptr;
  tenzo::emulation::Operation::Pointer captured = {};  // the last of the capture
};

struct CUevent_st {
  tenzo::emulation::Operation::Pointer mark;
  struct CUgraph_st* capture = nullptr;  // that the mark is part of
};

/// Operations to be done again and again.
struct CUgraph_st {
  std::vector<tenzo::emulation::Operation::Pointer> nodes;  // each behind those it comes after
  std::shared_ptr<tenzo::emulation::GraphMemory> memory;    // that was allocated in the capture
  CUstream_st* origin = nullptr;
  bool broken = false;  // by a call that can not be captured
};

struct CUgraphExec_st {
  std::vector<tenzo::emulation::Operation::Pointer> nodes;
  std::shared_ptr<tenzo::emulation::GraphMemory> memory;
};

namespace tenzo::emulation {

/// What all streams are still to do.
class Queue {
  std::deque<Operation::Pointer> pending_;  // in the order of the calls
  int streams_made_ = 0;
  std::vector<Strands*> free_strands_;

 public:
  using Pointer = Operation::Pointer;

  static Queue& instance() {
    static auto* const queue = new Queue;
    return *queue;
  }

  CUstream_st legacy{take_strands()};
  std::set<CUstream_st*> streams;  // that the host made

  /// Adds to a stream, or to the graph that it captures.
  Pointer issue(CUstream_st& stream, std::function<void()> work, std::vector<Pointer> after = {});
  /// Nothing to do, but to come after what was issued and `after`.
  Pointer mark(CUstream_st& stream, std::vector<Pointer> after = {});
  /// Adds copies of a graph's nodes.
  void issue_graph(CUstream_st& stream, const CUgraphExec_st& graph);

  /// Does what must be done for `op`, and what the schedule wants; then the host has seen what it did.
  void finish(const Pointer& op);
  void finish(const CUstream_st& stream) { finish(stream.last); }
  void finish_all();
  /// Whether it is done; if not, does one thing, so that who asks again and again comes to an end.
  bool ask(const Pointer& op);

  /// Strands for a stream, perhaps those of one that is gone.
  Strands* take_strands();
  void give_strands(Strands* s) { free_strands_.push_back(s); }

 private:
  void add(const Pointer& op);
  void skip_done();
  void step(const Pointer& op);
  Operation* any();
  static const Pointer* not_done(const Operation& op);
  static void run(Operation& op);
};

}  // namespace tenzo::emulation
