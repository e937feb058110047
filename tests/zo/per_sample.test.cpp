// Estimates of many losses at once: for one sample those of zo/estimators.hpp, for many each its own, in few batches.
#include "tenzo/zo/per_sample.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>

#include "tenzo/nn/init.hpp"
#include "tenzo/ops/reduce.hpp"
#include "tenzo/zo/dense.hpp"

using namespace tenzo;
using namespace tenzo::zo;

namespace {

using D = Tensor<double>;

/// ℓᵢ(z) = sin(z₀) + i z₁ + z₂²/2 + z₀ z₂
D losses(const D& z) {
  D l(Shape{z.shape()[0]});
  for (std::int64_t i = 0; i < l.size(); ++i)
    l(i) = std::sin(z(i, 0)) + double(i) * z(i, 1) + 0.5 * z(i, 2) * z(i, 2) + z(i, 0) * z(i, 2);
  return l;
}
D gradient(const D& z) {
  D g(z.shape());
  for (std::int64_t i = 0; i < z.shape()[0]; ++i)
    g(i, 0) = std::cos(z(i, 0)) + z(i, 2), g(i, 1) = double(i), g(i, 2) = z(i, 2) + z(i, 0);
  return g;
}

}  // namespace

TEST_CASE("per sample: of one sample it is rge, and cge, to rounding") {
  const D z = random_normal<double>({1, 3}, initial_key(1, 0));
  const auto one = [](const D& at) { return losses(at).item(); };
  for (const auto law : {DirectionLaw::gaussian, DirectionLaw::rademacher, DirectionLaw::sphere})
    for (const bool two_sided : {false, true}) {
      const RgeOptions o{.eps = 1e-2, .queries = 7, .two_sided = two_sided, .law = law};
      const auto batch = per_sample_rge(losses, z, 3, 5, o);
      const Estimate e = rge(CallableLoss(z, one), 3, 5, o);
      const D want = dense_gradient(e, z);
      // the radius of a sphere's directions is a float there
      const double tolerance = law == DirectionLaw::sphere ? 1e-5 : 1e-9;
      for (std::int64_t j = 0; j < 3; ++j) CHECK(batch.gradient(j) == doctest::Approx(want(j)).epsilon(tolerance));
      CHECK(batch.queries == (two_sided ? 15 : 8));
      CHECK(batch.losses.item() == one(z));
    }
  const std::vector<Coordinate> all{{0, 0}, {0, 1}, {0, 2}};
  const D want = dense_gradient(cge(CallableLoss(z, one), all, 1e-3), z),
          got = per_sample_cge(losses, z, 1e-3).gradient;
  for (std::int64_t j = 0; j < 3; ++j) CHECK(got(j) == doctest::Approx(want(j)).epsilon(1e-9));
}

TEST_CASE("per sample: coordinates give each gradient at once; directions have it as their mean") {
  const D z = random_normal<double>({5, 3}, initial_key(2, 0)), g = gradient(z);
  std::int64_t asked = 0;
  const auto counted = [&](const D& at) {
    ++asked;
    CHECK(at.shape() == Shape{5, 3});
    return losses(at);
  };
  const auto exact = per_sample_cge(counted, z, 1e-4);
  CHECK(asked == 7);
  CHECK(exact.queries == 7);
  for (std::int64_t k = 0; k < 15; ++k) CHECK(exact.gradient(k) == doctest::Approx(g(k)).epsilon(1e-7).scale(1));
  const auto forward = per_sample_cge(losses, z, 1e-6, false);
  CHECK(forward.queries == 4);
  for (std::int64_t k = 0; k < 15; ++k) CHECK(forward.gradient(k) == doctest::Approx(g(k)).epsilon(1e-4).scale(1));
  // of 4,000 sphere directions: five standard errors of a component, below ‖g‖ / √4000 · √d each
  const auto many = per_sample_rge(losses, z, 1, 0, {.eps = 1e-4, .queries = 4000, .law = DirectionLaw::sphere});
  for (std::int64_t i = 0; i < 5; ++i)
    for (std::int64_t j = 0; j < 3; ++j) {
      const double size = std::sqrt(g(i, 0) * g(i, 0) + g(i, 1) * g(i, 1) + g(i, 2) * g(i, 2));
      CHECK(std::abs(many.gradient(i, j) - g(i, j)) < 5 * size * std::sqrt(3 / 4000.));
    }
  CHECK_THROWS_AS(per_sample_rge(losses, z, 1, 0, {.queries = 0}), ValueError);
  CHECK_THROWS_AS(per_sample_rge(losses, z, 1, 0, {.rank = 2}), ValueError);
  CHECK_THROWS_AS(per_sample_cge(losses, z, 0), ValueError);
  CHECK_THROWS_AS(per_sample_cge([](const D&) { return D::zeros({2}); }, z, 1e-3), ShapeError);
}
