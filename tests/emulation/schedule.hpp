// The order in which threads, blocks and streams run where CUDA leaves it open.
#pragma once

#include <bit>
#include <cstdint>
#include <numeric>
#include <ostream>

namespace tenzo::emulation {

enum class Order { ascending, descending, warp_greedy, random };

/// One way to run everything.
///   ascending    blocks in order, threads by turns in order; streams in the order of the calls
///   descending   the same backwards; of the streams only what a synchronisation asks for
///   warp_greedy  a warp as far as it can go before the next; of the streams only what a synchronisation asks for
///   random       threads, blocks and streams by the seed: at times fair, at times one warp far ahead
struct Schedule {
  Order order = Order::ascending;
  std::uint64_t seed = 0;

  friend std::ostream& operator<<(std::ostream& o, const Schedule& s) {
    constexpr const char* names[] = {"ascending", "descending", "warp-greedy", "random "};
    o << names[int(s.order)];
    return s.order == Order::random ? o << s.seed : o;
  }
};

/// SplitMix64.
class Dice {
 public:
  explicit Dice(std::uint64_t seed = 0) : state_(seed) {}
  std::uint64_t operator()() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  std::uint64_t below(std::uint64_t n) { return (*this)() % n; }

 private:
  std::uint64_t state_;
};

/// The schedule of what runs now, and dice for each launch and each choice of a stream. They depend on how many were
/// given since the schedule was set, so that a test behaves the same alone and among others.
struct Running {
  Schedule schedule;
  std::uint64_t given = 0;

  Dice dice() { return Dice(schedule.seed * 0x10001 + ++given); }
};
inline Running& running() {
  static Running r;
  return r;
}
inline const Schedule& schedule() { return running().schedule; }

/// While it lives, everything runs under this schedule.
class Under {
 public:
  explicit Under(const Schedule& s) : before_(running()) { running() = {s}; }
  Under(const Under&) = delete;
  Under& operator=(const Under&) = delete;
  ~Under() { running() = before_; }

 private:
  Running before_;
};

/// Calls `f(schedule)` under each of the fixed schedules and under `random` random ones.
template <class F>
void for_all_schedules(F&& f, int random = 3) {
  const auto under = [&f](const Schedule& s) {
    const Under scope(s);
    f(s);
  };
  for (const Order order : {Order::ascending, Order::descending, Order::warp_greedy}) under({order});
  for (int i = 1; i <= random; ++i) under({Order::random, std::uint64_t(i)});
}

/// Chooses the thread of a block that runs next.
class Turns {
 public:
  Turns(const Schedule& s, const Dice& dice) : order_(s.order), dice_(dice) {
    constexpr std::uint64_t stay[] = {0, 1, 7, 63};  // a warp that can go on does so with probability n / (n + 1)
    stay_ = stay[dice_.below(4)];
  }

  /// The block's number, of the i-th that runs of n.
  std::uint64_t block(std::uint64_t i, std::uint64_t n) {
    if (order_ == Order::descending) return n - 1 - i;
    if (order_ != Order::random) return i;
    if (i == 0) {
      shift_ = dice_.below(n);
      do step_ = 1 + dice_.below(n);
      while (std::gcd(step_, n) != 1);
    }
    return std::uint64_t((static_cast<unsigned __int128>(i) * step_ + shift_) % n);
  }

  /// The next of the threads whose bits are set in `ready`, where `last` ran last (or -1); -1 if there is none.
  int next(const unsigned* ready, int count, int last) {
    switch (order_) {
      case Order::ascending: return after(ready, count, last);
      case Order::descending: return before(ready, count, last);
      case Order::warp_greedy:
        if (last >= 0 && ready[last / 32] != 0) return last / 32 * 32 + std::countr_zero(ready[last / 32]);
        return after(ready, count, last);
      case Order::random: return any(ready, count, last);
    }
    return -1;
  }

 private:
  static int after(const unsigned* ready, int count, int last) {
    int first = (last + 1) / 32;
    if (first < count) {
      if (const unsigned m = ready[first] & (~0u << ((last + 1) % 32))) return first * 32 + std::countr_zero(m);
      ++first;
    }
    for (int i = 0; i < count; ++i) {
      const int w = (first + i) % count;
      if (ready[w]) return w * 32 + std::countr_zero(ready[w]);
    }
    return -1;
  }
  static int before(const unsigned* ready, int count, int last) {
    const int from = last < 0 ? count * 32 : last, first = (from - 1 + 32 * count) / 32 % count;
    if (const unsigned m = from % 32 ? ready[first] & ~(~0u << (from % 32)) : ready[first])
      return first * 32 + 31 - std::countl_zero(m);
    for (int i = 1; i <= count; ++i) {
      const int w = (first - i + count) % count;
      if (ready[w]) return w * 32 + 31 - std::countl_zero(ready[w]);
    }
    return -1;
  }
  int any(const unsigned* ready, int count, int last) {
    int w = last / 32;
    if (last < 0 || ready[w] == 0 || dice_.below(stay_ + 1) == 0) {
      const int start = int(dice_.below(std::uint64_t(count)));
      for (w = start; ready[w] == 0;)
        if ((w = (w + 1) % count) == start) return -1;
    }
    unsigned m = ready[w];
    for (auto skip = dice_.below(std::uint64_t(std::popcount(m))); skip > 0; --skip) m &= m - 1;
    return w * 32 + std::countr_zero(m);
  }

  Order order_;
  Dice dice_;
  std::uint64_t stay_ = 0, shift_ = 0, step_ = 1;
};

}  // namespace tenzo::emulation
