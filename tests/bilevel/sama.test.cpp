// SAMA: one step of Adam unrolled, in closed form and without second derivatives.
#include "tenzo/bilevel/sama.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "problems.hpp"
#include "tenzo/bilevel/implicit.hpp"
#include "tenzo/bilevel/unroll.hpp"
#include "tenzo/bilevel/zeroth_order/products.hpp"

using namespace tenzo;
using namespace tenzo::bilevel;
using namespace tenzo::bilevel::test;

TEST_CASE("sama: the first step of Adam, unrolled and by the diagonal") {
  const Quadratic q;
  const auto problem = q.problem();
  Oracle oracle(problem);
  const Vector y = vec({0.2, 0.1}), zero = vec({0, 0});
  const AdamStep adam{.lr = 0.05, .eps = 0.3};  // a large ε: the first step would else be a sign, without a derivative
  const AdamInverse<Vector> inverse{adam, oracle.lower_gradient(q.x, y), {y, zero, zero}, 0};
  // its diagonal by differences of the update
  const auto update = [&](double g) { return 0.05 * g / std::sqrt(g * g + 0.09); };
  const Vector ones = inverse([](const Vector& v) { return v; }, vec({1, 1})).x;
  for (int i = 0; i < 2; ++i) {
    const double g = inverse.gradient(i), h = 1e-5;
    check_near(ones(i), (update(g + h) - update(g - h)) / (2 * h), 1e-8);
  }
  // implicit_gradient takes ∇_y f at y; the unrolled run takes it at y₁: at the y₁ of the run both agree in the x part
  const auto run = unrolled_gradient(oracle, q.x, y, adam, {.steps = 1});
  const Vector y1 = run.solution;
  const Vector b = sub(q.c, y1);  // −∇_y f
  const Vector v = inverse([](const Vector& u) { return u; }, b).x;
  Vector want = scale(q.x, 0.1);
  axpy_(1, oracle.cross_product(q.x, y, v), want);
  check_near(run.gradient, {want(0), want(1)}, 1e-12);
}

TEST_CASE("sama: a later step has moments; one implicit gradient from first derivatives alone") {
  const Quadratic q;
  const auto plain = q.problem();
  const DifferenceProducts problem(plain);
  Oracle oracle(problem);
  const Vector y = vec({0.2, 0.1}), m = vec({-0.4, 0.2}), second = vec({0.5, 0.9});
  const AdamStep adam{.lr = 0.05, .eps = 1e-3};
  const AdamInverse<Vector> inverse{adam, oracle.lower_gradient(q.x, y), {y, m, second}, 4};
  const auto update = [&](double g, int i) {
    const double mh = (0.9 * m(i) + 0.1 * g) / (1 - std::pow(0.9, 5)),
                 vh = (0.999 * second(i) + 0.001 * g * g) / (1 - std::pow(0.999, 5));
    return 0.05 * mh / std::sqrt(vh + 1e-6);
  };
  const Vector ones = inverse([](const Vector& v) { return v; }, vec({1, 1})).x;
  for (int i = 0; i < 2; ++i) {
    const double g = inverse.gradient(i), h = 1e-5;
    check_near(ones(i), (update(g + h, i) - update(g - h, i)) / (2 * h), 1e-8);
  }
  const auto h = implicit_gradient(oracle, q.x, y, inverse);
  CHECK(h.report.counts.hessian_products == 0);
  CHECK(h.report.counts.cross_products == 1);  // by a difference of two gradients
  Oracle exact(plain);
  const Vector b = sub(q.c, y);
  Vector want = scale(q.x, 0.1);
  axpy_(1, exact.cross_product(q.x, y, mul(ones, b)), want);
  check_near(h.gradient, {want(0), want(1)}, 1e-7);
}
