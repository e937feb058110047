// DDN: the shortest perturbation that misleads a half-space is its distance.
#include "tenzo/attack/ddn.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "tenzo/autodiff/grad.hpp"
#include "tenzo/ops/reduce.hpp"

using namespace tenzo;
using namespace tenzo::attack;

namespace {

using D = Tensor<double>;

/// Three points at distances 0.25, 0.5 and 3 from w · x = 0, w = (0.6, 0.8); the class changes where w · x is negative.
const D w = D::from({2}, {0.6, 0.8}), points = D::from({3, 2}, {0.15, 0.2, 0.3, 0.4, 1.8, 2.4});
LossesAndGradient<double> climb(const D& delta) {
  const auto losses = [](const auto& d) { return neg(sum(mul(add(d, points), w), 1)); };
  return {losses(delta), value_and_grad([&](const auto& d) { return sum(losses(d)); }, delta).grad};
}
std::vector<bool> misled(const D& delta) {
  std::vector<bool> out;
  for (std::int64_t i = 0; i < 3; ++i)
    out.push_back(0.6 * (points(i, 0) + delta(i, 0)) + 0.8 * (points(i, 1) + delta(i, 1)) < 0);
  return out;
}

}  // namespace

TEST_CASE("ddn: finds the distance, and the whole radius where nothing within misleads") {
  const D delta = ddn(
      points, Threat{.eps = {1}}, {.steps = 100, .first_norm = 1, .gamma = 0.05, .step = 1},
      [](const D& d, const PgdQuery&) { return climb(d); }, misled);
  const auto length = sample_norms(Norm::l2, delta);
  CHECK(length[0] >= 0.25);
  CHECK(length[0] == doctest::Approx(0.25).epsilon(0.06));  // within a factor 1.05
  CHECK(length[1] == doctest::Approx(0.5).epsilon(0.06));
  CHECK(length[2] == doctest::Approx(1).epsilon(1e-9));
  CHECK(misled(delta) == std::vector<bool>{true, true, false});
}

TEST_CASE("ddn: stays in the range; refuses other norms and settings") {
  const D delta = ddn(
      D::full({3, 2}, 0.1), Threat{.eps = {5}, .low = 0, .high = 1}, {.steps = 20},
      [](const D& d, const PgdQuery&) { return climb(d); }, [](const D&) { return std::vector<bool>(3, false); });
  for (std::int64_t i = 0; i < 6; ++i) {
    CHECK(delta(i) >= -0.1);
    CHECK(delta(i) <= 0.9);
  }
  const auto run = [](const Threat& t, const DdnOptions& o) {
    ddn(
        points, t, o, [](const D& d, const PgdQuery&) { return climb(d); }, misled);
  };
  CHECK_THROWS_AS(run({.norm = Norm::linf}, {}), ValueError);
  CHECK_THROWS_AS(run({}, {.steps = -1}), ValueError);
  CHECK_THROWS_AS(run({}, {.gamma = 1}), ValueError);
  CHECK_THROWS_AS(run({.eps = {1, 2}}, {}), ValueError);
}
