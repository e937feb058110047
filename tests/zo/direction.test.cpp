// Directions: any tile of them is the same numbers, each structure is what it says, steps have the bits of their
// formula.
#include "tenzo/zo/direction.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "tenzo/zo/dense.hpp"
#include "tenzo/zo/estimators.hpp"

using namespace tenzo;
using namespace tenzo::zo;

namespace {

constexpr std::int64_t rows = 21, cols = 150;

std::shared_ptr<const Masks> every_third() {
  auto masks = std::make_shared<Masks>(4);
  Tensor<std::uint8_t> m(Shape{rows, cols});
  for (std::int64_t i = 0; i < m.size(); ++i) m(i) = i % 3 == 0;
  (*masks)[2] = m;
  return masks;
}

std::vector<Direction> all_kinds() {
  Direction plain;
  plain.seed = 11;
  plain.step = 3;
  plain.query = 1;
  Direction signs = plain, sphere = plain, one = plain, low = plain, masked = plain, low_signs = plain;
  signs.law = low_signs.law = DirectionLaw::rademacher;
  sphere.law = DirectionLaw::sphere;
  sphere.radius = 0.97;
  one.law = DirectionLaw::coordinate;
  one.leaf = 2;
  one.element = 4 * cols + 77;
  low.rank = low_signs.rank = 3;
  masked.masks = every_third();
  return {plain, signs, sphere, one, low, masked, low_signs};
}

std::vector<float> whole(const Direction& d, std::uint32_t leaf = 2, std::int64_t r = rows, std::int64_t c = cols) {
  std::vector<float> u(std::size_t(r * c));
  direction_tile(d, leaf, r, c, 0, r, 0, c, u.data(), c);
  return u;
}

double mean_product(const std::vector<float>& a, const std::vector<float>& b) {
  double s = 0;
  for (std::size_t i = 0; i < a.size(); ++i) s += double(a[i]) * double(b[i]);
  return s / double(a.size());
}

}  // namespace

TEST_CASE("direction: a tile anywhere is that part of the whole") {
  for (const Direction& d : all_kinds()) {
    CAPTURE(int(d.law));
    CAPTURE(d.rank);
    const std::vector<float> u = whole(d);
    for (const std::int64_t row : {0, 3, 20})
      for (const std::int64_t col : {0, 1, 64, 77, 149})
        for (const std::int64_t height : {1, 2, 16})
          for (const std::int64_t width : {1, 5, 64, 150}) {
            if (row + height > rows || col + width > cols) continue;
            std::vector<float> tile(std::size_t(height * (width + 2)), 99.f);
            direction_tile(d, 2, rows, cols, row, height, col, width, tile.data(), width + 2);
            bool same = true;
            for (std::int64_t i = 0; i < height; ++i) {
              for (std::int64_t j = 0; j < width; ++j)
                same = same && tile[std::size_t(i * (width + 2) + j)] == u[std::size_t((row + i) * cols + col + j)];
              same = same && (i + 1 == height || tile[std::size_t(i * (width + 2) + width)] == 99.f);
            }
            CHECK(same);
          }
  }
}

TEST_CASE("direction: plain laws are the noise of their key") {
  for (const DirectionLaw law : {DirectionLaw::gaussian, DirectionLaw::rademacher}) {
    Direction d;
    d.law = law;
    d.seed = 9;
    d.step = 5;
    d.query = 2;
    std::vector<float> want(std::size_t(rows * cols));
    fill_matrix(law == DirectionLaw::gaussian ? Law::normal : Law::rademacher,
                NoiseKey{.seed = 9, .step = 5, .query = 2, .tensor = 2}, rows, cols, want.data());
    CHECK(whole(d) == want);
  }
}

TEST_CASE("direction: step, query, leaf and seed each change the noise, blocks of a step among them") {
  Direction a;
  a.seed = 1;
  Direction by_step = a, by_query = a, by_seed = a;
  by_step.step = 1;
  by_query.query = 1;
  by_seed.seed = 2;
  const std::vector<float> u = whole(a);
  // The mean of n products of independent normals has the variance 1/n: six of its deviations.
  const double bound = 6 / std::sqrt(double(rows * cols));
  for (const auto& other : {whole(by_step), whole(by_query), whole(by_seed), whole(a, 3)})
    CHECK(std::abs(mean_product(u, other)) < bound);
  RgeOptions o;
  CHECK(std::abs(mean_product(whole(o.direction(1, 0, 0, {0, 3})), whole(o.direction(1, 0, 1, {2, 5})))) < bound);
}

TEST_CASE("direction: a block covers its leaves and is zero on the others") {
  Direction d;
  d.first_leaf = 1;
  d.last_leaf = 3;
  CHECK_FALSE(d.covers(0));
  CHECK(d.covers(1));
  CHECK(d.covers(2));
  CHECK_FALSE(d.covers(3));
  for (const std::uint32_t leaf : {0u, 3u})
    for (const float x : whole(d, leaf)) CHECK(x == 0);
}

TEST_CASE("direction: masks keep the plain noise where they are set, and say nothing of leaves that they lack") {
  Direction plain, masked;
  masked.masks = every_third();
  const std::vector<float> u = whole(plain), v = whole(masked);
  for (std::size_t i = 0; i < u.size(); ++i) CHECK(v[i] == (i % 3 == 0 ? u[i] : 0.f));
  CHECK(whole(masked, 1) == whole(plain, 1));
  CHECK(whole(masked, 100) == whole(plain, 100));
}

TEST_CASE("direction: a coordinate is one element of one leaf") {
  Direction d;
  d.law = DirectionLaw::coordinate;
  d.leaf = 2;
  d.element = 4 * cols + 77;
  const std::vector<float> u = whole(d);
  for (std::size_t i = 0; i < u.size(); ++i) CHECK(u[i] == (std::int64_t(i) == d.element ? 1.f : 0.f));
  for (const float x : whole(d, 1)) CHECK(x == 0);
}

TEST_CASE("direction: low rank has that rank and unit variance; vectors keep their full noise") {
  Direction d;
  d.rank = 2;
  const std::vector<float> u = whole(d);
  // Rank 2: every 3 x 3 minor is zero up to rounding, and some 2 x 2 minor is not.
  const auto at = [&](std::int64_t i, std::int64_t j) { return double(u[std::size_t(i * cols + j)]); };
  double largest2 = 0, largest3 = 0;
  for (std::int64_t i = 0; i + 2 < rows; ++i)
    for (std::int64_t j = 0; j + 2 < cols; j += 7) {
      const auto minor = [&](int a, int b) {
        return at(i, j + a) * at(i + 1, j + b) - at(i, j + b) * at(i + 1, j + a);
      };
      largest2 = std::max(largest2, std::abs(minor(0, 1)));
      largest3 = std::max(largest3, std::abs(at(i + 2, j) * minor(1, 2) - at(i + 2, j + 1) * minor(0, 2) +
                                             at(i + 2, j + 2) * minor(0, 1)));
    }
  CHECK(largest2 > 0.1);
  CHECK(largest3 < 1e-4);  // sums of 6 products of three numbers below 20, each wrong by some 1e-7 of its size

  // E u² = 1. Over 400 independent draws of the same element: u² = (a₁b₁ + a₂b₂)²/2 has E u⁴ = 6, so its variance is 5.
  double squares = 0;
  constexpr int draws = 400;
  for (int i = 0; i < draws; ++i) {
    d.step = std::uint32_t(i);
    float x = 0;
    direction_tile(d, 2, rows, cols, 7, 1, 31, 1, &x, 1);
    squares += double(x) * double(x);
  }
  CHECK(std::abs(squares / draws - 1) < 6 * std::sqrt(5.0 / draws));

  Direction full;
  d.step = 0;
  CHECK(whole(d, 2, 1, cols) == whole(full, 2, 1, cols));
}

TEST_CASE("direction: on the sphere the norm over all leaves is √d") {
  const std::vector<Tensor<float>> x{Tensor<float>(Shape{rows, cols}), Tensor<float>(Shape{7}), Tensor<float>(Shape{})};
  RgeOptions o;
  o.law = DirectionLaw::sphere;
  const auto squared_norm_of = [&](Direction d, double& elements) {
    d.radius = sphere_radius(d, x);
    double squares = 0;
    elements = 0;
    for (std::uint32_t leaf = 0; leaf < x.size(); ++leaf) {
      const std::int64_t c = x[leaf].matrix_cols(), r = x[leaf].matrix_rows();
      for (const float u : whole(d, leaf, r, c)) {
        squares += double(u) * double(u);
        elements += u != 0;
      }
    }
    return squares;
  };
  double n = 0;
  // Each element is rounded after the factor: an error of 2^-24 of the square at most, on either side.
  const double all = squared_norm_of(o.direction(3, 1, 0), n);
  CHECK(n == rows * cols + 8);
  CHECK(std::abs(all / n - 1) < 2e-7);
  const double block = squared_norm_of(o.direction(3, 1, 0, {1, 3}), n);
  CHECK(n == 8);
  CHECK(std::abs(block / n - 1) < 2e-7);
  auto masks = std::make_shared<Masks>(1);
  (*masks)[0] = Tensor<std::uint8_t>::zeros(Shape{rows, cols});
  (*masks)[0](5) = 1;
  o.masks = masks;
  const double masked = squared_norm_of(o.direction(3, 1, 0), n);
  CHECK(n == 9);
  CHECK(std::abs(masked / n - 1) < 2e-7);
  // With leaves that are not trained the others have √d alone.
  const std::uint8_t trained[] = {0, 1, 0};
  Direction d = RgeOptions{.law = DirectionLaw::sphere}.direction(3, 1, 0);
  d.radius = sphere_radius(d, x, trained);
  double squares = 0;
  for (const float u : whole(d, 1, 1, 7)) squares += double(u) * double(u);
  CHECK(std::abs(squares / 7 - 1) < 2e-7);
}

TEST_CASE_TEMPLATE("direction: steps are fused multiply-adds in their order, on any number of threads", T, float,
                   double) {
  std::vector<Step> plain_steps, mixed;
  double factor = 0.3;
  for (const Direction& d : all_kinds()) {
    mixed.push_back({d, factor});
    if (zo::detail::is_plain(d, 2, rows)) plain_steps.push_back({d, -factor});
    factor *= -0.71;
  }
  REQUIRE(plain_steps.size() == 2);
  for (const auto& steps : {plain_steps, mixed, std::vector<Step>{mixed[4]}, std::vector<Step>{}}) {
    std::vector<T> w(std::size_t(rows * cols), T(0.25)), want = w;
    for (const Step& s : steps) {
      const std::vector<float> u = whole(s.direction);
      for (std::size_t i = 0; i < u.size(); ++i) want[i] = std::fma(T(s.factor), T(u[i]), want[i]);
    }
    const int before = threads();
    for (const int n : {1, 2, 3}) {
      set_threads(n);
      std::vector<T> got = w;
      add_steps_(got.data(), rows, cols, 2, steps);
      CHECK(got == want);
    }
    set_threads(before);
  }
}

TEST_CASE("direction: an estimate made dense is its sum, and descending is subtracting it") {
  const std::pair<Tensor<double>, Tensor<double>> x{Tensor<double>::full(Shape{3, 5}, 2),
                                                    Tensor<double>::full(Shape{4}, -1)};
  RgeOptions o;
  Estimate g;
  g.weight = 0.5;
  g.slopes = {{o.direction(1, 0, 0), 3.0}, {o.direction(1, 0, 1, {1, 2}), -2.0}};
  const auto dense = dense_gradient(g, x);
  const auto first = whole(g.slopes[0].direction, 0, 3, 5), second = whole(g.slopes[0].direction, 1, 1, 4),
             block = whole(g.slopes[1].direction, 1, 1, 4);
  for (std::int64_t i = 0; i < 15; ++i) CHECK(dense.first(i) == 1.5 * double(first[std::size_t(i)]));
  for (std::size_t i = 0; i < 4; ++i)
    CHECK(dense.second(std::int64_t(i)) == std::fma(-1.0, double(block[i]), 1.5 * double(second[i])));
  auto y = clone(x);
  descend_(y, g, 0.1);
  for (std::int64_t i = 0; i < 15; ++i) CHECK(y.first(i) == doctest::Approx(2 - 0.1 * dense.first(i)).epsilon(1e-15));
}

TEST_CASE("direction: laws by name") {
  CHECK(direction_law("gaussian") == DirectionLaw::gaussian);
  CHECK(direction_law("rademacher") == DirectionLaw::rademacher);
  CHECK(direction_law("sphere") == DirectionLaw::sphere);
  CHECK(direction_law("coordinate") == DirectionLaw::coordinate);
  CHECK_THROWS_WITH_AS(direction_law("cauchy"),
                       "directions: unknown law 'cauchy'; want gaussian, rademacher, sphere or coordinate", ValueError);
}
