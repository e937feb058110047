// Projected gradient ascent: linear and quadratic losses with known maxima, the sets, the best iterate, noise.
#include "tenzo/attack/pgd.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "tenzo/autodiff/grad.hpp"
#include "tenzo/nn/init.hpp"
#include "tenzo/ops/reduce.hpp"

using namespace tenzo;
using namespace tenzo::attack;

namespace {

using D = Tensor<double>;

/// The losses of each sample and their gradient, of a loss that is generic over its value.
template <class F>
LossesAndGradient<double> climb(F&& losses, const D& delta) {
  const auto g = value_and_grad([&](const auto& d) { return sum(losses(d)); }, delta);
  return {losses(delta), g.grad};
}

/// ⟨a, δ⟩ of each sample.
const D direction = D::from({2, 3}, {3, 0, -4, 1, 1, -1});
const auto linear_loss = [](const auto& d) { return sum(mul(d, direction), 1); };

PgdResult<double> attack_linear(const Threat& threat, const PgdOptions& o, const D& x = D::full({2, 3}, 0.5)) {
  return pgd(
      x, threat, o, [](const D& d, const PgdQuery&) { return climb(linear_loss, d); }, linear_loss);
}

}  // namespace

TEST_CASE("pgd: of a linear loss the corner (linf) and the boundary along the slope (l2), with radii by sample") {
  const auto box = attack_linear({.norm = Norm::linf, .eps = {0.1, 0.2}}, {.steps = 20});
  CHECK(box.score[0] == doctest::Approx(0.7).epsilon(1e-12));
  CHECK(box.score[1] == doctest::Approx(0.6).epsilon(1e-12));
  CHECK(box.delta(0, 0) == 0.1);
  CHECK(box.delta(1, 2) == -0.2);
  const auto ball = attack_linear({.norm = Norm::l2, .eps = {0.1, 0.2}}, {.steps = 60, .step = 0.25});
  CHECK(ball.score[0] == doctest::Approx(0.5).epsilon(1e-6));
  CHECK(ball.score[1] == doctest::Approx(0.2 * std::sqrt(3.0)).epsilon(1e-6));
  CHECK(ball.gradients == 60);
  CHECK(ball.scores == 61);
}

TEST_CASE("pgd: nothing leaves the ball or the range, and a mask is kept") {
  const D x = random_uniform<double>({5, 4}, initial_key(3, 0), 0, 1);
  const D mask = D::from({4}, {1, 0, 1, 1});
  std::int64_t seen = 0;
  for (const Norm norm : {Norm::l2, Norm::linf}) {
    const Threat threat{.norm = norm, .eps = {0.6}, .low = 0, .high = 1};
    const auto inside = [&](const D& d) {
      ++seen;
      for (const double s : sample_norms(norm, d)) CHECK(s <= 0.6 * (1 + 1e-12));
      for (std::int64_t i = 0; i < d.size(); ++i) {
        CHECK(x(i) + d(i) >= -1e-15);
        CHECK(x(i) + d(i) <= 1 + 1e-15);
        if (i % 4 == 1) CHECK(d(i) == 0);
      }
    };
    const auto losses = [](const auto& d) { return sum(square(d), 1); };
    const auto r = pgd(
        x, threat, {.steps = 7, .start = 1, .restarts = 3},
        [&](const D& d, const PgdQuery&) {
          inside(d);
          return climb(losses, d);
        },
        losses, mask);
    inside(r.delta);
    for (std::int64_t i = 0; i < 5; ++i) CHECK(r.score[std::size_t(i)] > 0.05);
  }
  CHECK(seen == 2 * (3 * 7 + 1));
}

TEST_CASE("pgd: the best iterate by the scorer, not the last; restarts find the higher of two hills") {
  // −(d − 0.3)² climbed in steps that jump over the top.
  const auto hill = [](const auto& d) { return sum(neg(square(d - 0.3)), 1); };
  const auto r = pgd(
      D::zeros({1, 1}), Threat{.norm = Norm::linf}, {.steps = 9, .step = 0.29, .start = 0},
      [&](const D& d, const PgdQuery&) { return climb(hill, d); }, hill);
  CHECK(r.score[0] == doctest::Approx(-1e-4).epsilon(1e-6));
  // Scored only at its end, the run is worse.
  const auto last = pgd(
      D::zeros({1, 1}), Threat{.norm = Norm::linf}, {.steps = 10, .step = 0.29, .start = 0, .score_every = 10},
      [&](const D& d, const PgdQuery&) { return climb(hill, d); }, hill);
  CHECK(last.score[0] < r.score[0]);
  CHECK(last.scores == 2);
  // d² + d/10 on [−1, 1]: tops 0.9 at −1 and 1.1 at 1.
  const auto two = [](const auto& d) { return sum(add(square(d), scale(d, 0.1)), 1); };
  const auto many = pgd(
      D::zeros({8, 1}), Threat{.norm = Norm::linf}, {.steps = 20, .step = 0.2, .start = 1, .restarts = 12},
      [&](const D& d, const PgdQuery&) { return climb(two, d); }, two);
  for (const double s : many.score) CHECK(s == doctest::Approx(1.1).epsilon(1e-12));  // all miss: 2e-3 of seeds
}

TEST_CASE("pgd: gradients of noise are averaged, every query once; zero gradients move at random") {
  std::vector<PgdQuery> asked;
  const auto noisy = pgd(
      D::zeros({2, 3}), Threat{.norm = Norm::l2}, {.steps = 3, .start = 0, .draws = 2},
      [&](const D& d, const PgdQuery& q) {
        asked.push_back(q);
        auto at = climb(linear_loss, d);
        for (double& g : at.gradient.values()) g += q.draw == 0 ? 100 : -100;  // cancels in the mean
        return at;
      },
      linear_loss);
  CHECK(asked.size() == 6);
  CHECK(asked[3].step == 1);
  CHECK(asked[3].draw == 1);
  CHECK(noisy.score[0] == doctest::Approx(5).epsilon(1e-9));
  const auto flat = [](const auto& d) { return sum(scale(d, 0), 1); };
  D last;
  pgd(
      D::zeros({1, 3}), Threat{}, {.steps = 2, .step = 0.5, .start = 0},
      [&](const D& d, const PgdQuery&) {
        last = d;
        return climb(flat, d);
      },
      flat);
  CHECK(sample_norms(Norm::l2, last)[0] == doctest::Approx(0.5).epsilon(1e-12));
}

TEST_CASE("pgd: the same bits for any number of threads; NaN scores never win; no samples") {
  const auto run = [](int team) {
    const int before = threads();
    set_threads(team);
    const D x = random_normal<double>({3, 2, 50}, initial_key(5, 0));
    const auto losses = [&](const auto& d) { return sum(square(add(d, x)), {1, 2}); };
    const auto r = pgd(
        x, Threat{.eps = {2}}, {.steps = 4, .restarts = 2},
        [&](const D& d, const PgdQuery&) { return climb(losses, d); }, losses);
    set_threads(before);
    return r.delta;
  };
  const D one = run(1), four = run(4);
  for (std::int64_t i = 0; i < one.size(); ++i) CHECK(one(i) == four(i));
  const auto nan = pgd(
      D::zeros({1, 2}), Threat{}, {.steps = 2},
      [](const D& d, const PgdQuery&) { return climb([](const auto& v) { return sum(v, 1); }, d); },
      [](const D&) { return D::full({1}, NAN); });
  CHECK(std::isinf(nan.score[0]));
  CHECK(nan.delta(0) == 0);
  const auto none = pgd(
      D(Shape{0, 4}), Threat{}, {.steps = 2},
      [](const D& d, const PgdQuery&) {
        return LossesAndGradient<double>{D(Shape{0}), d};
      },
      [](const D&) { return D(Shape{0}); });
  CHECK(none.score.empty());
}

TEST_CASE("pgd: options that can not be") {
  CHECK_THROWS_AS(attack_linear({.eps = {1, 2, 3}}, {}), ValueError);
  CHECK_THROWS_AS(attack_linear({.eps = {-1}}, {}), ValueError);
  CHECK_THROWS_AS(attack_linear({.eps = {NAN}}, {}), ValueError);
  CHECK_THROWS_AS(attack_linear({.low = 0.6}, {}), ValueError);
  CHECK_THROWS_AS(attack_linear({}, {.steps = -1}), ValueError);
  CHECK_THROWS_AS(attack_linear({}, {.draws = 0}), ValueError);
  CHECK_THROWS_AS(attack_linear({}, {.start = 0, .restarts = 2}), ValueError);
  CHECK_THROWS_AS(attack_linear({}, {.step = NAN}), ValueError);
}
