// Min-max methods on bilinear games, whose iterates are known, and on games with constraints.
#include "tenzo/bilevel/min_max.hpp"

#include <doctest/doctest.h>

#include "first_order.hpp"
#include "tenzo/ops/concat.hpp"

using namespace tenzo;
using namespace tenzo::bilevel;
using namespace tenzo::bilevel::test;

namespace {

const auto product_game = [](const auto& x, const auto& y) { return sum(mul(x, y)); };

using tenzo::bilevel::test::after;
template <class Method, class P>
auto after(const Method& method, const P& game, int steps) {
  return after(method, game, steps, vec({1}), vec({1}));
}
template <class S>
double from_origin(const S& s) {
  return std::hypot(norm(s.x), norm(s.y));
}

}  // namespace

TEST_CASE("min-max: P9, simultaneous gda and extra-gradient on x y, 100 steps") {
  const auto game = min_max(product_game);
  const auto gda = after(Gda{0.1, 0.1}, game, 100);
  check_near(from_origin(gda), 2.325860627562, 1e-12);
  CHECK(gda.counts.upper_gradients == 100);
  CHECK(gda.counts.all() == 100);
  const auto eg = after(ExtraGradient{0.1, 0.1}, game, 100);
  check_near(from_origin(eg), 0.859939748215, 1e-12);
  CHECK(eg.counts.all() == 200);
  check_near(from_origin(after(Gda{0.5, 0.5}, game, 100)), 99086.76465903735, 1e-12);
  // printed with 13 digits
  CHECK(std::abs(from_origin(after(ExtraGradient{0.5, 0.5}, game, 100)) - 4.382112071805e-5) <= 5.1e-18);
}

TEST_CASE("min-max: factors on x y of each method, as in closed form") {
  for (const double eta : {0.05, 0.3, 0.8}) {
    const auto game = min_max(product_game);
    const double start = std::sqrt(2.0), e2 = eta * eta;
    check_near(from_origin(after(Gda{eta, eta}, game, 40)), start * std::pow(1 + e2, 20), 1e-11);
    check_near(from_origin(after(ExtraGradient{eta, eta}, game, 40)), start * std::pow(1 - e2 + e2 * e2, 20), 1e-11);
    // alternating: x² + y² − η x y does not change
    const auto s = after(Gda{eta, eta, true}, game, 1000);
    check_near(s.x(0) * s.x(0) + s.y(0) * s.y(0) - eta * s.x(0) * s.y(0), 2 - eta, 1e-10);
  }
}

TEST_CASE("min-max: optimistic gda against its recurrence") {
  const double eta = 0.3;
  double x = 1, y = 1, gx = 0, gy = 0;
  for (int t = 0; t < 30; ++t) {
    const double dx = y, dy = x;
    x -= eta * (t ? 2 * dx - gx : dx);
    y += eta * (t ? 2 * dy - gy : dy);
    gx = dx, gy = dy;
  }
  const auto game = min_max(product_game);
  const auto s = after(OptimisticGda{eta, eta}, game, 30);
  check_near(s.x, {x}, 1e-13);
  check_near(s.y, {y}, 1e-13);
  CHECK(s.counts.all() == 30);
  CHECK(from_origin(after(OptimisticGda{eta, eta}, game, 1000)) < 1e-8);
}

TEST_CASE("min-max: a game with three and two variables; where gda leaves, the others arrive") {
  const Vector r = mat(3, 2, {1, 0.5, -0.5, 2, 0.3, 1}), x = vec({1, -1, 2}), y = vec({0.5, 2});
  const auto game = min_max([r](const auto& p, const auto& q) { return scalar_product(p, product(r, q)); });
  const auto grows = after(Gda{0.2, 0.2}, game, 200, x, y);
  CHECK(from_origin(grows) > 100);
  // x keeps what lies outside the range of R; y goes to zero and Rᵀ x too.
  const auto arrives = [&](const auto& method) {
    const auto s = after(method, game, 1500, x, y);
    CHECK(norm(s.y) < 1e-8);
    CHECK(norm(reshape(matmul(reshape(s.x, Shape{1, 3}), r), Shape{2})) < 1e-8);
    CHECK(norm(s.x) > 0.1);
  };
  arrives(ExtraGradient{0.2, 0.2});
  arrives(OptimisticGda{0.2, 0.2});
}

TEST_CASE("min-max: smoothed gda arrives at saddles that gda circles, and at weights on a simplex") {
  const auto game = min_max(product_game);
  CHECK(from_origin(after(SmoothedGda{0.2, 0.2, 1, 0.2}, game, 1000)) < 1e-8);
  CHECK(from_origin(after(Gda{0.2, 0.2, true}, game, 600)) > 1);

  // the larger of (x − 1)² and (x + 2)²: x = −½, both with weight from 2·1.5 w₁ = 2·1.5 w₂
  const auto larger =
      min_max([](const auto& x, const auto& w) { return sum(mul(w, concat(square(x - 1.0), square(x + 2.0), 0))); },
              Everywhere{}, simplex());
  const auto s = after(SmoothedGda{0.05, 0.05, 1, 0.3}, larger, 2000, vec({3}), vec({1, 0}));
  check_near(s.x, {-0.5}, 1e-6);
  check_near(s.y, {0.5, 0.5}, 1e-6);
}

TEST_CASE("min-max: two time scales, where the loss is concave in x at fixed y") {
  // max over y of −½ x² + 2 x y − ½ y² is 1.5 x².
  const auto game = min_max([](const auto& x, const auto& y) {
    return add(scale(sum(square(x)), -0.5), sub(scale(sum(mul(x, y)), 2), scale(sum(square(y)), 0.5)));
  });
  CHECK(from_origin(after(Gda{0.1, 0.1}, game, 300)) > 10);
  CHECK(from_origin(after(Gda{0.02, 0.2}, game, 800)) < 1e-8);
  CHECK(from_origin(after(Gda{0.02, 0.2, true}, game, 800)) < 1e-8);
}

TEST_CASE("min-max: inner ascent, the worst shift in a box or a ball") {
  // ½ (x − 2 + y)² + ½ x² with |y| ≤ ½: y = −½, x = 1.25
  const auto loss = [](const auto& x, const auto& y) {
    return scale(add(sum(square(add(x, y) - 2.0)), sum(square(x))), 0.5);
  };
  const auto boxed = min_max(loss, Everywhere{}, Box{-0.5, 0.5});
  const auto s = after(InnerAscent{10, 0.2, 0.2}, boxed, 100, vec({0}), vec({0.1}));
  check_near(s.x, {1.25});
  check_near(s.y, {-0.5}, 0);
  CHECK(s.counts.lower_gradients == 1000);
  CHECK(s.counts.upper_gradients == 100);
  const auto round = min_max(loss, Box{-1, 1}, Ball{0.5});
  const auto b = after(InnerAscent{10, 0.2, 0.2}, round, 100, vec({0}), vec({0.1}));
  check_near(b.x, {1}, 0);  // the upper box holds it
  check_near(b.y, {-0.5}, 1e-12);
}
