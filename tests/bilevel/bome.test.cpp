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

TEST_CASE("bome: P1, K steps of size 1/sqrt(K): the KKT measure falls faster than its bound K^(-1/4)") {
  const Quadratic q;
  const auto problem = quadratic_of<double>(q);
  std::vector<double> steps{400, 1600, 6400}, measures, gaps, gradients;
  for (const double k : steps) {
    const Bome bome{.inner_steps = 10, .inner_lr = 0.25, .lr = 0.5 / std::sqrt(k)};
    Oracle oracle(problem);
    auto s = bome.start(q.x, vec({0, 0}));
    double best = std::numeric_limits<double>::infinity();
    for (int t = 0; t < int(k); ++t) {
      const auto before = s;
      bome.step(oracle, s);
      Vector dx = s.x.clone(), dy = s.y.clone();  // −lr (∇f + λ ∇q)
      axpy_(-1, before.x, dx);
      axpy_(-1, before.y, dy);
      best = std::min(best, (inner(dx, dx) + inner(dy, dy)) / (bome.lr * bome.lr) + s.gap);
      REQUIRE(s.gap >= 0);
    }
    measures.push_back(best);
    gaps.push_back(s.gap);
    gradients.push_back(norm(exact_gradient(q, s.x)));
  }
  CHECK(order(steps, measures) < -0.25);
  CHECK(std::abs(order(steps, gaps) + 1) < 0.1);
  CHECK(gradients[2] < 0.01);  // 0.83 at the start
}

TEST_CASE("bome: P11, a line of lower solutions, to the optimistic optimum") {
  for (const auto phi : {Bome::Phi::gradient, Bome::Phi::gap}) {
    const auto s = after(Bome{.inner_steps = 10, .inner_lr = 0.5, .lr = 0.1, .phi = phi}, line_of_solutions(), 1000,
                         vec({-1}), pair_of(0, 0));
    check_near(s.x, {1});
    check_near(s.y[0], {1});
    check_near(s.y[1], {2});
    CHECK(s.value < 1e-18);
  }
}

TEST_CASE("bome: P13, a lower loss that is not convex") {
  const Sine want;
  const auto s = after(Bome{.inner_steps = 20, .inner_lr = 0.5, .lr = 0.03}, Sine::problem(), 2000, vec({2}), vec({4}));
  check_near(s.x, {want.x}, 1e-5);
  check_near(s.y, {want.y}, 1e-5);
  check_near(s.value, want.value, 1e-5);
}

TEST_CASE("bome: boxes hold x and y") {
  const auto below = clipped_below(vec({1, 0, 0, 1}));
  const Problem boxed{below.upper, below.lower, Box{0, 0.9}, Box{0, 1}};
  const Bome bome{.inner_steps = 10, .inner_lr = 0.5, .lr = 0.02};
  Oracle oracle(boxed);
  auto s = bome.start(vec({0.1, 0.3, 0.9, 0.8}), vec({0.5, 0.5, 0.5, 0.5}));
  for (int t = 0; t < 2000; ++t) {
    bome.step(oracle, s);
    for (int i = 0; i < 4; ++i) {
      REQUIRE((s.x(i) >= 0 && s.x(i) <= 0.9));
      REQUIRE((s.y(i) >= 0 && s.y(i) <= 1));
    }
  }
  check_near(s.x, {0.9, 0, 0, 0.9}, 0.05);  // the minimiser, up to the gap that steps of this size leave
  check_near(s.y, {0.9, 0, 0, 0.9}, 0.05);
}

TEST_CASE("bome: more upper than lower variables") {
  const Wide w;
  const auto problem = w.problem();
  Oracle oracle(problem);
  const Bome bome{.inner_steps = 20, .inner_lr = 0.25, .lr = 0.01};
  auto s = bome.start(w.x, w.solution(w.x));
  const double before = norm(w.gradient(w.x));
  for (int t = 0; t < 3000; ++t) bome.step(oracle, s);
  CHECK(norm(w.gradient(s.x)) < 0.1 * before);
}

TEST_CASE("bome: a run goes on from a copy of its state with the same bits") {
  const Quadratic q;
  check_resumes(golden, quadratic_of<double>(q), golden.start(q.x, vec({0, 0})));
}

TEST_CASE("bome: at a solution of both levels it stays; NaN is never masked; bad options are a sentence") {
  const auto still = after(Bome{.inner_lr = 0.5}, line_of_solutions(), 3, vec({1}), pair_of(1, 2));
  CHECK(still.lambda == 0);
  check_near(still.x, {1}, 0);
  const Quadratic q;
  const auto problem = quadratic_of<double>(q);
  for (const bool upper : {false, true}) {
    const Vector x = upper ? vec({not_a_number, 0}) : q.x, y = upper ? vec({0, 0}) : vec({0, not_a_number});
    const auto s = after(golden, problem, 1, x, y);
    CHECK(s.lambda != s.lambda);
    CHECK(s.x(0) != s.x(0));
    CHECK(s.y(0) != s.y(0));
  }
  CHECK_THROWS_WITH_AS(Bome{.inner_steps = 0}.start(q.x, q.x), "bome: 0 inner steps of 0.1, steps of 0.1, eta 0.5",
                       ValueError);
}
