// Byte-pair encoding's loop: join the best pair of neighbours until none is left.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace tenzo::text {

/// A stretch of the text that is one token; neighbours are linked by index, −1 at the ends.
struct Symbol {
  std::int32_t id;     // −1: not in the vocabulary
  std::int32_t begin;  // bytes of the piece
  std::int32_t size;   // 0 once it has been joined to the symbol on its left
  std::int32_t previous, next;
};

/// What joining two neighbours gives; the smallest `priority` is joined first, ties from the left.
struct Join {
  static constexpr std::uint32_t never = UINT32_MAX;
  std::uint32_t priority = never;
  std::int32_t id = -1;
};

/// The symbols of one piece of text, and the queue of the joins that wait. Reused from piece to piece.
class MergeLoop {
 public:
  void clear() { symbols_.clear(); }

  void push(std::int32_t id, std::int32_t size) {
    const auto n = std::int32_t(symbols_.size());
    const std::int32_t begin = n == 0 ? 0 : symbols_.back().begin + symbols_.back().size;
    if (n > 0) symbols_.back().next = n;
    symbols_.push_back({id, begin, size, n - 1, -1});
  }

  /// Joins until `join(left, right)` offers nothing more. O(n log n) for n symbols, also for one long word: a join that
  /// waits is recognised as outdated when it comes up, by the bytes that it was to cover.
  template <class JoinOf>
  void run(JoinOf&& join) {
    waiting_.clear();
    const auto offer = [&](std::int32_t left, auto&& keep) {
      if (left < 0 || symbols_[std::size_t(left)].next < 0) return;
      const Symbol& l = symbols_[std::size_t(left)];
      const Symbol& r = symbols_[std::size_t(l.next)];
      if (const Join j = join(l, r); j.priority != Join::never)
        keep(Waiting{std::uint64_t(j.priority) << 32 | std::uint32_t(left), j.id, l.size + r.size});
    };
    for (std::int32_t i = 0; i + 1 < std::int32_t(symbols_.size()); ++i)
      offer(i, [&](const Waiting& w) { waiting_.push_back(w); });
    std::make_heap(waiting_.begin(), waiting_.end(), std::greater<>());

    while (!waiting_.empty()) {
      std::pop_heap(waiting_.begin(), waiting_.end(), std::greater<>());
      const Waiting w = waiting_.back();
      waiting_.pop_back();
      const auto at = std::int32_t(std::uint32_t(w.order));
      Symbol& l = symbols_[std::size_t(at)];
      if (l.size == 0 || l.next < 0) continue;
      Symbol& r = symbols_[std::size_t(l.next)];
      if (l.size + r.size != w.size) continue;
      l.id = w.id;
      l.size += r.size;
      l.next = r.next;
      r.size = 0;
      if (l.next >= 0) symbols_[std::size_t(l.next)].previous = at;
      const auto push = [&](const Waiting& next) {
        waiting_.push_back(next);
        std::push_heap(waiting_.begin(), waiting_.end(), std::greater<>());
      };
      offer(l.previous, push);
      offer(at, push);
    }
  }

  /// Calls f for the symbols that are left, in order.
  template <class F>
  void for_each(F&& f) const {
    for (std::int32_t i = symbols_.empty() ? -1 : 0; i >= 0; i = symbols_[std::size_t(i)].next)
      f(symbols_[std::size_t(i)]);
  }

 private:
  struct Waiting {
    std::uint64_t order;  // priority, then place of the left symbol
    std::int32_t id, size;
    bool operator>(const Waiting& other) const { return order > other.order; }
  };

  std::vector<Symbol> symbols_;
  std::vector<Waiting> waiting_;
};

}  // namespace tenzo::text
