// Parallel loops: every piece once, whatever the threads; exceptions; loops in loops, beside and after each other.
#include "tenzo/core/parallel.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

using namespace tenzo;

namespace {

struct Threads {
  int before = threads();
  explicit Threads(int n) { set_threads(n); }
  ~Threads() { set_threads(before); }
};

std::set<std::pair<std::int64_t, std::int64_t>> pieces(std::int64_t n, std::int64_t grain) {
  std::set<std::pair<std::int64_t, std::int64_t>> seen;
  std::mutex mutex;
  parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end) {
    std::scoped_lock lock(mutex);
    CHECK(seen.emplace(begin, end).second);
  });
  return seen;
}

}  // namespace

TEST_CASE("parallel_for: the pieces do not depend on the threads") {
  for (const auto& [n, grain] :
       {std::pair<std::int64_t, std::int64_t>{0, 4}, {-3, 4}, {1, 4}, {4, 4}, {5, 4}, {1000, 7}, {3, 0}}) {
    std::vector<std::set<std::pair<std::int64_t, std::int64_t>>> seen;
    for (int t : {1, 2, 3, 8}) {
      const Threads use(t);
      seen.push_back(pieces(n, grain));
      CHECK(seen.back() == seen.front());
    }
    CHECK(std::int64_t(seen.front().size()) == (n <= 0 ? 0 : grain == 0 ? n : (n + grain - 1) / grain));
  }
}

TEST_CASE("parallel_for: many short loops in a row, with pauses in which the helpers fall asleep") {
  const Threads use(3);
  std::vector<std::int64_t> count(64);
  for (int loop = 0; loop < 2000; ++loop) {
    parallel_for(64, 1, [&](std::int64_t begin, std::int64_t) { ++count[std::size_t(begin)]; });
    if (loop % 200 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  for (const std::int64_t c : count) CHECK(c == 2000);
}

TEST_CASE("parallel_for: an exception of a piece reaches the caller, and the next loop works") {
  for (int t : {1, 2, 4}) {
    const Threads use(t);
    const auto fails = [](std::int64_t begin, std::int64_t) {
      if (begin == 13) throw std::runtime_error("piece 13");
    };
    for (int again = 0; again < 20; ++again) {
      CHECK_THROWS_WITH_AS(parallel_for(100, 1, fails), "piece 13", std::runtime_error);
      CHECK(pieces(10, 1).size() == 10);
    }
  }
}

TEST_CASE("parallel_for: a loop within a piece runs on that piece's thread") {
  const Threads use(4);
  std::vector<int> stayed(20);
  parallel_for(20, 1, [&](std::int64_t i, std::int64_t) {
    const auto me = std::this_thread::get_id();
    parallel_for(5, 1, [&](std::int64_t, std::int64_t) { stayed[std::size_t(i)] += std::this_thread::get_id() == me; });
  });
  for (const int s : stayed) CHECK(s == 5);
}

TEST_CASE("parallel_for: loops of several threads at a time") {
  const Threads use(3);
  std::vector<std::vector<int>> count(4, std::vector<int>(50));
  std::vector<std::thread> users;
  for (auto& mine : count)
    users.emplace_back([&mine] {
      for (int loop = 0; loop < 300; ++loop)
        parallel_for(50, 2, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t i = begin; i < end; ++i) ++mine[std::size_t(i)];
        });
    });
  for (std::thread& user : users) user.join();
  for (const auto& mine : count) CHECK(mine == std::vector<int>(50, 300));
}

TEST_CASE("set_threads: at least one") {
  const Threads use(0);
  CHECK(threads() == 1);
}
