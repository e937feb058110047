// The interior-point value function: its bias in the slack, and lower losses that are flat or not convex.
#include "tenzo/bilevel/bvfim.hpp"

#include <doctest/doctest.h>

#include "first_order.hpp"

using namespace tenzo;
using namespace tenzo::bilevel;
using namespace tenzo::bilevel::test;

TEST_CASE("bvfim: P1, the bias is of order 1/2 in the slack") {
  const Quadratic q;
  const auto problem = quadratic_of<double>(q);
  std::vector<double> slacks{0.1, 0.01, 0.001}, errors;
  for (const double c : slacks) {
    const Bvfim o{.inner_steps = 20,
                  .upper_steps = 40,
                  .inner_lr = 0.25,
                  .lr_y = 0.2,
                  .lr_x = 0.5,
                  .slack = {c, 0},
                  .barrier = {c, 0}};
    const auto s = after(o, problem, 150, q.x, vec({0, 0}));
    errors.push_back(distance(s.x, {-1.898527004910, 2.765957446809}));
    CHECK(s.lambda > 0);
    CHECK(s.counts.hessian_products + s.counts.cross_products == 0);
  }
  CHECK(order(slacks, errors) > 0.4);
  CHECK(order(slacks, errors) < 0.55);
}

TEST_CASE("bvfim: y stays inside the slack") {
  const Quadratic q;
  const auto problem = quadratic_of<double>(q);
  const Bvfim o{.inner_lr = 0.25, .lr_y = 0.2, .slack = {0.1, 0.5}, .barrier = {0.01, 0.5}};
  Oracle oracle(problem);
  auto s = o.start(q.x, vec({5, 5}));  // far outside
  for (int t = 0; t < 50; ++t) {
    const Vector x = s.x.clone();
    o.step(oracle, s);
    REQUIRE(oracle.lower(x, s.y) - oracle.lower(x, s.z) < o.slack.at(t));
  }
}

TEST_CASE("bvfim: P11, a line of lower solutions, to the optimistic optimum") {
  const auto s = after(Bvfim{.inner_lr = 0.3, .lr_y = 0.3, .lr_x = 0.3, .slack = {0.1, 1}, .barrier = {0.1, 1}},
                       line_of_solutions(), 200, vec({-1}), pair_of(0, 0));
  check_near(s.x, {1}, 1e-6);
  check_near(s.y[0], {1}, 1e-6);
  check_near(s.y[1], {2}, 1e-6);
}

TEST_CASE("bvfim: P13, a lower loss that is not convex, nearer as the slack falls") {
  const Sine want;
  const auto error = [&](int steps) {
    const auto s = after(Bvfim{.inner_lr = 0.5, .lr_y = 0.3, .lr_x = 0.1, .slack = {0.1, 1}, .barrier = {0.1, 1}},
                         Sine::problem(), steps, vec({2}), vec({4}));
    return std::hypot(s.x(0) - want.x, s.y(0) - want.y);
  };
  const double early = error(100), late = error(600);
  CHECK(late < 0.02);
  CHECK(late < 0.6 * early);
}

TEST_CASE("bvfim: a box below, a regularised z, and float") {
  const auto s = after(Bvfim{.inner_lr = 0.5, .lr_y = 0.3, .lr_x = 0.2, .slack = {0.01, 0.5}, .barrier = {0.01, 0.5}},
                       clipped_below(vec({1, 0, 0, 1})), 300, vec({0.5, 0.3, 0.6, 0.8}), vec({0.5, 0.5, 0.5, 0.5}));
  for (int i = 0; i < 4; ++i) CHECK((s.y(i) >= 0 && s.y(i) <= 1));
  check_near(s.y, {1, 0, 0, 1}, 0.02);
  check_near(s.x, {1, 0, 0, 1}, 0.1);

  const auto r = after(Bvfim{.inner_steps = 200, .inner_lr = 0.3, .lr_y = 0.3, .regular = {0.5, 0}},
                       line_of_solutions(), 1, vec({3}), pair_of(0, 4));
  check_near(r.z[0], {3 / 1.5}, 1e-9);  // argmin ½ (z₁ − 3)² + ¼ ‖z‖²
  check_near(r.z[1], {0}, 1e-9);

  const Quadratic q;
  const Bvfim o{.inner_lr = 0.25, .lr_y = 0.2, .slack = {0.1, 0}, .barrier = {0.1, 0}};
  const auto d = after(o, quadratic_of<double>(q), 60, q.x, vec({0, 0}));
  const auto f = after(o, quadratic_of<float>(q), 60, q.x.cast<float>(), Tensor<float>::zeros({2}));
  check_near(f.x.cast<double>(), {d.x(0), d.x(1)}, 1e-3);  // steps branch on values
}

TEST_CASE("bvfim: more upper than lower variables") {
  const Wide w;
  const auto s = after(Bvfim{.inner_lr = 0.25, .lr_y = 0.2, .lr_x = 0.5, .slack = {0.01, 0}, .barrier = {0.01, 0}},
                       w.problem(), 150, w.x, w.solution(w.x));
  CHECK(norm(w.gradient(w.x)) > 0.5);
  CHECK(norm(w.gradient(s.x)) < 0.1);
}

TEST_CASE("bvfim: resumes; NaN is never masked; bad options are a sentence") {
  const Quadratic q;
  const auto problem = quadratic_of<double>(q);
  const Bvfim o;
  check_resumes(o, problem, o.start(q.x, vec({0, 0})));
  for (const bool upper : {false, true}) {
    const Vector x = upper ? vec({not_a_number, 0}) : q.x, y = upper ? vec({0, 0}) : vec({0, not_a_number});
    const auto s = after(o, problem, 1, x, y);
    CHECK(s.x(0) != s.x(0));
    CHECK(s.value != s.value);
  }
  CHECK_THROWS_WITH_AS(Bvfim{.slack = {0}}.start(q.x, q.x),
                       "bvfim: 10 and 20 steps, slack 0, barrier 0.01, regularisation 0", ValueError);
}
