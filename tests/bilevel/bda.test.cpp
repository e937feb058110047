// Aggregated descent: its hypergradients against differences, and the lower solution that it picks.
#include "tenzo/bilevel/bda.hpp"

#include <doctest/doctest.h>

#include "first_order.hpp"

using namespace tenzo;
using namespace tenzo::bilevel;
using namespace tenzo::bilevel::test;

namespace {

/// f(x, y_T(x)) by running the steps alone, the sum over the elements of both differences.
template <class P, class X, class Y>
void check_differences(const Bda& o, const P& problem, const X& x, const Y& y) {
  Oracle oracle(problem);
  const auto h = o.gradient(oracle, x, y);
  const AggregateStep<std::remove_cvref_t<decltype(problem.upper)>> step{problem.upper, o.lr_y, o.mu, o.weight};
  const auto value = [&](const X& at) { return oracle.upper(at, run_steps(oracle, at, y, step, o.inner_steps)); };
  check_near(h.value, value(x), 1e-14);
  const double eps = 1e-5;
  X unit = zeros_like(x);
  for_each_leaf(
      [&](const Path&, Vector& e, const Vector& got) {
        for (std::int64_t i = 0; i < e.size(); ++i) {
          e(i) = 1;
          X up = clone(x), down = clone(x);
          axpy_(eps, unit, up);
          axpy_(-eps, unit, down);
          check_near(got(i), (value(up) - value(down)) / (2 * eps), 1e-8);
          e(i) = 0;
        }
      },
      unit, h.gradient);
}

}  // namespace

TEST_CASE("bda: hypergradients are those of the steps, also in a box and with more upper variables") {
  const Bda o{.inner_steps = 7, .lr_y = 0.2, .mu = 1.5, .weight = {0.6, 0.5}};
  const Wide w;
  check_differences(o, w.problem(), w.x, vec({0.2, -0.1}));
  check_differences(o, clipped_below(vec({1, 0, 0, 1})), vec({-0.5, 0.3, 1.4, 0.8}), vec({0.5, 0.5, 0.5, 0.5}));
  check_differences(Bda{.inner_steps = 12, .lr_y = 0.3, .weight = {0.5, 1}}, Sine::problem(), vec({2}), vec({4}));
}

TEST_CASE("bda: P1, the error falls as the last weight does") {
  const Quadratic q;
  const auto problem = quadratic_of<double>(q);
  std::vector<double> steps{20, 40, 80}, errors;
  for (const double t : steps) {
    Oracle oracle(problem);
    const Bda o{.inner_steps = int(t), .lr_y = 0.2, .weight = {0.5, 1}};
    const auto h = o.gradient(oracle, q.x, vec({0, 0}));
    errors.push_back(distance(h.gradient, {0.114049586777, -0.766735537190}));
    CHECK(h.report.counts.upper_gradients == h.report.counts.lower_gradients + 1);
    CHECK(h.report.counts.hessian_products == int(t));
    CHECK(h.report.counts.cross_products == int(t));
  }
  CHECK(std::abs(order(steps, errors) + 1) < 0.05);
}

TEST_CASE("bda: P11, a line of lower solutions, to the optimistic optimum") {
  const Bda warm{.inner_steps = 50, .lr_y = 0.5, .lr_x = 0.3, .weight = {0.5, 0.25}, .warm = true};
  const auto s = after(warm, line_of_solutions(), 200, vec({-1}), pair_of(0, 0));
  check_near(s.x, {1});
  check_near(s.y[0], {1});
  check_near(s.y[1], {2}, 1e-8);
  CHECK(s.value < 1e-14);

  // From the same start each time y₂ gets as far as the steps carry it: 2 (1 − Π (1 − lr α_t)).
  const Bda cold{.inner_steps = 50, .lr_y = 0.5, .lr_x = 0.3, .weight = {0.5, 0.25}};
  double left = 1;
  for (int t = 0; t < 50; ++t) left *= 1 - 0.5 * 0.5 / std::pow(t + 1.0, 0.25);
  const auto c = after(cold, line_of_solutions(), 200, vec({-1}), pair_of(0, 0));
  check_near(c.x, {1}, 1e-6);
  check_near(c.y[1], {2 * (1 - left)}, 1e-12);
}

TEST_CASE("bda: without the upper part it is plain unrolling") {
  const Quadratic q;
  const auto problem = quadratic_of<double>(q);
  Oracle oracle(problem);
  const auto h = Bda{.inner_steps = 5, .lr_y = 0.2, .weight = {0, 0}}.gradient(oracle, q.x, vec({0, 0}));
  check_near(h.gradient, {0.092476672, -0.7749737088}, 1e-10);
  check_near(h.solution, {0.37256, -0.52312}, 1e-12);
}

TEST_CASE("bda: float; resumes; NaN is never masked; bad options are a sentence") {
  const Quadratic q;
  const auto problem = quadratic_of<double>(q);
  const auto d = after(Bda{}, problem, 20, q.x, vec({0, 0}));
  const auto f = after(Bda{}, quadratic_of<float>(q), 20, q.x.cast<float>(), Tensor<float>::zeros({2}));
  check_near(f.x.cast<double>(), {d.x(0), d.x(1)}, 1e-4);
  for (const bool warm : {false, true}) {
    const Bda o{.inner_steps = 5, .warm = warm};
    check_resumes(o, problem, o.start(q.x, vec({0, 0})));
  }
  for (const bool upper : {false, true}) {
    const Vector x = upper ? vec({not_a_number, 0}) : q.x, y = upper ? vec({0, 0}) : vec({0, not_a_number});
    const auto s = after(Bda{}, problem, 1, x, y);
    CHECK(s.x(0) != s.x(0));
    CHECK(s.value != s.value);
  }
  CHECK_THROWS_WITH_AS(Bda{.inner_steps = 0}.start(q.x, q.x),
                       "bda: 0 inner steps, mu 1, a weight of 0.5 that falls by the power 0.5", ValueError);
}
