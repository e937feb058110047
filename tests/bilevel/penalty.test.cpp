// Value-function and gradient penalties: where they arrive, and how their bias falls with gamma.
#include "tenzo/bilevel/penalty.hpp"

#include <doctest/doctest.h>

#include "first_order.hpp"

using namespace tenzo;
using namespace tenzo::bilevel;
using namespace tenzo::bilevel::test;

namespace {

constexpr double minimiser[] = {-1.898527004910, 2.765957446809};
double error_of(const Vector& x) { return distance(x, {minimiser[0], minimiser[1]}); }

}  // namespace

TEST_CASE("penalties: ramps and powers") {
  const Ramp r{1, 5, 8};
  CHECK(r.at(0) == 1);
  CHECK(r.at(2) == 2);
  CHECK(r.at(8) == 5);
  CHECK(r.at(100) == 5);
  CHECK(Ramp{1, 7, 0}.at(0) == 7);
  CHECK(Power{0.5, 0.5}.at(3) == 0.25);
  CHECK(Power{0.5}.at(1000) == 0.5);
  CHECK(Power{2, -1}.at(4) == 10);
}

TEST_CASE("value penalty: P1, the bias is of first order in 1 / gamma") {
  const Quadratic q;
  const auto problem = quadratic_of<double>(q);
  std::vector<double> gammas{3, 10, 30}, errors;
  for (const double g : gammas) {
    const auto s = after(ValuePenalty{.inner_steps = 5, .inner_lr = 0.25, .lr_x = 0.2, .lr_y = 0.2, .gamma = {g, g, 0}},
                         problem, int(400 * g), q.x, vec({0, 0}));
    errors.push_back(error_of(s.x));
    CHECK(s.penalty > 0);
    CHECK(s.counts.lower_gradients == 7 * s.step);
    CHECK(s.counts.upper_gradients == s.step);
    CHECK(s.counts.all() == 8 * s.step);
  }
  CHECK(std::abs(order(gammas, errors) + 1) < 0.06);  // the second order still shows at 3
}

TEST_CASE("gradient penalty: P1, the bias is of first order in 1 / gamma") {
  const Quadratic q;
  const auto problem = quadratic_of<double>(q);
  std::vector<double> gammas{3, 10, 30}, errors;
  for (const double g : gammas) {
    const auto s = after(GradientPenalty{.lr_x = 0.02, .lr_y = 0.02, .gamma = {g, g, 0}}, problem, int(2000 * g),
                         vec({-1.9, 2.77}), vec({1.1, 0.22}));
    errors.push_back(error_of(s.x));
    CHECK(s.counts.hessian_products == s.step);
    CHECK(s.counts.cross_products == s.step);
  }
  CHECK(std::abs(order(gammas, errors) + 1) < 0.06);
}

TEST_CASE("value penalty: a first step, by hand") {
  // x = 0.5, y = 2, g = ½ (y − x)², f = ½ y²: ŷ = 2 − 0.5 · 1.5 = 1.25. γ = 4 divides the steps.
  const Problem problem{[](const auto&, const auto& y) { return scale(sum(square(y)), 0.5); },
                        [](const auto& x, const auto& y) { return scale(sum(square(sub(y, x))), 0.5); }};
  const auto s = after(ValuePenalty{.inner_steps = 1, .inner_lr = 0.5, .lr_x = 0.4, .lr_y = 0.2, .gamma = {4, 4, 0}},
                       problem, 1, vec({0.5}), vec({2}));
  check_near(s.best, {1.25}, 1e-15);
  check_near(s.penalty, (1.5 * 1.5 - 0.75 * 0.75) / 2, 1e-15);
  check_near(s.x, {0.5 - 0.1 * 4 * (-1.5 + 0.75)}, 1e-15);
  check_near(s.y, {2 - 0.05 * (2 + 4 * 1.5)}, 1e-15);
  const auto g = after(GradientPenalty{.lr_x = 0.4, .lr_y = 0.2, .gamma = {4, 4, 0}}, problem, 1, vec({0.5}), vec({2}));
  check_near(g.penalty, 2.25, 1e-15);
  check_near(g.x, {0.5 + 0.1 * 4 * 3}, 1e-15);
  check_near(g.y, {2 - 0.05 * (2 + 4 * 3)}, 1e-15);
}

TEST_CASE("penalties: P11, a line of lower solutions, to the optimistic optimum") {
  const auto arrived = [](const auto& s) {
    check_near(s.x, {1});
    check_near(s.y[0], {1});
    check_near(s.y[1], {2});
    CHECK(s.value < 1e-18);
  };
  const ValuePenalty value{.inner_steps = 10, .inner_lr = 0.5, .lr_x = 0.3, .lr_y = 0.3, .gamma = {1, 10, 500}};
  arrived(after(value, line_of_solutions(), 3000, vec({-1}), pair_of(0, 0)));
  const GradientPenalty gradient{.lr_x = 0.3, .lr_y = 0.3, .gamma = {1, 10, 500}};
  arrived(after(gradient, line_of_solutions(), 3000, vec({-1}), pair_of(0, 0)));
}

TEST_CASE("value penalty: P13, a lower loss that is not convex, and its bias") {
  const Sine want;
  for (const bool warm : {false, true}) {
    std::vector<double> gammas{10, 30, 100}, errors;
    for (const double g : gammas) {
      const ValuePenalty o{10, 0.5, 0.3, 0.3, {g, g, 0}, warm};
      const auto s = after(o, Sine::problem(), int(20 * g), vec({2}), vec({4}));
      errors.push_back(std::hypot(s.x(0) - want.x, s.y(0) - want.y));
      CHECK(s.penalty > 0);
    }
    CHECK(std::abs(order(gammas, errors) + 1) < 0.05);
  }
}

TEST_CASE("value penalty: a box below") {
  for (const bool warm : {false, true}) {
    const ValuePenalty o{10, 0.5, 0.3, 0.3, {10, 10, 0}, warm};
    const auto s =
        after(o, clipped_below(vec({1, 0, 0, 1})), 3000, vec({-0.5, 0.3, 1.4, 0.8}), vec({0.5, 0.5, 0.5, 0.5}));
    check_near(s.y, {0, 0, 1, 1}, 1e-9);  // where x leaves the box, F is flat
    CHECK(s.x(0) < 0);
    CHECK(s.x(2) > 1);
    CHECK(s.penalty >= -1e-15);
  }
}

TEST_CASE("value penalty: more upper than lower variables, and float") {
  const Wide w;
  const auto s =
      after(ValuePenalty{.inner_steps = 5, .inner_lr = 0.25, .lr_x = 0.2, .lr_y = 0.2, .gamma = {1, 30, 500}},
            w.problem(), 15000, w.x, w.solution(w.x));
  CHECK(norm(w.gradient(s.x)) < 0.02);
  CHECK(norm(w.gradient(w.x)) > 0.5);
  const Quadratic q;
  const ValuePenalty o{.inner_steps = 5, .inner_lr = 0.25, .gamma = {1, 10, 50}};
  const auto d = after(o, quadratic_of<double>(q), 100, q.x, vec({0, 0}));
  const auto f = after(o, quadratic_of<float>(q), 100, q.x.cast<float>(), Tensor<float>::zeros({2}));
  check_near(f.x.cast<double>(), {d.x(0), d.x(1)}, 1e-4);
}

TEST_CASE("penalties: runs go on from a copy of the state with the same bits") {
  const Quadratic q;
  const auto problem = quadratic_of<double>(q);
  for (const bool warm : {false, true}) {
    const ValuePenalty value{.gamma = {1, 10, 20}, .warm = warm};
    check_resumes(value, problem, value.start(q.x, vec({0, 0})));
  }
  const GradientPenalty gradient{.lr_x = 0.01, .lr_y = 0.01, .gamma = {1, 10, 20}};
  check_resumes(gradient, problem, gradient.start(q.x, vec({0, 0})));
}

TEST_CASE("penalties: NaN is never masked, bad options are a sentence") {
  const Quadratic q;
  const auto problem = quadratic_of<double>(q);
  for (const bool upper : {false, true}) {
    const Vector x = upper ? vec({not_a_number, 0}) : q.x, y = upper ? vec({0, 0}) : vec({0, not_a_number});
    const auto v = after(ValuePenalty{}, problem, 1, x, y);
    CHECK(v.x(0) != v.x(0));
    CHECK(v.penalty != v.penalty);
    const auto g = after(GradientPenalty{}, problem, 1, x, y);
    CHECK(g.x(0) != g.x(0));
    CHECK(g.penalty != g.penalty);
  }
  CHECK_THROWS_WITH_AS(ValuePenalty{.inner_steps = 0}.start(q.x, q.x),
                       "value penalty: 0 inner steps of 0.1, steps of 0.1 and 0.1", ValueError);
  CHECK_THROWS_AS(GradientPenalty{.lr_x = -1}.start(q.x, q.x), ValueError);
}
