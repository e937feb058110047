// Values alone: every way to a hypergradient within its stated error, on P1 and beyond.
#include <doctest/doctest.h>

#include "sums.hpp"
#include "tenzo/bilevel/implicit.hpp"
#include "tenzo/bilevel/zeroth_order/black_box.hpp"
#include "tenzo/bilevel/zeroth_order/products.hpp"
#include "tenzo/bilevel/zeroth_order/single_loop.hpp"
#include "tenzo/core/parallel.hpp"

using namespace tenzo;
using namespace tenzo::bilevel;
using namespace tenzo::bilevel::test;

namespace {

const Vector hypergradient = vec({0.114049586777, -0.766735537190});
constexpr auto all_coordinates = ValueGradient::Kind::cge;

/// Checks the mean of vectors against `want`, element by element, within four standard deviations of the mean.
template <class Draw>
void check_mean(const Vector& want, int n, Draw&& draw) {
  Eigen::VectorXd sum = Eigen::VectorXd::Zero(want.size()), squares = sum;
  for (int t = 0; t < n; ++t) {
    const Vector v = draw(t);
    REQUIRE(v.size() == want.size());
    sum += v.vector(), squares += v.vector().cwiseProduct(v.vector());
  }
  for (Eigen::Index k = 0; k < sum.size(); ++k) {
    const double mean = sum[k] / n, deviation = std::sqrt(std::max(0.0, squares[k] / n - mean * mean) / n);
    INFO("element ", k, ": ", mean, ", want ", want(k), ", deviation ", deviation);
    CHECK(std::abs(mean - want(k)) <= 4 * deviation + 1e-9);
    CHECK(deviation < 0.1);  // the bound says something
  }
}

ValueGradient exact_differences() { return {.kind = all_coordinates, .options = {.eps = 1e-4, .queries = 0}}; }

}  // namespace

TEST_CASE("value gradients: each kind has the gradient as its mean; all coordinates give it at once") {
  using Two = std::vector<Vector>;
  const Two at{mat(1, 3, {1, -2, 0.5}), vec({3, 0.25})}, weights{mat(1, 3, {1, 2, 3}), vec({0.5, 4})};
  const auto loss = [&](const Two& t) {
    double s = 0;
    for (std::size_t k = 0; k < 2; ++k)
      for (std::int64_t i = 0; i < t[k].size(); ++i) s += 0.5 * weights[k](i) * t[k](i) * t[k](i);
    return s;
  };
  const Vector want = vec({1, -4, 1.5, 1.5, 1});
  std::int64_t asked = 0;
  check_near(ravel(exact_differences()(loss, at, 1, 0, asked)), {1, -4, 1.5, 1.5, 1}, 1e-10);
  CHECK(asked == 10);
  const auto check_kind = [&](ValueGradient g, std::int64_t each) {
    g.options.eps = 1e-3;
    asked = 0;
    check_mean(want, 8000, [&](int t) { return ravel(g(loss, at, 7, t, asked)); });
    CHECK(asked == 8000 * each);
  };
  check_kind({.options = {.queries = 2}}, 4);
  check_kind({.options = {.queries = 2, .law = zo::DirectionLaw::rademacher}}, 4);
  check_kind({.options = {.queries = 2, .law = zo::DirectionLaw::sphere}}, 4);
  check_kind({.kind = ValueGradient::Kind::cge, .options = {.queries = 2}}, 4);
  check_kind({.kind = ValueGradient::Kind::block}, 4);
  check_kind({.kind = ValueGradient::Kind::sparse, .options = {.queries = 2}, .masked_out = 0.5}, 4);
  CHECK_THROWS_AS((ValueGradient{.options = {.queries = 0}}(loss, at, 1, 0, asked)), ValueError);
  CHECK_THROWS_AS((ValueGradient{.kind = ValueGradient::Kind::sparse, .masked_out = 1}(loss, at, 1, 0, asked)),
                  ValueError);
  CHECK_THROWS_AS((ValueGradient{.kind = all_coordinates, .options = {.queries = -1}}(loss, at, 1, 0, asked)),
                  ValueError);
}

TEST_CASE("P1: black boxes, HOZOG, evolution strategies, PZOBO") {
  const Quadratic q;
  const auto problem = q.problem();
  Oracle oracle(problem);
  const auto value = [&](const Vector& x) { return oracle.upper(x, q.solution(x)); };
  const auto solve = [&](const Vector& x) { return q.solution(x); };
  for (const bool two_sided : {false, true}) {
    const Hozog hozog{.mu = 0.1, .queries = 10, .two_sided = two_sided};
    const auto one = hozog(value, q.x, 1, 0);
    CHECK(one.solves == (two_sided ? 20 : 11));
    if (!two_sided) check_near(one.value, 3.443569214876, 1e-12);
    check_mean(hypergradient, 2000, [&](int t) { return hozog(value, q.x, 3, t).gradient; });
  }
  const EvolutionStrategy es{.sigma = 1e-2, .queries = 10};
  CHECK(es(value, q.x, 1, 0).solves == 20);
  check_mean(hypergradient, 2000, [&](int t) { return es(value, q.x, 3, t).gradient; });
  const Pzobo pzobo{.mu = 0.1, .queries = 10};
  const auto one = pzobo(oracle, solve, q.x, 1, 0);
  CHECK(one.solves == 11);
  check_near(one.value, 3.443569214876, 1e-12);
  check_mean(hypergradient, 2000, [&](int t) { return pzobo(oracle, solve, q.x, 3, t).gradient; });
}

TEST_CASE("PZOBO: runs the inner solver Q + 1 times; N steps have the error of N steps") {
  const Quadratic q;
  const auto problem = q.problem();
  Oracle oracle(problem);
  int runs = 0;
  const auto steps = [&](const Vector& x) {  // 5 steps of 0.2 from 0: the golden ITD value
    ++runs;
    Vector y = vec({0, 0});
    for (int t = 0; t < 5; ++t) axpy_(-0.2, oracle.lower_gradient(x, y), y);
    return y;
  };
  Pzobo{.queries = 4}(oracle, steps, q.x, 1, 0);
  CHECK(runs == 5);
  check_mean(vec({0.092476672, -0.7749737088}), 1000,
             [&](int t) { return Pzobo{}(oracle, steps, q.x, 2, t).gradient; });
}

TEST_CASE("evolution strategy: by rank, only the order of the values counts") {
  const Quadratic q;
  const auto problem = q.problem();
  Oracle oracle(problem);
  const EvolutionStrategy es{.sigma = 0.1, .queries = 8, .ranked = true};
  const auto value = [&](const Vector& x) { return oracle.upper(x, q.solution(x)); };
  const auto other = [&](const Vector& x) { return std::exp(3 * value(x)); };
  Vector mean = vec({0, 0});
  for (int t = 0; t < 400; ++t) {
    const auto a = es(value, q.x, 5, t), b = es(other, q.x, 5, t);
    CHECK(same_bits(a.gradient, b.gradient));
    axpy_(1.0 / 400, a.gradient, mean);
  }
  CHECK(inner(mean, hypergradient) > 0.98 * norm(mean) * norm(hypergradient));
  const auto broken = [&](const Vector& x) { return x(0) > 0.5 ? NAN : value(x); };
  CHECK(std::isfinite(norm(es(broken, q.x, 5, 1).gradient)));
  // without ranks NaN is not hidden
  CHECK_FALSE(std::isfinite(norm(EvolutionStrategy{}(broken, q.x, 5, 1).gradient)));
}

TEST_CASE("difference products: exact on P1, of second order beyond") {
  const Quadratic q;
  const DifferenceProducts problem(q.problem());
  Oracle oracle(problem);
  const auto h = implicit_gradient(oracle, q.x, q.solution(q.x), Cg{{.iterations = 10, .rtol = 1e-7}});
  check_near(h.gradient, {hypergradient(0), hypergradient(1)}, 1e-7);
  CHECK(h.report.linear.converged);

  const Problem quartic{q.problem().upper, [](const auto& x, const auto& y) {
                          return add(scale(sum(square(square(y))), 0.25), sum(mul(mul(y, y), exp(mul(x, y)))));
                        }};
  const Vector x = vec({0.3, -0.2}), y = vec({0.7, -0.4}), u = vec({1, 2});
  Oracle exact(quartic);
  const Vector hu = exact.hessian_product(x, y, u), mu = exact.cross_product(x, y, u);
  std::vector<double> radius{0.04, 0.08, 0.16}, of_h, of_m;
  for (const double r : radius) {
    const DifferenceProducts d(quartic, r);
    of_h.push_back(norm(sub(d.hessian_product(x, y, u), hu)));
    of_m.push_back(norm(sub(d.cross_product(x, y, u), mu)));
  }
  CHECK(log_slope(radius, of_h) == doctest::Approx(2).epsilon(0.05));
  CHECK(log_slope(radius, of_m) == doctest::Approx(2).epsilon(0.05));
  const DifferenceProducts d(quartic);
  CHECK(norm(sub(d.hessian_product(x, y, u), hu)) < 1e-6);
  CHECK(norm(sub(d.cross_product(x, y, u), mu)) < 1e-6);
  CHECK(norm(d.hessian_product(x, y, vec({0, 0}))) == 0);
  CHECK(norm(d.cross_product(x, y, vec({0, 0}))) == 0);
  CHECK_THROWS_AS(DifferenceProducts(quartic, -1), ValueError);
}

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
