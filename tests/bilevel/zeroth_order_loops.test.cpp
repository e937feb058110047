// Loops from values alone: the penalty method and the single loop, on P1, on batches, and as the dimension grows.
#include <doctest/doctest.h>

#include "sums.hpp"
#include "tenzo/bilevel/zeroth_order/single_loop.hpp"
#include "tenzo/core/parallel.hpp"

using namespace tenzo;
using namespace tenzo::bilevel;
using namespace tenzo::bilevel::test;

namespace {

const Vector hypergradient = vec({0.114049586777, -0.766735537190});

ValueGradient exact_differences() { return {.kind = ValueGradient::Kind::cge, .options = {.eps = 1e-4, .queries = 0}}; }

}  // namespace

TEST_CASE("ZO penalty: with all coordinates it has the golden error of the central penalty; random, its mean") {
  const Quadratic q;
  const auto problem = q.problem();
  const auto error = [&](double nu) {
    const ZoPenalty solver{.nu = nu,
                           .inner = 300,
                           .inner_step = 0.2,
                           .lower_gradient = exact_differences(),
                           .upper_gradient = exact_differences()};
    auto s = solver.begin(problem, q.x, vec({0, 0}));
    return norm(sub(solver.gradient_(s, problem), hypergradient));
  };
  CHECK(error(0.1) == doctest::Approx(5.763e-4).epsilon(1e-3));
  CHECK(error(0.01) == doctest::Approx(5.752e-6).epsilon(1e-3));

  ZoPenalty solver{.nu = 0.01, .inner = 300, .inner_step = 0.2, .lower_gradient = exact_differences()};
  auto s = solver.begin(problem, q.x, vec({0, 0}));
  solver.gradient_(s, problem);
  solver.inner = 0;
  check_mean(hypergradient, 2000, [&](int t) {
    s.step = t;
    return solver.gradient_(s, problem);
  });
}

TEST_CASE("ZO penalty: both sides see the same directions; steps count their values and stay in the sets") {
  const Quadratic q;
  const Problem blind{[](const auto& x, const auto&) { return sum(square(x)); }, q.problem().lower, Box{-1, 0.4},
                      Box{-0.5, 0.5}};
  const ZoPenalty solver{
      .inner = 3, .lower_gradient = {.options = {.queries = 2}}, .upper_gradient = {.options = {.queries = 3}}};
  auto s = solver.begin(blind, q.x, vec({2, 0}));
  CHECK(s.x(0) == 0.4);
  CHECK(s.plus(0) == 0.5);
  for (int t = 0; t < 20; ++t) solver.step(s, blind);
  CHECK(same_bits(s.plus, s.minus));  // f does not depend on y
  for (int k = 0; k < 2; ++k) CHECK((s.x(k) >= -1 && s.x(k) <= 0.4 && std::abs(s.plus(k)) <= 0.5));
  // a step: 3 · 2 sides · 2 queries · 2 values of each, and 3 queries · 2 · 2
  CHECK(s.counts.upper == 20 * (24 + 12));
  CHECK(s.counts.lower == 20 * (24 + 12));
  CHECK(s.counts.lower_gradients == 0);
  CHECK_THROWS_AS((ZoPenalty{.nu = 0}.begin(blind, q.x, q.c)), ValueError);
}

TEST_CASE("ZO penalty and single loop: from values to the minimum of F") {
  const Quadratic q;
  const auto problem = q.problem();
  const ZoPenalty penalty{.nu = 0.05,
                          .inner = 10,
                          .inner_step = 0.1,
                          .upper_step = 0.3,
                          .lower_gradient = {.options = {.queries = 4}},
                          .upper_gradient = {.options = {.queries = 4}}};
  auto s = penalty.begin(problem, q.x, vec({0, 0}));
  for (int t = 0; t < 600; ++t) penalty.step(s, problem);
  check_near(s.x, {-1.898527004910, 2.765957446809}, 1e-2);

  const ZoSingleLoop loop{.steps = {.lower = 0.1, .linear = 0.1, .upper = 0.1},
                          .lower_gradient = {.options = {.queries = 4}},
                          .upper_gradient = {.options = {.queries = 4}}};
  auto l = loop.begin(problem, q.x, vec({0, 0}));
  for (int t = 0; t < 4000; ++t) loop.step(l, problem);
  check_near(l.now.x, {-1.898527004910, 2.765957446809}, 1e-3);
  check_near(l.now.y, {1.103109656301, 0.220949263502}, 1e-3);
}

TEST_CASE("single loop: with all coordinates it takes the golden steps of SOBA; random, its directions' mean") {
  const Quadratic q;
  const auto problem = q.problem();
  const ZoSingleLoop loop{.lower_gradient = exact_differences(), .upper_gradient = exact_differences()};
  auto s = loop.begin(problem, q.x, vec({0, 0}));
  for (int t = 0; t < 3; ++t) loop.step(s, problem);
  check_near(s.now.y, {0.234725, -0.2933275}, 1e-8);
  check_near(s.now.v, {0.1265, 0.448975}, 1e-8);
  check_near(s.now.x, {0.5080495, -0.14272475}, 1e-8);
  ZoSingleLoop random;
  const auto at = random.begin(problem, q.x, vec({0.3, 0.1}), vec({0.2, -0.4}));
  Oracle oracle(problem);
  const Vector v = add(oracle.hessian_product(at.now.x, at.now.y, at.now.v), sub(at.now.y, q.c));
  const Vector x = add(oracle.cross_product(at.now.x, at.now.y, at.now.v), scale(at.now.x, 0.1));
  const auto drawn = [&](int t) {
    auto copy = saved(at);
    copy.step = t;
    return random.directions_(copy, problem);
  };
  check_mean(v, 1500, [&](int t) { return drawn(t).v; });
  check_mean(x, 1500, [&](int t) { return drawn(t).x; });
  check_mean(oracle.lower_gradient(at.now.x, at.now.y), 1500, [&](int t) { return drawn(t).y; });
  CHECK_THROWS_AS((ZoSingleLoop{.eps = 0}.begin(problem, q.x, q.c)), ValueError);
}

TEST_CASE("ZO penalty: values to a given accuracy grow about as the dimension") {
  std::vector<double> dimension, values;
  for (const std::int64_t d : {16, 32, 64, 128}) {
    Vector a(Shape{d}), c(Shape{d});
    for (std::int64_t k = 0; k < d; ++k) a(k) = 1 + double(k % 4) / 4, c(k) = 1 + double(k % 3);
    const Problem problem{
        [&](const auto& x, const auto& y) {
          return add(scale(sum(square(sub(y, c))), 0.5), scale(sum(square(x)), 0.05));
        },
        [&](const auto& x, const auto& y) { return sub(scale(sum(mul(a, square(y))), 0.5), sum(mul(x, y))); }};
    const auto gradient = [&](const Vector& x) {
      double s = 0;
      for (std::int64_t k = 0; k < d; ++k) s += std::pow((x(k) / a(k) - c(k)) / a(k) + 0.1 * x(k), 2);
      return std::sqrt(s);
    };
    const int queries = 2;
    const double step = 0.4 * queries / double(queries + d + 1);
    const ZoPenalty solver{.nu = 0.02,
                           .inner = 2,
                           .inner_step = step,
                           .upper_step = 0.5 * step,
                           .lower_gradient = {.options = {.queries = queries}},
                           .upper_gradient = {.options = {.queries = queries}}};
    auto s = solver.begin(problem, Vector::zeros(Shape{d}), Vector::zeros(Shape{d}));
    const double enough = 1e-2 * gradient(s.x);
    int t = 0;
    for (; t < 20000 && gradient(s.x) > enough; ++t) solver.step(s, problem);
    REQUIRE(t < 20000);
    dimension.push_back(double(d));
    values.push_back(double(s.counts.all()));
  }
  const double slope = log_slope(dimension, values);
  MESSAGE("values ", values[0], " ", values[1], " ", values[2], " ", values[3], ", slope ", slope);
  CHECK(slope > 0.75);
  CHECK(slope < 1.25);
}

TEST_CASE("batches: from values, too; the same bits from the middle on, on any number of threads") {
  const QuadraticSum problem(5, 4, 0.2, 3, 6);
  const auto sum = problem.sum();
  const auto check = [&](const auto& solver, int steps, const auto& x_of) {
    auto s = solver.begin(sum, Vector::zeros({3}), Vector::zeros({6}));
    const double before = problem.gradient_squared(x_of(s));
    for (int t = 0; t < steps; ++t) solver.step(s, sum);
    auto middle = saved(s);
    for (int t = 0; t < steps; ++t) solver.step(s, sum);
    const int team = threads();
    set_threads(team > 1 ? 1 : 2);
    for (int t = 0; t < steps; ++t) solver.step(middle, sum);
    set_threads(team);
    CHECK(same_bits(s, middle));
    const double left = problem.gradient_squared(x_of(s)) / before;
    MESSAGE("left: ", left);
    CHECK(left < 0.25);
  };
  check(ZoSingleLoop{.steps = {.lower = 0.2, .linear = 0.2, .upper = 0.1, .lower_decay = 0.5, .upper_decay = 0.5}}, 600,
        [](const auto& s) { return s.now.x; });
  check(ZoPenalty{.nu = 0.1, .inner = 4, .inner_step = 0.1, .upper_step = 0.05}, 150,
        [](const auto& s) { return s.x; });
}
