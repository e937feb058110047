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
#include <unordered_map>
#include <utility>
#include <vector>

#include "memory.hpp"
#include "sanitizers.hpp"
#include "schedule.hpp"
#include "tenzo/core/error.hpp"

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

class Queue {
  std::deque<Operation::Pointer> pending_;  // in the order of the calls
  std::uint64_t steps_ = 0;
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
  Pointer issue(CUstream_st& stream, std::function<void()> work, std::vector<Pointer> after = {}) {
    auto op = std::make_shared<Operation>();
    op->work = std::move(work), op->after = std::move(after), op->strands = stream.strands;
    Pointer& last = stream.capture ? stream.captured : stream.last;
    if (last) op->after.push_back(last);
    last = op;
    if (stream.capture) {
      stream.capture->nodes.push_back(op);
      return op;
    }
    if (&stream == &legacy) {
      for (const CUstream_st* s : streams)
        if (s->blocking && s->last) op->after.push_back(s->last);
    } else if (stream.blocking && legacy.last) {
      op->after.push_back(legacy.last);
    }
    add(op);
    return op;
  }

  /// Nothing to do, but to come after what was issued and `after`.
  Pointer mark(CUstream_st& stream, std::vector<Pointer> after = {}) { return issue(stream, {}, std::move(after)); }

  /// Adds copies of a graph's nodes.
  void issue_graph(CUstream_st& stream, const CUgraphExec_st& graph) {
    const Pointer begin = mark(stream);
    std::unordered_map<const Operation*, Pointer> copies;
    std::vector<Pointer> all;
    for (const Pointer& node : graph.nodes) {
      auto op = std::make_shared<Operation>();
      op->work = node->work, op->strands = node->strands, op->after = {begin};
      for (const Pointer& before : node->after) op->after.push_back(copies.at(before.get()));
      copies[node.get()] = op;
      all.push_back(op);
      add(op);
    }
    mark(stream, std::move(all));
  }

  /// Does what must be done for `op`, and what the schedule wants; then the host has seen what it did.
  void finish(const Pointer& op) {
    if (!op) return;
    while (!op->done) step(op);
    acquire(&op->done_tag);
  }
  void finish(const CUstream_st& stream) { finish(stream.last); }
  void finish_all() {
    while (!pending_.empty()) {
      const Pointer op = pending_.front();
      finish(op);
      skip_done();
    }
    finish(legacy);
    for (const CUstream_st* s : streams) finish(*s);
  }

  /// Whether it is done; if not, does one thing, so that who asks again and again comes to an end.
  bool ask(const Pointer& op) {
    if (op && !op->done) step(op);
    if (op && !op->done) return false;
    finish(op);
    return true;
  }

  /// Strands for a stream, perhaps those of one that is gone.
  Strands* take_strands() {
    if (free_strands_.empty()) return new Strands{Strand::make(cat("stream ", streams_made_++))};
    Strands* const s = free_strands_.back();
    free_strands_.pop_back();
    return s;
  }
  void give_strands(Strands* s) { free_strands_.push_back(s); }

 private:
  void add(const Pointer& op) {
    release(&op->issued_tag);
    pending_.push_back(op);
  }

  void skip_done() {
    while (!pending_.empty() && pending_.front()->done) pending_.pop_front();
  }
  /// Something that the operation must wait for.
  static const Pointer* not_done(const Operation& op) {
    for (const Pointer& p : op.after)
      if (!p->done) return &p;
    return nullptr;
  }

  /// Does one thing on the way to `op`.
  void step(const Pointer& op) {
    skip_done();
    Operation* at = op.get();
    switch (schedule().order) {
      case Order::ascending: at = pending_.front().get(); break;
      case Order::random: at = any(); break;
      case Order::descending:
      case Order::warp_greedy:  // only what it must wait for
        while (const Pointer* before = not_done(*at)) at = before->get();
    }
    run(*at);
  }
  Operation* any() {
    std::vector<Operation*> can;
    for (std::size_t i = 0; i < std::min<std::size_t>(pending_.size(), 64); ++i)
      if (!pending_[i]->done && !not_done(*pending_[i])) can.push_back(pending_[i].get());
    Dice dice(schedule().seed * 0x10001 + ++steps_);
    return can[dice.below(can.size())];
  }

  static void run(Operation& op) {
    const Strand host = Strand::current();
    op.strands->stream.enter();
    acquire(&op.issued_tag);
    for (const Pointer& before : op.after) acquire(&before->done_tag);
    if (op.work) op.work();
    release(&op.done_tag);
    host.enter();
    op.done = true;
    op.time = std::chrono::steady_clock::now();
    op.after.clear();
    op.work = {};
  }
};

}  // namespace tenzo::emulation
