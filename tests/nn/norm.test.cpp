// Normalisation layers by their formulas, in double.
#include "tenzo/nn/norm.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace tenzo;

namespace {

using D = Tensor<double>;

const D x = D::from({2, 4}, {1, 2, 3, 4, -10, 0, 10, 20});
const D w = D::from({4}, {1, 2, -1, 0.5});
const D b = D::from({4}, {0, 1, 2, 3});

constexpr double eps = 0.1;

/// (x − shift) / sqrt(mean (x − shift)² + eps), times w plus b.
double normalised(std::int64_t i, std::int64_t j, bool centred, bool scaled, bool moved) {
  double mean = 0, square = 0;
  for (std::int64_t k = 0; k < 4; ++k) mean += centred ? x(i, k) / 4 : 0;
  for (std::int64_t k = 0; k < 4; ++k) square += (x(i, k) - mean) * (x(i, k) - mean) / 4;
  return (x(i, j) - mean) / std::sqrt(square + eps) * (scaled ? w(j) : 1) + (moved ? b(j) : 0);
}

void check(const D& y, bool centred, bool scaled, bool moved) {
  REQUIRE(y.shape() == x.shape());
  for (std::int64_t i = 0; i < 2; ++i)
    for (std::int64_t j = 0; j < 4; ++j)
      CHECK(y(i, j) == doctest::Approx(normalised(i, j, centred, scaled, moved)).epsilon(1e-14));
}

}  // namespace

TEST_CASE("rms norm: divides by the root mean square") { check(RmsNorm<D>{w, eps}(x), false, true, false); }

TEST_CASE("layer norm: with weight and bias, with either, with none") {
  check(LayerNorm<D>{w, b, eps}(x), true, true, true);
  check(LayerNorm<D>{w, {}, eps}(x), true, true, false);
  check(LayerNorm<D>{{}, {}, eps}(x), true, false, false);
}

TEST_CASE("layer norm: a large mean costs no digits") {
  // The values differ by 1 around 1e6: E x² − (E x)² would lose 12 digits of 16 in double; the deviations keep all.
  D far = x.clone();
  for (double& v : far.values()) v += 1e6;
  const D near = LayerNorm<D>{w, b, eps}(x), y = LayerNorm<D>{w, b, eps}(far);
  for (std::int64_t i = 0; i < 8; ++i) CHECK(y(i) == doctest::Approx(near(i)).epsilon(1e-9));
}

TEST_CASE("norms: equal values give the bias, and other sizes are refused") {
  const D y = LayerNorm<D>{w, b, eps}(D::full({1, 4}, 7));
  for (std::int64_t j = 0; j < 4; ++j) CHECK(y(j) == b(j));
  CHECK_THROWS_AS((LayerNorm<D>{w, b, eps}(D::zeros({2, 3}))), ShapeError);
  CHECK_THROWS_AS((RmsNorm<D>{w, eps}(D::zeros({2, 3}))), ShapeError);
}
