// The Moreau envelope method: its bias, its rate, and lower losses that are flat or not convex.
#include "tenzo/bilevel/meha.hpp"

#include <doctest/doctest.h>

#include "first_order.hpp"

using namespace tenzo;
using namespace tenzo::bilevel;
using namespace tenzo::bilevel::test;

namespace {

double error_of(const Vector& x) { return distance(x, {-1.898527004910, 2.765957446809}); }

}  // namespace

TEST_CASE("meha: P1, the bias at constant c is of first order in 1 / c") {
  const Quadratic q;
  const auto problem = quadratic_of<double>(q);
  std::vector<double> cs{3, 10, 30}, errors;
  for (const double c : cs) {
    const Meha o{.lr_theta = 0.15, .lr_y = 0.15, .lr_x = 0.15, .gamma = 1, .c = {c, 0}};
    const auto s = after(o, problem, int(1000 * c), q.x, vec({0, 0}));
    errors.push_back(error_of(s.x));
    CHECK(s.gap > 0);
    CHECK(s.counts.lower_gradients == 4 * s.step);
    CHECK(s.counts.upper_gradients == 2 * s.step);
    CHECK(s.counts.all() == 6 * s.step);
  }
  CHECK(std::abs(order(cs, errors) + 1) < 0.08);  // the second order still shows at 3
}

TEST_CASE("meha: P1, with c growing as k^(1/4) the error falls with it") {
  const Quadratic q;
  const auto problem = quadratic_of<double>(q);
  std::vector<double> steps{1000, 4000, 16000}, errors;
  for (const double k : steps)
    errors.push_back(error_of(
        after(Meha{.lr_theta = 0.15, .lr_y = 0.15, .lr_x = 0.15, .c = {1, -0.25}}, problem, int(k), q.x, vec({0, 0}))
            .x));
  CHECK(order(steps, errors) < -0.25);
  CHECK(order(steps, errors) > -0.45);
}

TEST_CASE("meha: a first step, by hand") {
  // g = ½ (y − x)², f = ½ y²; x = 0.5, y = θ = 2, γ = 0.5, c = 4.
  const Problem problem{[](const auto&, const auto& y) { return scale(sum(square(y)), 0.5); },
                        [](const auto& x, const auto& y) { return scale(sum(square(sub(y, x))), 0.5); }};
  const auto s = after(Meha{1, 0.1, 0.2, 0.3, 0.5, {4, 0}}, problem, 1, vec({0.5}), vec({2}));
  const double theta = 2 - 0.1 * 1.5, y = 2 - 0.2 * (2.0 / 4 + 1.5 - (2 - theta) / 0.5);
  check_near(s.theta, {theta}, 1e-15);
  check_near(s.y, {y}, 1e-15);
  check_near(s.x, {0.5 - 0.3 * ((0.5 - y) - (0.5 - theta))}, 1e-15);
  const double v = (theta - 0.5) * (theta - 0.5) / 2 + (theta - y) * (theta - y);
  check_near(s.gap, (y - 0.5) * (y - 0.5) / 2 - v, 1e-15);
}

TEST_CASE("meha: P11, a line of lower solutions, to the optimistic optimum") {
  const auto s = after(Meha{.lr_theta = 0.3, .lr_y = 0.3, .lr_x = 0.3, .c = {1, -0.25}}, line_of_solutions(), 1000,
                       vec({-1}), pair_of(0, 0));
  check_near(s.x, {1});
  check_near(s.y[0], {1});
  check_near(s.y[1], {2});
  CHECK(s.value < 1e-18);
}

TEST_CASE("meha: P13, a lower loss that is not convex, and the bias there") {
  const Sine want;
  std::vector<double> cs{30, 60, 120}, errors;
  for (const double c : cs) {
    const auto s = after(Meha{.lr_theta = 0.3, .lr_y = 0.3, .lr_x = 0.3, .gamma = 0.4, .c = {c, 0}}, Sine::problem(),
                         int(150 * c), vec({2}), vec({4}));
    errors.push_back(std::hypot(s.x(0) - want.x, s.y(0) - want.y));
  }
  CHECK(errors[2] < 0.02);
  CHECK(std::abs(order(cs, errors) + 1) < 0.08);  // from above: 0.89 between 10 and 100, 0.94 here
}

TEST_CASE("meha: a box below") {
  const auto s = after(Meha{.lr_theta = 0.3, .lr_y = 0.3, .lr_x = 0.3, .c = {10, 0}}, clipped_below(vec({1, 0, 0, 1})),
                       2000, vec({-0.5, 0.3, 1.4, 0.8}), vec({0.5, 0.5, 0.5, 0.5}));
  check_near(s.y, {0, 0, 1, 1}, 1e-9);
  for (int i = 0; i < 4; ++i) CHECK((s.theta(i) >= 0 && s.theta(i) <= 1));
}

TEST_CASE("meha: more upper than lower variables, and float") {
  const Wide w;
  const auto s =
      after(Meha{.lr_theta = 0.15, .lr_y = 0.15, .lr_x = 0.15, .c = {20, 0}}, w.problem(), 10000, w.x, w.solution(w.x));
  CHECK(norm(w.gradient(w.x)) > 0.5);
  CHECK(norm(w.gradient(s.x)) < 0.05);
  const Quadratic q;
  const auto d = after(Meha{}, quadratic_of<double>(q), 100, q.x, vec({0, 0}));
  const auto f = after(Meha{}, quadratic_of<float>(q), 100, q.x.cast<float>(), Tensor<float>::zeros({2}));
  check_near(f.x.cast<double>(), {d.x(0), d.x(1)}, 1e-4);
}

TEST_CASE("meha: resumes; NaN is never masked; bad options are a sentence") {
  const Quadratic q;
  const auto problem = quadratic_of<double>(q);
  const Meha o;
  check_resumes(o, problem, o.start(q.x, vec({0, 0})));
  for (const bool upper : {false, true}) {
    const Vector x = upper ? vec({not_a_number, 0}) : q.x, y = upper ? vec({0, 0}) : vec({0, not_a_number});
    const auto s = after(o, problem, 1, x, y);
    CHECK(s.x(0) != s.x(0));
    CHECK(s.y(0) != s.y(0));
    CHECK(s.gap != s.gap);
  }
  CHECK_THROWS_WITH_AS(Meha{.gamma = 0}.start(q.x, q.x), "meha: 1 inner steps, gamma 0, c 0.2", ValueError);
}
