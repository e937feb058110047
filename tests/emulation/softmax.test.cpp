#include "softmax.cuh"

#include "both.hpp"
#include "tenzo/ops/cpu/softmax.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

struct Lines {
  std::int64_t outer, n, inner;
  std::int64_t size() const { return outer * n * inner; }
};

/// Around a lane, a warp, a vector, the first block, and what shared memory holds of a row.
std::vector<Lines> all_lines() {
  std::vector<Lines> lines;
  for (const std::int64_t n : sizes({0,   1,   2,   3,    4,    5,    31,   32,   33,   127,  128,   129,  255,
                                     257, 511, 513, 1023, 1024, 1025, 1028, 2047, 4096, 5889, 11776, 11780},
                                    {1, 33, 128, 1028, 2049}))
    lines.push_back({n > 2000 ? 2 : 3, n, 1});
  lines.push_back({emulation::thread_sanitizer ? 40 : 700, 6, 1});
  for (const Lines l : {Lines{1, 1, 2}, {2, 3, 5}, {3, 31, 33}, {2, 32, 31}, {1, 33, 257}, {70, 5, 8}, {1, 300, 3}})
    lines.push_back(l);
  lines.push_back({0, 5, 1});
  lines.push_back({2, 0, 3});
  return lines;
}

/// Softmax's values have a relative error: 20 eps beside the largest of a line's. Those of logarithms are absolute, of
/// numbers of about 10.
constexpr double tolerance = 20;

template <class T, class F>
void check_lines(F&& f) {
  for (const Lines& l : all_lines())
    for (const int shift : {0, 1}) {
      if (shift && (l.n % 4 || l.n > 600)) continue;
      CAPTURE(l.outer);
      CAPTURE(l.n);
      CAPTURE(l.inner);
      CAPTURE(shift);
      under_schedules([&] { f(l, shift); }, l.size() > 1000);
    }
  emulation::expect_clean();
}

}  // namespace

TEST_CASE_TEMPLATE("logsumexp: any line", T, float, double) {
  check_lines<T>([](const Lines& l, int shift) {
    Both<T> x(normals<T>(l.size(), 1), shift), y(l.outer * l.inner);
    on_both([&](auto d) { logsumexp(d, l.outer, l.n, l.inner, x.at(d), y.at(d)); });
    CHECK(y.error() <= tolerance);
  });
}

TEST_CASE_TEMPLATE("softmax and log_softmax: any line, also in place", T, float, double) {
  check_lines<T>([](const Lines& l, int shift) {
    Both<T> x(normals<T>(l.size(), 1), shift), y(l.size(), shift), z(normals<T>(l.size(), 1));
    on_both([&](auto d) { softmax(d, l.outer, l.n, l.inner, x.at(d), y.at(d)); });
    CHECK(y.error() <= tolerance);
    on_both([&](auto d) { log_softmax(d, l.outer, l.n, l.inner, z.at(d), z.at(d)); });
    CHECK(z.error() <= tolerance);
  });
}

TEST_CASE_TEMPLATE("gradients of softmax, log_softmax and logsumexp: any line, also in place", T, float, double) {
  check_lines<T>([](const Lines& l, int shift) {
    Both<T> x(normals<T>(l.size(), 1), shift), g(normals<T>(l.size(), 2), shift), gx(l.size(), shift);
    Both<T> lse(l.outer * l.inner), gl(normals<T>(l.outer * l.inner, 3));
    on_both([&](auto d) { softmax_backward(d, l.outer, l.n, l.inner, x.at(d), g.at(d), gx.at(d)); });
    CHECK(gx.error() <= tolerance * 8);  // sums of terms of both signs, of n numbers
    on_both([&](auto d) { logsumexp(d, l.outer, l.n, l.inner, x.at(d), lse.at(d)); });
    on_both([&](auto d) { logsumexp_backward(d, l.outer, l.n, l.inner, x.at(d), lse.at(d), gl.at(d), gx.at(d)); });
    CHECK(gx.error() <= tolerance);
    on_both([&](auto d) { log_softmax(d, l.outer, l.n, l.inner, x.at(d), x.at(d)); });
    on_both([&](auto d) { log_softmax_backward(d, l.outer, l.n, l.inner, x.at(d), g.at(d), g.at(d)); });
    CHECK(g.error() <= tolerance * 8);
  });
}

TEST_CASE_TEMPLATE("softmax of infinities, NaN and far apart numbers", T, float, double) {
  constexpr T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  const std::vector<std::vector<T>> lines{
      {-inf, -inf, -inf, -inf}, {-inf, 1, 2, -inf}, {inf, 1, 2, 3},  {inf, inf, 0, -inf},
      {nan, 1, 2, 3},           {1, -inf, nan, 2},  {1e4, 1, 2, 3},  {-1e4, -1e4, -2e4, -1e4},
      {0, 88, 89, 90},          {5, 5, 5, 5},       {inf, nan, 1, 2}};
  for (const std::int64_t n : {4, 44, 1600})
    for (const auto& line : lines)
      for (const bool first : {true, false}) {
        CAPTURE(n);
        CAPTURE(line);
        std::vector<T> x(static_cast<std::size_t>(2 * n), T(-3));
        std::copy(line.begin(), line.end(), first ? x.begin() : x.begin() + n - 4);
        const double most = tolerance + 0.1 * double(n);  // equal terms round alike, all of a sum in one direction
        for (const std::int64_t inner : {1, 2}) {
          Both<T> from(x), lse(2), y(2 * n), l(2 * n);
          on_both([&](auto d) {
            const std::int64_t outer = inner == 1 ? 2 : 1;
            logsumexp(d, outer, n, inner, from.at(d), lse.at(d));
            softmax(d, outer, n, inner, from.at(d), y.at(d));
            log_softmax(d, outer, n, inner, from.at(d), l.at(d));
          });
          CHECK(lse.error() <= most);
          CHECK(y.error() <= most);
          CHECK(l.error() <= most);
        }
      }
  emulation::expect_clean();
}

TEST_CASE("softmax reads a row once, sixteen bytes at a time") {
  for (const std::int64_t n : {128, 1024, 4096, 11776, 49152}) {
    CAPTURE(n);
    const std::int64_t rows = 2, bytes = rows * n * 4;
    cuda::DeviceArray<float> x(std::span<const float>(normals<float>(rows * n, 1))), y(rows * n);
    const auto once = emulation::traffic_of([&] { logsumexp(Cuda{}, rows, n, 1, x.data(), y.data()); });
    CHECK(once.loads[4] * 16 == bytes);
    CHECK(once.bytes_loaded() == bytes);
    const auto both = emulation::traffic_of([&] { softmax(Cuda{}, rows, n, 1, x.data(), y.data()); });
    CHECK(both.bytes_loaded() == (n * 4 <= 46 << 10 ? 1 : 2) * bytes);  // what shared memory does not hold, twice
    CHECK(both.stores[4] * 16 == bytes);
    CHECK(both.bytes_stored() == bytes);
  }
  emulation::expect_clean();
}
