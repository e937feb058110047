// Second derivatives from values, and the double loop on them: the right means, orders, counts, and the same bits
// again.
#include "tenzo/bilevel/zeroth_order/zdsba.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "sums.hpp"
#include "tenzo/core/parallel.hpp"

using namespace tenzo;
using namespace tenzo::bilevel;
using namespace tenzo::bilevel::test;

namespace {

ValueGradient exact_differences() { return {.kind = ValueGradient::Kind::cge, .options = {.eps = 1e-4, .queries = 0}}; }

}  // namespace

TEST_CASE("stein products: on a quadratic their means are H u and M u, at any radius") {
  const Quadratic q;
  const auto problem = q.problem();
  Oracle oracle(problem);
  const Vector y = vec({0.3, -0.2}), u = vec({1, -0.5});
  for (const double eps : {1e-3, 0.5}) {
    const SteinProducts second{.eps_upper = eps, .eps_lower = 2 * eps, .queries = 1};
    check_mean(oracle.hessian_product(q.x, y, u), 60000, [&](int t) {
      return second.hessian([&](const Vector& at) { return problem.lower(q.x, at).item(); }, y, u, 5, t);
    });
    check_mean(oracle.cross_product(q.x, y, u), 60000, [&](int t) {
      return second.cross([&](const Vector& a, const Vector& b) { return problem.lower(a, b).item(); }, q.x, y, u, 5,
                          t);
    });
  }
}

TEST_CASE("stein products: beyond quadratics the Hessian is that of the smoothed function") {
  // E[(b² − 1) (y + η b)⁴] / η² = 12 y² + 12 η²: the second derivative of the smoothed fourth power
  const Vector y = vec({0.5}), u = vec({1});
  for (const double eps : {0.1, 0.4}) {
    const SteinProducts second{.eps_lower = eps, .queries = 1};
    check_mean(vec({12 * 0.25 + 12 * eps * eps}), 200000,
               [&](int t) { return second.hessian([&](const Vector& at) { return std::pow(at(0), 4); }, y, u, 9, t); });
  }
}

TEST_CASE("stein products: queries are means of draws, and are counted") {
  const Quadratic q;
  const auto problem = q.problem();
  const Vector y = vec({0.3, -0.2}), u = vec({1, -0.5});
  int asked = 0;
  const auto g = [&](const Vector& at) {
    ++asked;
    return double(problem.lower(q.x, at).item());
  };
  const auto spread = [&](int queries) {
    const SteinProducts second{.queries = queries};
    double squares = 0, mean = 0;
    for (int t = 0; t < 20000; ++t) {
      const double h = second.hessian(g, y, u, 3, t)(0);
      squares += h * h / 20000, mean += h / 20000;
    }
    return squares - mean * mean;
  };
  const double one = spread(1);
  CHECK(asked == 20000 * 3);
  CHECK(spread(8) == doctest::Approx(one / 8).epsilon(0.4));
  CHECK(asked == 20000 * (3 + 17));
  CHECK_THROWS_WITH_AS((SteinProducts{.queries = 0}.hessian(g, y, u, 1, 1)),
                       "stein products: radii of 0.001 and 0.001, 0 queries; want positive numbers", ValueError);
}

TEST_CASE("zdsba: the mean of its hypergradient is that of the series") {
  const Quadratic q;
  const auto problem = q.problem();
  Oracle oracle(problem);
  const auto product = [&](const Vector& u) { return test::product(q.a, u); };
  Vector b = sub(q.c, q.y_star);  // −∇_y f
  const Vector v = Neumann{.terms = 4, .alpha = 0.1}(product, b).x;
  const Vector want = add(scale(q.x, 0.1), oracle.cross_product(q.x, q.y_star, v));
  for (const bool random : {false, true}) {
    CAPTURE(random);
    const Zdsba solver{
        .terms = 5, .alpha = 0.1, .random = random, .upper_gradient = exact_differences(), .second = {.queries = 4}};
    auto s = solver.begin(problem, q.x, q.y_star);
    check_mean(want, 20000, [&](int t) {
      s.step = t;
      return solver.gradient_(s, problem, Face<Vector>{});
    });
  }
}

TEST_CASE("zdsba: from values to the minimum of F; counts as said") {
  const Quadratic q;
  const auto problem = q.problem();
  Zdsba solver{.steps = {.lower = 0.1, .upper = 1.5, .upper_decay = 0.7},
               .inner = 10,
               .terms = 10,
               .alpha = 0.15,
               .random = false,
               .lower_gradient = {.options = {.queries = 4}},
               .upper_gradient = {.options = {.queries = 4}},
               .second = {.queries = 100}};
  auto s = solver.begin(problem, q.x, vec({0, 0}));
  for (int t = 0; t < 800; ++t) solver.step(s, problem);
  MESSAGE("x = ", s.now.x(0), ", ", s.now.x(1));
  check_near(s.now.x, {-1.898527004910, 2.765957446809}, 0.1);
  check_near(s.now.y, {1.103109656301, 0.220949263502}, 0.1);
  // a step: 10 · 4 · 2 values of g for y, 9 factors and M of 201; of f twice 4 · 2
  CHECK(s.counts.lower == 800 * (80 + 9 * 201 + 201));
  CHECK(s.counts.upper == 800 * 16);
  CHECK(s.counts.lower_gradients + s.counts.hessian_products + s.counts.cross_products == 0);
}

TEST_CASE("zdsba: sets are kept, active bounds do not move") {
  // y* = clip(x, 0, 1): where it lies on a bound the implicit part is zero
  const Vector t = vec({1, 0, 0, 1});
  const Problem problem{[&](const auto&, const auto& y) { return scale(sum(square(sub(y, t))), 0.5); },
                        [](const auto& x, const auto& y) { return scale(sum(square(sub(y, x))), 0.5); }, Everywhere{},
                        Box{0, 1}};
  const Zdsba solver{.steps = {.lower = 0.5},
                     .inner = 40,
                     .lower_gradient = exact_differences(),
                     .upper_gradient = exact_differences()};
  auto s = solver.begin(problem, vec({-0.5, 0.3, 1.4, 0.8}), vec({0.5, 0.5, 0.5, 0.5}));
  const auto face = solver.lower_steps_(s, problem);
  check_near(s.now.y, {0, 0.3, 1, 0.8}, 1e-6);
  solver.gradient_(s, problem, face);
  CHECK(s.now.v(0) == 0);
  CHECK(s.now.v(2) == 0);
  CHECK(s.now.v(1) != 0);
}

TEST_CASE("zdsba: batches, too; the same bits from the middle on, on any number of threads") {
  const QuadraticSum problem(5, 4, 0.2, 3, 6);
  const auto sum = problem.sum();
  const Zdsba solver{.steps = {.lower = 0.2, .upper = 0.2, .lower_decay = 0.5, .upper_decay = 0.5},
                     .inner = 4,
                     .inner_growth = 0.25,
                     .terms = 6,
                     .alpha = 0.2,
                     .random = false,
                     .second = {.queries = 60}};
  auto s = solver.begin(sum, Vector::zeros({3}), Vector::zeros({6}));
  const double before = problem.gradient_squared(s.now.x);
  for (int t = 0; t < 60; ++t) solver.step(s, sum);
  auto middle = saved(s);
  for (int t = 0; t < 60; ++t) solver.step(s, sum);
  const int team = threads();
  set_threads(team > 1 ? 1 : 2);
  for (int t = 0; t < 60; ++t) solver.step(middle, sum);
  set_threads(team);
  CHECK(same_bits(s, middle));
  const double left = problem.gradient_squared(s.now.x) / before;
  MESSAGE("left: ", left);
  CHECK(left < 0.5);
  CHECK_THROWS_AS((Zdsba{.inner = 0}.begin(sum, s.now.x, s.now.y)), ValueError);
  CHECK_THROWS_AS((Zdsba{.terms = 0}.begin(sum, s.now.x, s.now.y)), ValueError);
}
