// What the schedules do, and that they are reproducible.

#include <algorithm>
#include <numeric>

#include "selftest.hpp"

using namespace tenzo;
using namespace tenzo::selftest;

namespace {

/// When each thread of a grid comes to its turn, before and after a wait of its warp.
struct Trace {
  int *clock, *first, *second;
  static constexpr int max_threads = 96;

  TENZO_DEVICE void operator()() const {
    store(first + thread_in_grid(), atomicAdd(clock, 1));
    __syncwarp();
    store(second + thread_in_grid(), atomicAdd(clock, 1));
    __syncthreads();
  }
};

struct Turns {
  std::vector<int> first, second;
  friend bool operator==(const Turns&, const Turns&) = default;
};
Turns trace(Schedule s, std::int64_t blocks = 1) {
  const Under under(s);
  const DeviceArray<int> clock(1), first(blocks * 96), second(blocks * 96);
  set_bytes(clock.data(), 0, sizeof(int));
  launch(Trace{clock.data(), first.data(), second.data()}, blocks, 96);
  return {first.to_host(), second.to_host()};
}

std::vector<int> counting(int from, int n) {
  std::vector<int> x(static_cast<std::size_t>(n));
  std::iota(x.begin(), x.end(), from);
  return x;
}

}  // namespace

TEST_CASE("schedules: who comes when") {
  const Turns up = trace({Order::ascending}), down = trace({Order::descending}), greedy = trace({Order::warp_greedy});
  CHECK(up.first == counting(0, 96));
  CHECK(up.second == counting(96, 96));
  for (std::size_t i = 0; i < 96; ++i) CHECK(down.first[i] == 95 - up.first[i]);
  for (std::size_t i = 0; i < 96; ++i) {  // a warp is through before the next begins
    CHECK(greedy.first[i] == int(i / 32 * 64 + i % 32));
    CHECK(greedy.second[i] / 64 == int(i / 32));
  }
  const Turns blocks = trace({Order::descending}, 3);
  CHECK(blocks.first[2 * 96] < blocks.first[0]);
}

TEST_CASE("schedules: a seed is an order") {
  std::vector<Turns> seen;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const Turns t = trace({Order::random, seed}, 2);
    CHECK(t == trace({Order::random, seed}, 2));
    CHECK(std::find(seen.begin(), seen.end(), t) == seen.end());
    seen.push_back(t);
  }
}

TEST_CASE("schedules: every block runs once") {
  for (const std::uint64_t n : {1ull, 2ull, 7ull, 64ull, 1000ull})
    for (const Order order : {Order::ascending, Order::descending, Order::warp_greedy, Order::random}) {
      emulation::Turns turns({order}, emulation::Dice(n));
      std::vector<std::uint64_t> blocks;
      for (std::uint64_t i = 0; i < n; ++i) blocks.push_back(turns.block(i, n));
      std::sort(blocks.begin(), blocks.end());
      for (std::uint64_t i = 0; i < n; ++i) CHECK(blocks[i] == i);
    }
}
