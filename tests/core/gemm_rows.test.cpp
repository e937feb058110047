// Products with row sources against `gemm` of the matrix that the source stands for, to the bit.
#include "tenzo/core/gemm_rows.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <vector>

using namespace tenzo;

namespace {

std::vector<float> numbers(std::int64_t n, std::uint64_t seed) {
  std::vector<float> x(static_cast<std::size_t>(n));
  for (float& v : x) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    v = float(double(std::int64_t(seed)) * 0x1p-63);
  }
  return x;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

/// Noise of which any element can be had at any time; counts the elements that were drawn.
struct CountedNoise {
  std::int64_t n, k;
  std::uint32_t key;
  std::atomic<std::int64_t>* drawn = nullptr;

  std::int64_t rows() const { return n; }
  std::int64_t cols() const { return k; }
  float at(std::int64_t i, std::int64_t j) const {
    const auto x = std::uint32_t((i * k + j) * 2654435761u) ^ key;
    return float(std::int32_t(x * 2246822519u)) * 0x1p-31f;
  }
  void tile(std::int64_t row, std::int64_t rows, std::int64_t col, std::int64_t cols, float* to,
            std::int64_t to_row) const {
    CHECK(rows >= 1);
    CHECK(rows <= tile_height);
    CHECK(row + rows <= n);
    CHECK(col % tile_width == 0);
    CHECK(cols == std::min(tile_width, k - col));
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < cols; ++j) to[i * to_row + j] = at(row + i, col + j);
    if (drawn) *drawn += rows * cols;
  }
};
static_assert(RowSource<CountedNoise> && RowSource<StoredRows<float>> && RowSource<StoredRows<half>> &&
              RowSource<PerturbedRows<StoredRows<bfloat16>, CountedNoise>>);

struct Sizes {
  std::int64_t m, n, k;
};
const std::vector<Sizes> sizes = {{1, 1, 1},     {2, 17, 3},    {7, 48, 64},  {9, 49, 65},     {33, 97, 130},
                                  {5, 100, 576}, {16, 31, 600}, {70, 200, 0}, {70, 210, 1000}, {0, 5, 5}};

MatrixView<const float> rows_of(const std::vector<float>& x, std::int64_t r, std::int64_t c) {
  return MatrixView<const float>::row_major(x.data(), r, c);
}
MatrixView<float> rows_of(std::vector<float>& x, std::int64_t r, std::int64_t c) {
  return MatrixView<float>::row_major(x.data(), r, c);
}

/// x wᵀ by gemm.
std::vector<float> product(const std::vector<float>& x, const std::vector<float>& w, Sizes s) {
  std::vector<float> y(std::size_t(s.m * s.n));
  gemm(rows_of(x, s.m, s.k), rows_of(w, s.n, s.k).transposed(), rows_of(y, s.m, s.n));
  return y;
}

template <class Stored>
void check_stored(Sizes s) {
  const std::int64_t gap = 3;
  const auto x = numbers(s.m * s.k, 1), raw = numbers(s.n * (s.k + gap), 2);
  std::vector<Stored> stored;
  for (float v : raw) stored.emplace_back(Stored(v));
  std::vector<float> w;
  for (std::int64_t i = 0; i < s.n; ++i)
    for (std::int64_t j = 0; j < s.k; ++j) w.push_back(float(stored[std::size_t(i * (s.k + gap) + j)]));
  std::vector<float> y(std::size_t(s.m * s.n));
  gemm_rows(rows_of(x, s.m, s.k), StoredRows<Stored>(stored.data(), s.n, s.k, s.k + gap), rows_of(y, s.m, s.n));
  CHECK(same_bits(y, product(x, w, s)));
}

std::vector<float> perturbed(std::vector<float> w, const CountedNoise& z, float scale) {
  for (std::int64_t i = 0; i < z.n; ++i)
    for (std::int64_t j = 0; j < z.k; ++j) {
      float& v = w[std::size_t(i * z.k + j)];
      v = std::fma(scale, z.at(i, j), v);
    }
  return w;
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

TEST_CASE("gemm_rows: stored types") {
  for (const Sizes& s : sizes) {
    CAPTURE(s.m);
    CAPTURE(s.n);
    CAPTURE(s.k);
    check_stored<float>(s);
    check_stored<bfloat16>(s);
    check_stored<half>(s);
  }
}

TEST_CASE("gemm_rows: weights perturbed on read, several directions in order") {
  for (const Sizes& s : sizes) {
    CAPTURE(s.m);
    CAPTURE(s.n);
    CAPTURE(s.k);
    const auto x = numbers(s.m * s.k, 1), w = numbers(s.n * s.k, 2);
    const CountedNoise a{s.n, s.k, 77}, b{s.n, s.k, 1234567};
    const std::vector<ScaledRows<CountedNoise>> terms{{a, 0.5f}, {b, -1e-3f}};
    std::vector<float> y(std::size_t(s.m * s.n));
    gemm_rows(rows_of(x, s.m, s.k), PerturbedRows(StoredRows(w.data(), s.n, s.k), std::span(terms)),
              rows_of(y, s.m, s.n));
    CHECK(same_bits(y, product(x, perturbed(perturbed(w, a, 0.5f), b, -1e-3f), s)));
  }
}

TEST_CASE("gemm_pair: both sides from one draw") {
  on_one_and_two_threads([] {
    for (const Sizes& s : sizes) {
      CAPTURE(s.m);
      CAPTURE(s.n);
      CAPTURE(s.k);
      std::atomic<std::int64_t> drawn = 0;
      const auto x = numbers(s.m * s.k, 1), other = numbers(s.m * s.k, 5), w = numbers(s.n * s.k, 2);
      const CountedNoise z{s.n, s.k, 99, &drawn};
      std::vector<float> plus(std::size_t(s.m * s.n)), minus = plus;
      gemm_pair(StoredRows(w.data(), s.n, s.k), z, {rows_of(x, s.m, s.k), 1e-2f, rows_of(plus, s.m, s.n)},
                {rows_of(other, s.m, s.k), -2e-2f, rows_of(minus, s.m, s.n)});
      CHECK(drawn == (s.m > 0 ? s.n * s.k : 0));
      CHECK(same_bits(plus, product(x, perturbed(w, z, 1e-2f), s)));
      CHECK(same_bits(minus, product(other, perturbed(w, z, -2e-2f), s)));
    }
  });
}

TEST_CASE("gemm_pair: accumulates, adds biases, leaves what lies between rows") {
  const Sizes s{13, 60, 150};
  const std::int64_t row = s.n + 4;
  const auto x = numbers(s.m * s.k, 1), w = numbers(s.n * s.k, 2), up = numbers(s.n, 6), down = numbers(s.n, 7);
  const CountedNoise z{s.n, s.k, 99};
  auto plus = numbers(s.m * row, 8), minus = numbers(s.m * row, 9), want_plus = plus, want_minus = minus;
  const auto view = [&](std::vector<float>& y) { return MatrixView<float>::row_major(y.data(), s.m, s.n, row); };
  const auto xs = rows_of(x, s.m, s.k);
  gemm_pair(StoredRows(w.data(), s.n, s.k), z, {xs, 0.1f, view(plus), {true, up.data()}},
            {xs, -0.1f, view(minus), {false, down.data()}});
  const auto w_plus = perturbed(w, z, 0.1f), w_minus = perturbed(w, z, -0.1f);
  gemm(xs, rows_of(w_plus, s.n, s.k).transposed(), view(want_plus), {true, up.data()});
  gemm(xs, rows_of(w_minus, s.n, s.k).transposed(), view(want_minus), {false, down.data()});
  CHECK(same_bits(plus, want_plus));
  CHECK(same_bits(minus, want_minus));
}

TEST_CASE("gemm_pair: a wrong shape is a sentence") {
  const std::vector<float> x(100);
  std::vector<float> y(100);
  const auto go = [&](std::int64_t noise_rows, std::int64_t minus_rows) {
    gemm_pair(StoredRows(x.data(), 4, 5), CountedNoise{noise_rows, 5, 1}, {rows_of(x, 3, 5), 1, rows_of(y, 3, 4)},
              {rows_of(x, minus_rows, 5), -1, rows_of(y, minus_rows, 4)});
  };
  CHECK_THROWS_WITH_AS(go(3, 3), "gemm_pair: the direction is (3, 5), the weights are (4, 5)", ShapeError);
  CHECK_THROWS_WITH_AS(go(4, 2), "gemm_pair: the sides have 3 and 2 rows", ShapeError);
}
