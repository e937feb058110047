// The dense product against its definition: one chain of std::fma in the order of k, to the bit.
#include "tenzo/core/gemm.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

using namespace tenzo;

namespace {

/// Numbers in [-1, 1) with all their bits in use, the same everywhere.
template <class T>
std::vector<T> numbers(std::int64_t n, std::uint64_t seed) {
  std::vector<T> x(static_cast<std::size_t>(n));
  for (T& v : x) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    v = T(double(std::int64_t(seed)) * 0x1p-63);
  }
  return x;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

/// The definition.
template <class T>
void plain_product(MatrixView<const T> a, MatrixView<const T> b, MatrixView<T> c, GemmOptions<T> o) {
  for (std::int64_t i = 0; i < c.rows; ++i)
    for (std::int64_t j = 0; j < c.cols; ++j) {
      T& out = c.data[i * c.row_stride + j];
      T sum = o.accumulate ? out : T(0);
      for (std::int64_t p = 0; p < a.cols; ++p)
        sum = std::fma(a.data[i * a.row_stride + p * a.col_stride], b.data[p * b.row_stride + j * b.col_stride], sum);
      out = o.bias ? sum + o.bias[j] : sum;
    }
}

struct Case {
  std::int64_t m, n, k;
  bool ta = false, tb = false, accumulate = false, bias = false;
  std::int64_t gap = 0;  // elements between the rows of every matrix
};

/// A matrix with its memory, stored transposed or not, rows `gap` apart beyond their length.
template <class T>
struct Stored {
  std::vector<T> memory;
  MatrixView<T> view;

  Stored(std::int64_t rows, std::int64_t cols, bool transposed, std::int64_t gap, std::uint64_t seed) {
    const std::int64_t r = transposed ? cols : rows, c = transposed ? rows : cols;
    memory = numbers<T>(r > 0 ? (r - 1) * (c + gap) + c : 0, seed);  // ends with the last element
    view = {memory.data(), r, c, c + gap, 1};
    if (transposed) view = view.transposed();
  }
};

template <class T>
void check(const Case& t) {
  CAPTURE(t.m);
  CAPTURE(t.n);
  CAPTURE(t.k);
  CAPTURE(t.ta);
  CAPTURE(t.tb);
  CAPTURE(t.accumulate);
  CAPTURE(t.bias);
  CAPTURE(t.gap);
  const Stored<T> a(t.m, t.k, t.ta, t.gap, 1), b(t.k, t.n, t.tb, t.gap, 2);
  Stored<T> c(t.m, t.n, false, t.gap, 3), want = c;
  want.view.data = want.memory.data();
  const auto bias = numbers<T>(t.n, 4);
  const GemmOptions<T> o{t.accumulate, t.bias ? bias.data() : nullptr};
  plain_product<T>(a.view, b.view, want.view, o);
  gemm(a.view, b.view, c.view, o);
  CHECK(same_bits(c.memory, want.memory));  // the gaps too: nothing between the rows is touched
}

template <class F>
void on_one_and_two_threads(F&& f) {
  const int before = threads();
  for (int n : {1, 2}) {
    set_threads(n);
    f();
  }
  set_threads(before);
}

}  // namespace

TEST_CASE_TEMPLATE("gemm: equals the chain of fma at awkward sizes", T, float, double) {
  for (std::int64_t m : {0, 1, 7, 8, 9, 49})
    for (std::int64_t n : {0, 1, 8, 16, 17, 47, 48, 49, 97})
      for (std::int64_t k : {0, 1, 3, 15, 64, 131})
        for (int flags = 0; flags < 4; ++flags)
          check<T>({.m = m, .n = n, .k = k, .ta = (flags & 1) != 0, .tb = (flags & 2) != 0, .gap = (m + n + k) % 3});
}

TEST_CASE_TEMPLATE("gemm: accumulates, adds a bias, continues over blocks of k", T, float, double) {
  on_one_and_two_threads([] {
    for (std::int64_t k : {0, 15, 576, 1000})
      for (int flags = 0; flags < 16; ++flags)
        check<T>({.m = 33,
                  .n = 50,
                  .k = k,
                  .ta = (flags & 1) != 0,
                  .tb = (flags & 2) != 0,
                  .accumulate = (flags & 4) != 0,
                  .bias = (flags & 8) != 0,
                  .gap = 5});
  });
}

TEST_CASE_TEMPLATE("gemm: products of many pieces", T, float, double) {
  on_one_and_two_threads([] {
    check<T>({.m = 97, .n = 700, .k = 130, .tb = true, .accumulate = true, .gap = 1});
    check<T>({.m = 1100, .n = 40, .k = 70, .gap = 3});
    check<T>({.m = 1, .n = 3000, .k = 300, .tb = true});
    check<T>({.m = 600, .n = 10, .k = 600, .ta = true, .bias = true});
  });
}

TEST_CASE_TEMPLATE("gemm: any strides", T, float, double) {
  const std::int64_t m = 19, n = 53, k = 37;
  const auto a = numbers<T>(m * k * 6, 5), b = numbers<T>(n * k * 6, 6);
  const MatrixView<const T> x{a.data(), m, k, 2, 2 * m + 1}, y{b.data(), k, n, 3, 3 * k + 2};
  std::vector<T> c(std::size_t(m * n)), want = c;
  plain_product<T>(x, y, MatrixView<T>::row_major(want.data(), m, n), {});
  gemm(x, y, MatrixView<T>::row_major(c.data(), m, n));
  CHECK(same_bits(c, want));
  const MatrixView<const T> flipped{a.data() + (m - 1) * k, m, k, -k, 1};  // rows in reverse
  plain_product<T>(flipped, y, MatrixView<T>::row_major(want.data(), m, n), {});
  gemm(flipped, y, MatrixView<T>::row_major(c.data(), m, n));
  CHECK(same_bits(c, want));
}

TEST_CASE_TEMPLATE("gemm: a row alone has the bits that it has within a batch", T, float, double) {
  const std::int64_t m = 21, n = 100, k = 900;
  const Stored<T> a(m, k, false, 0, 1), b(k, n, true, 0, 2);
  auto all = numbers<T>(m * n, 3), one = numbers<T>(n, 4), row = one;
  gemm(a.view, b.view, MatrixView<T>::row_major(all.data(), m, n));
  for (std::int64_t i = 0; i < m; ++i) {
    gemm(MatrixView<const T>::row_major(a.memory.data() + i * k, 1, k), b.view,
         MatrixView<T>::row_major(one.data(), 1, n));
    row.assign(all.begin() + i * n, all.begin() + (i + 1) * n);
    CHECK(same_bits(one, row));
  }
}

TEST_CASE_TEMPLATE("gemm: batches", T, float, double) {
  const std::int64_t batch = 7, m = 20, n = 33, k = 18;
  const auto a = numbers<T>(batch * m * k, 1), b = numbers<T>(batch * n * k, 2);
  std::vector<T> c(std::size_t(batch * m * n)), want = c;
  for (std::int64_t shared : {0, 1}) {
    const BatchStrides strides{m * k, shared ? 0 : n * k, m * n};
    for (std::int64_t i = 0; i < batch; ++i)
      plain_product<T>(MatrixView<const T>::row_major(a.data() + i * m * k, m, k),
                       MatrixView<const T>::row_major(b.data() + i * strides.b, n, k).transposed(),
                       MatrixView<T>::row_major(want.data() + i * m * n, m, n), {});
    on_one_and_two_threads([&] {
      std::fill(c.begin(), c.end(), T(-1));
      gemm(MatrixView<const T>::row_major(a.data(), m, k), MatrixView<const T>::row_major(b.data(), n, k).transposed(),
           MatrixView<T>::row_major(c.data(), m, n), {}, batch, strides);
      CHECK(same_bits(c, want));
    });
  }
}

TEST_CASE("gemm: values that are not finite stay where they belong") {
  const std::int64_t m = 9, n = 50, k = 20;
  Stored<float> a(m, k, false, 0, 1), b(k, n, true, 0, 2);
  a.memory[std::size_t(3 * k + 4)] = std::numeric_limits<float>::quiet_NaN();
  b.memory[std::size_t(49 * k + 2)] = std::numeric_limits<float>::infinity();
  std::vector<float> c(std::size_t(m * n));
  gemm(a.view, b.view, MatrixView<float>::row_major(c.data(), m, n));
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      const float x = c[std::size_t(i * n + j)];
      CHECK(std::isnan(x) == (i == 3));
      if (i != 3) CHECK(std::isinf(x) == (j == 49));
    }
}

TEST_CASE("gemm: a wrong shape is a sentence") {
  float x[64] = {};
  const auto view = [&](std::int64_t r, std::int64_t c) { return MatrixView<float>::row_major(x, r, c); };
  CHECK_THROWS_WITH_AS(gemm(view(2, 3), view(4, 5), view(2, 5)),
                       "gemm: a is (2, 3), b is (4, 5), c is (2, 5); want (m, k), (k, n), (m, n)", ShapeError);
  CHECK_THROWS_WITH_AS(gemm(view(2, 3), view(3, 5), view(5, 2).transposed()),
                       "gemm: the columns of c lie 2 apart; want 1", ValueError);
}

TEST_CASE("gemm: the bits of a known product") {
  const std::int64_t m = 70, n = 77, k = 601;
  const Stored<float> a(m, k, false, 0, 1), b(k, n, true, 0, 2);
  std::vector<float> c(std::size_t(m * n));
  gemm(a.view, b.view, MatrixView<float>::row_major(c.data(), m, n));
  std::uint64_t hash = 14695981039346656037u;  // FNV-1a over the words
  for (float x : c) hash = (hash ^ std::bit_cast<std::uint32_t>(x)) * 1099511628211u;
  CHECK(hash == 6700876143425055677u);
}
