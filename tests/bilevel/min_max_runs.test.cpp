// What all min-max methods promise: sets, resuming, NaN, float, options.
#include <doctest/doctest.h>

#include "first_order.hpp"
#include "tenzo/bilevel/min_max.hpp"

using namespace tenzo;
using namespace tenzo::bilevel;
using namespace tenzo::bilevel::test;

namespace {

/// x² / 2 + 2 x y − y² / 2, whose saddle is the origin, moved to (a, b).
auto saddle(double a, double b) {
  return [=](const auto& x, const auto& y) {
    const auto p = x - a, q = y - b;
    return add(scale(sum(square(p)), 0.5), sub(scale(sum(mul(p, q)), 2), scale(sum(square(q)), 0.5)));
  };
}

template <class F>
void with_every_method(F&& f) {
  f(Gda{});
  f(Gda{.alternate = true});
  f(InnerAscent{});
  f(ExtraGradient{});
  f(OptimisticGda{});
  f(SmoothedGda{});
}

}  // namespace

TEST_CASE("min-max: every method arrives at the saddle, in double and in float") {
  const auto game = min_max(saddle(0.5, -1));
  with_every_method([&](const auto& method) {
    const auto s = after(method, game, 1500, vec({2}), vec({3}));
    check_near(s.x, {0.5}, 1e-9);
    check_near(s.y, {-1}, 1e-9);
    check_near(s.value, 0, 1e-9);
    CHECK(s.counts.hessian_products + s.counts.cross_products == 0);
    const auto f = after(method, game, 1500, vec({2}).cast<float>(), vec({3}).cast<float>());
    check_near(f.x.template cast<double>(), {0.5}, 1e-4);
    check_near(f.y.template cast<double>(), {-1}, 1e-4);
  });
}

TEST_CASE("min-max: every method keeps to the sets and ends at the saddle on them") {
  // x ≥ 1 is active: y is the best answer −1 + 2 (1 − 0.5) = 0 to x = 1, cut to y ≤ −0.25
  const auto game = min_max(saddle(0.5, -1), Box{1, 4}, Box{-3, -0.25});
  with_every_method([&](const auto& method) {
    Oracle oracle(game);
    auto s = method.start(vec({3}), vec({-2}));
    for (int t = 0; t < 800; ++t) {
      method.step(oracle, s);
      REQUIRE((s.x(0) >= 1 && s.x(0) <= 4));
      REQUIRE((s.y(0) >= -3 && s.y(0) <= -0.25));
    }
    check_near(s.x, {1}, 1e-12);
    check_near(s.y, {-0.25}, 1e-12);
  });
}

TEST_CASE("min-max: every method resumes, and never masks NaN") {
  const auto game = min_max(saddle(0.5, -1));
  with_every_method([&](const auto& method) {
    check_resumes(method, game, method.start(vec({2}), vec({3})));
    for (const bool upper : {false, true}) {
      const auto s = after(method, game, 1, vec({upper ? not_a_number : 2}), vec({upper ? 3 : not_a_number}));
      CHECK(s.x(0) != s.x(0));
      CHECK(s.y(0) != s.y(0));
      CHECK(s.value != s.value);
    }
  });
}

TEST_CASE("min-max: bad options are a sentence") {
  const Vector x = vec({1});
  CHECK_THROWS_WITH_AS((Gda{0, 1}.start(x, x)), "gda: steps of 0 and 1", ValueError);
  CHECK_THROWS_AS((ExtraGradient{0.1, -1}.start(x, x)), ValueError);
  CHECK_THROWS_AS((OptimisticGda{0, 0}.start(x, x)), ValueError);
  CHECK_THROWS_WITH_AS((InnerAscent{.inner_steps = 0}.start(x, x)), "inner ascent: 0 inner steps", ValueError);
  CHECK_THROWS_WITH_AS((SmoothedGda{.beta = 2}.start(x, x)), "smoothed gda: p 1, beta 2", ValueError);
}
