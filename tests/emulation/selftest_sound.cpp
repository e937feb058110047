// Sound kernels of awkward sizes: under every schedule, and in every build, the right values and not a word.

#include <algorithm>
#include <cmath>
#include <numeric>

#include "faults/reductions.cuh"
#include "faults/tiles.cuh"
#include "faults/waits.cuh"
#include "selftest.hpp"
#include "tenzo/core/dtype.hpp"

using namespace tenzo;
using namespace tenzo::selftest;

namespace {

/// Schedules for the sanitizers, which are slow, too.
void every_schedule(const std::function<void()>& f) {
  for_all_schedules(
      [&](const Schedule& s) {
        CAPTURE(s);
        f();
      },
      thread_sanitizer ? 1 : 3);
  CHECK_NOTHROW(emulation::expect_clean());
}

}  // namespace

TEST_CASE("sound: sums of blocks") {
  for (const std::int64_t n : {1, 31, 32, 33, 255, 256, 257, 1000, 5000})
    for (const int threads : {32, 96, 256}) {
      CAPTURE(n);
      CAPTURE(threads);
      const std::vector<float> x = ramp(n);
      const float want = std::accumulate(x.begin(), x.end(), 0.0f);  // of small integers: exact in any order
      every_schedule([&] {
        const std::int64_t blocks = blocks_for(n, threads, 3);
        const DeviceArray<float> dx(x), sums(blocks);
        launch(faults::BlockSums<>{dx.data(), sums.data(), n}, blocks, threads);
        const auto y = sums.to_host();
        CHECK(std::accumulate(y.begin(), y.end(), 0.0f) == want);
      });
    }
}

TEST_CASE("sound: standardised rows") {
  for (const std::int64_t n : {1, 2, 31, 64, 257, 300}) {
    CAPTURE(n);
    const std::int64_t rows = 3;
    const std::vector<float> x = ramp(rows * n, 0.5f);
    std::vector<float> first;
    every_schedule([&] {
      const DeviceArray<float> dx(x), dy(rows * n);
      launch(faults::StandardiseRows<>{dx.data(), dy.data(), n}, rows, 64);
      const auto y = dy.to_host();
      for (std::int64_t r = 0; r < rows; ++r) {
        const auto row = x.begin() + r * n;
        double mean = 0, variance = 0;
        for (std::int64_t i = 0; i < n; ++i) mean += row[i] / double(n);
        for (std::int64_t i = 0; i < n; ++i) variance += (row[i] - mean) * (row[i] - mean) / double(n);
        for (std::int64_t i = 0; i < n; ++i)
          CHECK(y[std::size_t(r * n + i)] ==
                doctest::Approx((row[i] - mean) / std::sqrt(variance + 1e-5)).epsilon(1e-4));
      }
      if (first.empty()) first = y;
      CHECK(y == first);  // the order of sums is fixed, so the schedule does not show
    });
  }
}

TEST_CASE_TEMPLATE("sound: products of tiles", T, float, half) {
  struct Size {
    int m, n, k;
  };
  for (const Size size : {Size{1, 1, 1}, Size{16, 16, 16}, Size{17, 5, 33}, Size{31, 40, 15}}) {
    const int m = size.m, n = size.n, k = size.k;
    CAPTURE(m);
    CAPTURE(n);
    CAPTURE(k);
    std::vector<T> a, b, want(std::size_t(m * n), T(0.0f));
    for (const float v : ramp(m * k)) a.push_back(T(v));
    for (const float v : ramp(k * n)) b.push_back(T(v - 5));
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < n; ++j) {
        float sum = 0;
        for (int l = 0; l < k; ++l) sum += float(a[std::size_t(i * k + l)]) * float(b[std::size_t(l * n + j)]);
        want[std::size_t(i * n + j)] = T(sum);
      }
    every_schedule([&] {
      const DeviceArray<T> da(a), db(b), dc(m * n);
      launch(faults::TiledMatmul<T>{da.data(), db.data(), dc.data(), m, n, k}, {ceil_div(n, 16), ceil_div(m, 16)},
             {16, 16});
      const auto c = dc.to_host();
      CHECK(std::equal(c.begin(), c.end(), want.begin(), [](T x, T y) { return float(x) == float(y); }));
    });
  }
}

TEST_CASE_TEMPLATE("sound: transposes", T, float, double, int) {
  struct Size {
    int m, n;
  };
  for (const Size size : {Size{1, 1}, Size{32, 32}, Size{33, 31}, Size{5, 100}}) {
    const int m = size.m, n = size.n;
    CAPTURE(m);
    CAPTURE(n);
    std::vector<T> x(std::size_t(m * n));
    std::iota(x.begin(), x.end(), T(1));
    every_schedule([&] {
      const DeviceArray<T> dx(x), dy(m * n);
      launch(faults::Transpose<T>{dx.data(), dy.data(), m, n}, {ceil_div(n, 32), ceil_div(m, 32)}, {32, 8});
      const auto y = dy.to_host();
      bool right = true;
      for (int i = 0; i < m; ++i)
        for (int j = 0; j < n; ++j) right &= y[std::size_t(j * m + i)] == x[std::size_t(i * n + j)];
      CHECK(right);
    });
  }
}

TEST_CASE("sound: atomic sums, within warps, across warps and across blocks") {
  for (const std::int64_t n : {1, 33, 256, 777})
    for (const unsigned every : {1u, 32u}) {
      CAPTURE(n);
      std::vector<int> x(static_cast<std::size_t>(n));
      std::iota(x.begin(), x.end(), 1);
      int want = 0;
      for (std::size_t i = 0; i < x.size(); ++i) want += i % 128 % every == 0 ? x[i] : 0;
      every_schedule([&] {
        const DeviceArray<int> dx(x), dy(1);
        set_bytes(dy.data(), 0, sizeof(int));
        launch(faults::AddAll<>{dx.data(), dy.data(), n, every}, blocks_for(n, 128), 128);
        CHECK(dy.to_host()[0] == want);
      });
    }
}

TEST_CASE("sound: one launch, where the last block adds up") {
  for (const std::int64_t n : {1, 64, 65, 1000}) {
    CAPTURE(n);
    const std::vector<float> x = ramp(n);
    every_schedule([&] {
      const std::int64_t blocks = blocks_for(n, 64);
      const DeviceArray<float> dx(x), parts(blocks), y(1);
      const DeviceArray<unsigned> ticket(1);
      set_bytes(ticket.data(), 0, sizeof(unsigned));
      launch(faults::TicketSum<>{dx.data(), parts.data(), y.data(), ticket.data(), n}, blocks, 64);
      CHECK(y.to_host()[0] == std::accumulate(x.begin(), x.end(), 0.0f));
    });
  }
}

TEST_CASE("sound: scans") {
  for (const int n : {1, 255, 256, 257, 600}) {
    CAPTURE(n);
    std::vector<int> x(static_cast<std::size_t>(n)), want(x.size());
    std::iota(x.begin(), x.end(), -7);
    std::partial_sum(x.begin(), x.end(), want.begin());
    every_schedule([&] {
      const DeviceArray<int> dx(x), dy(n);
      launch(faults::Scan<>{dx.data(), dy.data(), n}, 1, n % 2 ? 256 : 64);
      CHECK(dy.to_host() == want);
    });
  }
}

TEST_CASE("sound: lanes exchange through shared memory") {
  every_schedule([] {
    const DeviceArray<int> y(64);
    launch(faults::WarpExchange<true>{y.data()}, 1, 64);
    const auto v = y.to_host();
    for (int i = 0; i < 64; ++i) CHECK(v[std::size_t(i)] == (i ^ 1));
  });
}
