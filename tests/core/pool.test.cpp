// The pool: size classes, reuse, counts, limits, and blocks of several threads.
#include "tenzo/core/pool.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <thread>
#include <vector>

#include "tenzo/core/tensor.hpp"

using namespace tenzo;

TEST_CASE("pool: a class holds what was asked, an eighth more at most, and is a class of its own") {
  std::size_t last = 0;
  for (std::size_t n : {0, 1, 63, 64, 65, 1000, 1024, 1025, 1152, 1153, 4096, 4097, 100000, 1 << 20, (1 << 20) + 1}) {
    const std::size_t c = Pool::class_size(n);
    CAPTURE(n);
    CHECK(c >= n);
    CHECK(c >= last);
    CHECK(c % Pool::alignment == 0);
    if (n > 1024) CHECK(c - n <= n / 8);
    else CHECK(c - n <= 64);
    CHECK(Pool::class_size(c) == c);
    last = c;
  }
}

TEST_CASE("pool: freed blocks come back, aligned; the counts say so") {
  Pool pool;
  const auto [a, a_size] = pool.allocate(5000);
  CHECK(reinterpret_cast<std::uintptr_t>(a) % Pool::alignment == 0);
  const std::size_t size = Pool::class_size(5000);
  CHECK(pool.statistics().in_use == size);
  CHECK(pool.statistics().fresh == 1);
  CHECK(a_size == size);
  pool.release(a, a_size);
  CHECK(pool.statistics().in_use == 0);
  CHECK(pool.statistics().cached == size);
  const auto [b, b_size] = pool.allocate(4900);  // of the same class
  CHECK(b == a);
  CHECK(pool.statistics().requests == 2);
  CHECK(pool.statistics().fresh == 1);
  CHECK(pool.statistics().cached == 0);
  CHECK(pool.statistics().peak == size);
  void* c = pool.allocate(64).data;
  CHECK(pool.statistics().peak == size + 64);
  pool.release(b, b_size);
  pool.reset_peak();
  CHECK(pool.statistics().peak == 64);
  pool.release(c, 64);
  pool.trim();
  CHECK(pool.statistics().cached == 0);
}

TEST_CASE("pool: beyond its limit the largest blocks go back to the system") {
  Pool pool;
  pool.set_limit(2000);
  void *small = pool.allocate(512).data, *large = pool.allocate(4096).data, *medium = pool.allocate(1024).data;
  pool.release(small, 512);
  pool.release(medium, 1024);
  CHECK(pool.statistics().cached == 1536);
  pool.release(large, 4096);
  CHECK(pool.statistics().cached == 1536);
  pool.set_limit(600);
  CHECK(pool.statistics().cached == 512);
  pool.trim(512);
  CHECK(pool.statistics().cached == 512);
  pool.trim();
  CHECK(pool.statistics().cached == 0);
}

TEST_CASE("pool: what is kept and what is in use exceed the largest use by the excess at most") {
  Pool pool;
  constexpr std::size_t mb = 1 << 20;
  pool.set_excess(mb);
  const auto a = pool.allocate(4 * mb), b = pool.allocate(6 * mb);  // largest use: 10 MB
  pool.release(a.data, a.size);
#ifndef TENZO_NO_ARENA
  CHECK(pool.statistics().cached == 4 * mb);  // all of it is below the largest use
  const auto c = pool.allocate(5 * mb);       // does not fit into what is kept
  CHECK(pool.statistics().cached == 0);
  pool.release(b.data, b.size);
  CHECK(pool.statistics().cached == 6 * mb);
  pool.release(c.data, c.size);
  CHECK(pool.statistics().cached == 11 * mb);
  const auto again = pool.allocate(10 * mb);  // 11 MB of its own and one besides, of which one may stay
  CHECK(pool.statistics().cached <= mb);
  pool.release(again.data, again.size);
#else
  pool.release(b.data, b.size);
#endif
  pool.set_excess(0);
  CHECK(pool.statistics().cached <= 11 * mb);
  pool.trim();
  CHECK(pool.statistics().cached == 0);
}

// The sanitizers end the program where memory is refused.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define TENZO_NO_REFUSAL 1
#endif
#endif
#if !defined(TENZO_NO_REFUSAL) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("pool: a request that is refused leaves no trace") {
  Pool pool;
  CHECK_THROWS_AS(pool.allocate(SIZE_MAX / 2), std::bad_alloc);
  CHECK(pool.statistics().in_use == 0);
  CHECK(pool.statistics().peak == 0);
}
#endif

TEST_CASE("pool: large blocks that lie side by side join, and are cut anew") {
  Pool pool;
  constexpr std::size_t mb = 1 << 20;
  const auto a = pool.allocate(mb), b = pool.allocate(2 * mb), c = pool.allocate(mb);
  std::memset(b.data, 7, b.size);
  pool.release(a.data, a.size);
  pool.release(c.data, c.size);
  CHECK(static_cast<unsigned char*>(b.data)[b.size - 1] == 7);  // nobody's neighbour touched it
  pool.release(b.data, b.size);
#ifndef TENZO_NO_ARENA
  CHECK(pool.statistics().cached == 4 * mb);
  const std::size_t fresh = pool.statistics().fresh;
  const auto whole = pool.allocate(4 * mb);
  CHECK(whole.data == a.data);
  pool.release(whole.data, whole.size);
  const auto d = pool.allocate(3 * mb - 5000), e = pool.allocate(mb + 4096);
  CHECK(static_cast<char*>(e.data) == static_cast<char*>(d.data) + d.size);
  CHECK(pool.statistics().fresh == fresh);
  pool.release(d.data, d.size);
  pool.release(e.data, e.size);
#endif
  pool.trim();
  CHECK(pool.statistics().cached == 0);
  const auto again = pool.allocate(4 * mb);  // its pages were given back: they are zero
  CHECK(again.size == 4 * mb);
#ifndef TENZO_NO_ARENA
  CHECK(again.data == a.data);
  CHECK(static_cast<unsigned char*>(again.data)[2 * mb] == 0);
#endif
  pool.release(again.data, again.size);
}

TEST_CASE("pool: large blocks never overlap, whatever the order, and the limit holds") {
  Pool pool;
  pool.set_limit(8 << 20);
  struct Held {
    Pool::Block block;
    unsigned char mark;
  };
  std::vector<Held> held;
  std::uint64_t x = 12345;
  std::size_t wrong = 0, live = 0;
  for (int i = 0; i < 3000; ++i) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    const std::size_t n = std::size_t(x >> 33) % (3 << 20) + 1;
    if (held.size() > 12 || (x >> 20) % 3 == 0) {
      if (held.empty()) continue;
      const std::size_t k = std::size_t(x >> 40) % held.size();
      const auto [block, mark] = held[k];
      const auto* p = static_cast<const unsigned char*>(block.data);
      for (std::size_t j = 0; j < block.size; j += 997) wrong += p[j] != mark;
      live -= block.size;
      pool.release(block.data, block.size);
      held.erase(held.begin() + std::ptrdiff_t(k));
    } else {
      const Pool::Block b = pool.allocate(n);
      const auto mark = static_cast<unsigned char>(i);
      std::memset(b.data, mark, b.size);
      live += b.size;
      held.push_back({b, mark});
    }
    wrong += pool.statistics().in_use != live;
    wrong += pool.statistics().cached > (8 << 20);
  }
  CHECK(wrong == 0);
  for (const Held& h : held) pool.release(h.block.data, h.block.size);
  CHECK(pool.statistics().in_use == 0);
}

TEST_CASE("pool: a loop in steady state takes nothing from the system") {
  const auto step = [] {
    Tensor<float> a(Shape{100, 30}), b(Shape{7}), c = Tensor<float>::zeros({1000});
    const Tensor<float> d = c.clone();
    return a.size() + b.size() + d.size();
  };
  step();
  const std::size_t before = Pool::instance().statistics().fresh;
  for (int i = 0; i < 100; ++i) CHECK(step() == 4007);
  CHECK(Pool::instance().statistics().fresh == before);
}

TEST_CASE("pool: threads never share a block") {
  Pool pool;
  std::atomic<int> mixed{0};
  const auto work = [&](unsigned char mark) {
    for (int i = 0; i < 2000; ++i) {
      const std::size_t n = std::size_t(64 + i % 7 * 64);
      void* p = pool.allocate(n).data;
      std::memset(p, mark, n);
      for (std::size_t k = 0; k < n; k += 63) mixed += static_cast<unsigned char*>(p)[k] != mark;
      pool.release(p, n);
    }
  };
  std::thread other(work, 1);
  work(2);
  other.join();
  CHECK(mixed == 0);
  CHECK(pool.statistics().in_use == 0);
  pool.trim();
}
