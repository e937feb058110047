#include "streams.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "linkage.hpp"
#include "schedule.hpp"
#include "tenzo/core/error.hpp"

namespace tenzo::emulation {

TENZO_IN_LIBRARY Queue::Pointer Queue::issue(CUstream_st& stream, std::function<void()> work,
                                             std::vector<Pointer> after) {
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

TENZO_IN_LIBRARY Queue::Pointer Queue::mark(CUstream_st& stream, std::vector<Pointer> after) {
  return issue(stream, {}, std::move(after));
}

TENZO_IN_LIBRARY void Queue::issue_graph(CUstream_st& stream, const CUgraphExec_st& graph) {
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

TENZO_IN_LIBRARY void Queue::finish(const Pointer& op) {
  if (!op) return;
  while (!op->done) step(op);
  acquire(&op->done_tag);
}
TENZO_IN_LIBRARY void Queue::finish_all() {
  while (!pending_.empty()) {
    const Pointer op = pending_.front();
    finish(op);
    skip_done();
  }
  finish(legacy);
  for (const CUstream_st* s : streams) finish(*s);
}

TENZO_IN_LIBRARY bool Queue::ask(const Pointer& op) {
  if (op && !op->done) step(op);
  if (op && !op->done) return false;
  finish(op);
  return true;
}

TENZO_IN_LIBRARY Strands* Queue::take_strands() {
  if (free_strands_.empty()) return new Strands{Strand::make(cat("stream ", streams_made_++))};
  Strands* const s = free_strands_.back();
  free_strands_.pop_back();
  return s;
}

TENZO_IN_LIBRARY void Queue::add(const Pointer& op) {
  release(&op->issued_tag);
  pending_.push_back(op);
}

TENZO_IN_LIBRARY void Queue::skip_done() {
  while (!pending_.empty() && pending_.front()->done) pending_.pop_front();
}
/// Something that the operation must wait for.
TENZO_IN_LIBRARY const Queue::Pointer* Queue::not_done(const Operation& op) {
  for (const Pointer& p : op.after)
    if (!p->done) return &p;
  return nullptr;
}

/// Does one thing on the way to `op`.
TENZO_IN_LIBRARY void Queue::step(const Pointer& op) {
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
TENZO_IN_LIBRARY Operation* Queue::any() {
  std::vector<Operation*> can;
  for (std::size_t i = 0; i < std::min<std::size_t>(pending_.size(), 64); ++i)
    if (!pending_[i]->done && !not_done(*pending_[i])) can.push_back(pending_[i].get());
  return can[running().dice().below(can.size())];
}

TENZO_IN_LIBRARY void Queue::run(Operation& op) {
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

}  // namespace tenzo::emulation
