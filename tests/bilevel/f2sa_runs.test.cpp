// F²SA and F²SA-2 run to the end: where they arrive, what bias is left, what they do where g − ν f is not convex.
#include <doctest/doctest.h>

#include "first_order.hpp"
#include "tenzo/bilevel/f2sa.hpp"

using namespace tenzo;
using namespace tenzo::bilevel;
using namespace tenzo::bilevel::test;

TEST_CASE("f2sa-2: P1 to its minimiser") {
  const Quadratic q;
  const auto s = after(CentralF2sa{.inner = {.steps = 200, .lr = 0.25, .tolerance = 1e-11}, .nu = {1e-3}, .lr_x = {3}},
                       quadratic_of<double>(q), 60, q.x, vec({0, 0}));
  CHECK(distance(s.x, {-1.898527004910, 2.765957446809}) < 1e-6);
  CHECK(distance(s.plus, {1.103109656301, 0.220949263502}) < 1e-3);
  check_near(s.value, 2.150572831424, 1e-5);
  CHECK(s.report.warning == "");
  CHECK(s.counts.hessian_products + s.counts.cross_products == 0);
}

TEST_CASE("f2sa: P1, the bias of the end is of first order in 1 / lambda") {
  const Quadratic q;
  const auto problem = quadratic_of<double>(q);
  std::vector<double> lambdas{10, 100, 1000}, errors;
  for (const double l : lambdas) {
    const auto s =
        after(F2sa{.inner_steps = 20, .lr_y = {0.2}, .lr_z = {0.25}, .lr_x = {2}, .lambda = l, .growth = {0}}, problem,
              150, q.x, vec({0, 0}));
    errors.push_back(distance(s.x, {-1.898527004910, 2.765957446809}));
    CHECK(s.counts.lower_gradients == 150 * 42);
    CHECK(s.counts.upper_gradients == 150 * 21);
  }
  CHECK(std::abs(order(lambdas, errors) + 1) < 0.05);
}

TEST_CASE("f2sa: the benchmark's schedule") {
  const F2sa o = F2sa::benchmark(0.1, 2, 1);
  CHECK(o.lr_x.at(0) == 0.05);
  CHECK(o.lr_y.at(127) == doctest::Approx(0.1 / 32));  // 128^(5/7) = 2^5
  CHECK(o.lr_z.at(127) == doctest::Approx(0.1 / 16));  // 2^4
  CHECK(o.growth.at(127) == doctest::Approx(0.5));     // 2^1
  const Quadratic q;
  const auto s = after(F2sa::benchmark(0.1, 1, 0.01), quadratic_of<double>(q), 300, q.x, vec({0, 0}));
  CHECK(s.lambda > 1);
  CHECK(s.value < 3.443569214876);  // F at the start
  const F2sa capped{.lambda = 1, .growth = {10}, .lambda_max = 15};
  CHECK(after(capped, quadratic_of<double>(q), 3, q.x, vec({0, 0})).lambda == 15);
}

TEST_CASE("f2sa-2: where g − nu f is not convex the forward difference is taken, and said") {
  const Quadratic q;
  const auto problem = quadratic_of<double>(q);
  Oracle oracle(problem);
  const PenaltyDescent inner{.steps = 400, .lr = 0.1, .tolerance = 1e-10};
  const Vector zero = vec({0, 0});
  const DifferenceOptions wide{.nu = 10};  // above the largest curvature of g
  const auto h = central_difference(oracle, q.x, zero, zero, inner, wide);
  CHECK_FALSE(h.central);
  CHECK(h.report.linear.negative_curvature);
  CHECK(h.report.warning.find("not convex at nu = 10") != std::string::npos);
  const auto forward = forward_difference(oracle, q.x, zero, h.plus, inner, wide);
  check_near(h.gradient, {forward.gradient(0), forward.gradient(1)}, 1e-9);
}

TEST_CASE("f2sa-2: an upper loss that does not depend on y has no implicit part") {
  const Problem problem{[](const auto& x, const auto&) { return sum(square(x)); },
                        [](const auto& x, const auto& y) { return sum(square(sub(y, x))); }};
  Oracle oracle(problem);
  const Vector x = vec({1, -2}), y = vec({0, 0});
  const auto h = central_difference(oracle, x, y, y, PenaltyDescent{.steps = 100, .lr = 0.3, .tolerance = 1e-13});
  CHECK(h.central);
  check_near(h.gradient, {2, -4}, 1e-9);
  CHECK(h.report.linear.residual <= 1e-10);
  CHECK(h.report.warning == "");
}

TEST_CASE("f2sa-2: three upper and two lower variables, upper ones in two leaves") {
  const Wide w;
  const auto problem = w.problem();
  Oracle oracle(problem);
  const auto h = central_difference(oracle, w.x, vec({0, 0}), vec({0, 0}),
                                    PenaltyDescent{.steps = 500, .lr = 0.25, .tolerance = 1e-12}, {.nu = 1e-3});
  const auto want = w.gradient(w.x);
  check_near(h.gradient[0], {want[0](0), want[0](1)}, 1e-6);
  check_near(h.gradient[1], {want[1](0)}, 1e-6);
}

TEST_CASE("f2sa-2: a box below, where active bounds do not move") {
  const auto problem = clipped_below(vec({1, 0, 0, 1}));
  Oracle oracle(problem);
  const Vector x = vec({-0.5, 0.3, 1.4, 0.8}), y = vec({0.5, 0.5, 0.5, 0.5});
  const auto h =
      central_difference(oracle, x, y, y, PenaltyDescent{.steps = 200, .lr = 0.5, .tolerance = 1e-13}, {.nu = 1e-4});
  check_near(h.gradient, {0, 0.3, 0, -0.2}, 1e-7);
  CHECK(h.report.warning == "");
  const auto s = after(CentralF2sa{.inner = {.steps = 50, .lr = 0.5}, .lr_x = {0.5}}, problem, 100, x, y);
  for (int i = 0; i < 4; ++i) CHECK((s.plus(i) >= 0 && s.plus(i) <= 1));
  CHECK(std::abs(s.plus(1)) < 1e-4);
  CHECK(std::abs(s.plus(3) - 1) < 1e-4);
  CHECK(s.x(0) == -0.5);  // F is flat there: a local end
}

TEST_CASE("f2sa: P11, a line of lower solutions, to the optimistic optimum") {
  const auto problem = line_of_solutions();
  const auto s = after(F2sa{.inner_steps = 20, .lr_y = {0.5}, .lr_z = {0.5}, .lr_x = {0.2}, .lambda = 5, .growth = {0}},
                       problem, 200, vec({-1}), pair_of(0, 0));
  check_near(s.x, {1}, 1e-6);
  check_near(s.y[0], {1}, 1e-6);
  check_near(s.y[1], {2}, 1e-6);
  CHECK(s.value < 1e-12);
  const auto c = after(CentralF2sa{.inner = {.steps = 50, .lr = 0.5}, .nu = {0.1}, .lr_x = {0.5}}, problem, 60,
                       vec({-1}), pair_of(0, 0));
  check_near(c.x, {1}, 1e-6);
  check_near(c.plus[0], {1}, 1e-6);
  check_near(c.plus[1], {2}, 1e-6);
}

TEST_CASE("f2sa-2: P13, a lower loss that is not convex") {
  const Sine want;
  const auto s = after(CentralF2sa{.inner = {.steps = 200, .lr = 0.5, .tolerance = 1e-12}, .nu = {1e-3}, .lr_x = {0.2}},
                       Sine::problem(), 100, vec({2}), vec({4}));
  check_near(s.x, {want.x}, 1e-5);
  check_near(s.plus, {want.y}, 1e-3);
  check_near(s.value, want.value, 1e-5);
}

TEST_CASE("f2sa: an upper box holds x") {
  const Quadratic q;
  const auto free = quadratic_of<double>(q);
  const Problem boxed{free.upper, free.lower, Box{-1, 1}};
  const auto s =
      after(CentralF2sa{.inner = {.steps = 100, .lr = 0.25}, .nu = {1e-2}, .lr_x = {2}}, boxed, 60, q.x, vec({0, 0}));
  CHECK(s.x(1) == 1);  // its minimiser is at 2.77
  const Vector g = exact_gradient(q, s.x);
  CHECK(g(1) < 0);
  CHECK((std::abs(s.x(0)) == 1 || std::abs(g(0)) < 1e-4));
}

TEST_CASE("f2sa: runs go on from a copy of the state with the same bits, and start's arrays stay") {
  const Quadratic q;
  const auto problem = quadratic_of<double>(q);
  const F2sa plain{.inner_steps = 3};
  check_resumes(plain, problem, plain.start(q.x, vec({0, 0})));
  const CentralF2sa central{.inner = {.steps = 3}};
  check_resumes(central, problem, central.start(q.x, vec({0, 0})));
}

TEST_CASE("f2sa: NaN is never masked, bad options are a sentence") {
  const Quadratic q;
  const auto problem = quadratic_of<double>(q);
  for (const bool upper : {false, true}) {
    const Vector x = upper ? vec({not_a_number, 0}) : q.x, y = upper ? vec({0, 0}) : vec({0, not_a_number});
    const auto s = after(F2sa{.inner_steps = 2}, problem, 2, x, y);
    CHECK(s.x(0) != s.x(0));
    CHECK(s.value != s.value);
    const auto c = after(CentralF2sa{.inner = {.steps = 2}}, problem, 2, x, y);
    CHECK(c.x(0) != c.x(0));
    CHECK(c.report.lower_gradient != c.report.lower_gradient);
    CHECK(c.report.warning != "");
    CHECK_FALSE(c.report.linear.converged);
  }
  CHECK_THROWS_AS(F2sa{.lambda = 0}.start(q.x, q.x), ValueError);
  CHECK_THROWS_AS(CentralF2sa{.nu = {0}}.start(q.x, q.x), ValueError);
  Oracle oracle(problem);
  CHECK_THROWS_WITH_AS(central_difference(oracle, q.x, q.x, q.x, PenaltyDescent{}, {.nu = -1}),
                       "central difference: nu is -1", ValueError);
  CHECK_THROWS_WITH_AS((PenaltyDescent{.steps = 1, .lr = 0}(oracle, q.x, 0, q.x)), "penalty descent: 1 steps of 0",
                       ValueError);
}
