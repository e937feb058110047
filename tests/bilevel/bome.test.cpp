// BOME against the golden iterates of P1, and where it ends.
#include "tenzo/bilevel/bome.hpp"

#include <doctest/doctest.h>

#include <limits>

#include "first_order.hpp"

using namespace tenzo;
using namespace tenzo::bilevel;
using namespace tenzo::bilevel::test;

namespace {

const Bome golden{.inner_steps = 10, .inner_lr = 0.2, .lr = 0.1, .eta = 0.5};

}  // namespace

TEST_CASE("bome: P1, the first and the third iterate") {
  const Quadratic q;
  const auto problem = quadratic_of<double>(q);
  Oracle oracle(problem);
  auto s = golden.start(q.x, vec({0, 0}));
  golden.step(oracle, s);
  check_near(s.y, {0.203797713370, 0.070252858287}, 1e-11);
  check_near(s.x, {0.454952728362, -0.271068850207}, 1e-11);
  check_near(s.lambda, 1.037977133701, 1e-11);
  CHECK(s.gap > 0);
  CHECK(s.counts.lower_gradients == 12);
  CHECK(s.counts.upper_gradients == 1);
  CHECK(s.counts.hessian_products + s.counts.cross_products == 0);
  golden.step(oracle, s);
  golden.step(oracle, s);
  check_near(s.y, {0.329370091912, -0.072888174478}, 1e-11);
  check_near(s.x, {0.404418315284, -0.157039122822}, 1e-11);
}

TEST_CASE("bome: P1 in float, to 1e-4") {
  const Quadratic q;
  const auto problem = quadratic_of<float>(q);
  Oracle oracle(problem);
  auto s = golden.start(q.x.cast<float>(), Tensor<float>::zeros({2}));
  for (int t = 0; t < 3; ++t) golden.step(oracle, s);
  check_near(s.y.cast<double>(), {0.329370091912, -0.072888174478}, 1e-4);
  check_near(s.x.cast<double>(), {0.404418315284, -0.157039122822}, 1e-4);
}
