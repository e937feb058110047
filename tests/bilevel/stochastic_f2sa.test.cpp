// Stochastic F²SA-p: without noise the deterministic steps; with it the right mean, a variance that small ν do not blow
// up, the orders of the bias, and the same bits again.
#include "tenzo/bilevel/stochastic/f2sa.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "sums.hpp"
#include "tenzo/bilevel/f2sa_p.hpp"
#include "tenzo/core/parallel.hpp"

using namespace tenzo;
using namespace tenzo::bilevel;
using namespace tenzo::bilevel::test;

namespace {

/// argmin g + jν f of the mean problem at x, for each node: (H + jν I) y = K x + b + jν c.
std::vector<Vector> exact_points(const QuadraticSum& p, const Vector& x, const Stencil& stencil, double nu) {
  const Eigen::MatrixXd h = QuadraticSum::mean(p.a), k = QuadraticSum::mean(p.b_matrix);
  const Eigen::VectorXd b = QuadraticSum::mean(p.b), c = QuadraticSum::mean(p.c), at = x.vector();
  std::vector<Vector> out;
  for (const int node : stencil.nodes) {
    const Eigen::MatrixXd a = h + node * nu * Eigen::MatrixXd::Identity(p.q, p.q);
    Vector y(Shape{p.q});
    y.vector() = a.ldlt().solve(k * at + b + node * nu * c);
    out.push_back(y);
  }
  return out;
}

/// ‖∇F‖² at the end, over that at the beginning.
double left_after(const StochasticF2sa& solver, const QuadraticSum& problem, int steps) {
  const auto sum = problem.sum();
  auto s = solver.begin(sum, Vector::zeros({problem.p}), Vector::zeros({problem.q}));
  const double before = problem.gradient_squared(s.x);
  for (int t = 0; t < steps; ++t) solver.step(s, sum);
  return problem.gradient_squared(s.x) / before;
}

}  // namespace

TEST_CASE("stochastic f2sa: P1 without noise, the steps of the deterministic methods") {
  const Quadratic q;
  const auto sum = single_batch(q);
  const auto problem = q.problem();
  for (const int p : {1, 2, 3, 4}) {
    CAPTURE(p);
    const StochasticF2sa solver{
        .steps = {.lower = 0.2, .upper = 0.3, .lower_decay = 0, .upper_decay = 0}, .nu = 0.1, .order = p, .inner = 7};
    const HighOrderF2sa plain{.inner = {.steps = 7, .lr = 0.2}, .nu = {0.1}, .lr_x = {0.3}, .order = p};
    auto s = solver.begin(sum, q.x, vec({0, 0}));
    auto d = plain.start(q.x, vec({0, 0}));
    Oracle oracle(problem);
    for (int t = 0; t < 5; ++t) {
      solver.step(s, sum);
      plain.step(oracle, d);
    }
    check_near(s.x, {d.x(0), d.x(1)}, 1e-12);
    for (std::size_t j = 0; j < s.points.size(); ++j) check_near(s.points[j], {d.points[j](0), d.points[j](1)}, 1e-12);
    CHECK(s.counts.all() == d.counts.all());
    CHECK(s.counts.hessian_products + s.counts.cross_products == 0);
  }
}

TEST_CASE("stochastic f2sa: at the minima the mean of h is the difference of the whole sum, of order p in nu") {
  const QuadraticSum problem(6, 5, 0.3, 2, 3);
  const auto sum = problem.sum();
  const Vector x = vec({0.4, -0.3});
  const Eigen::VectorXd want = problem.exact(x).gradient;
  for (const int p : {1, 2, 3, 4}) {
    CAPTURE(p);
    const auto mean_at = [&](double nu) {
      // a draw is a pair of batches, each as likely as the others
      const StochasticF2sa solver{.nu = nu, .order = p, .inner = 0};
      auto s = solver.begin(sum, x, Vector::zeros({problem.q}));
      s.points = exact_points(problem, x, central_stencil(p), nu);
      const auto whole = sum.whole();
      const FiniteSum one{[&](const auto& a, const auto& b, std::int64_t) { return whole.upper(a, b); },
                          [&](const auto& a, const auto& b, std::int64_t) { return whole.lower(a, b); }, 1, 1};
      return solver.gradient_(s, one);
    };
    std::vector<double> nus{0.04, 0.02, 0.01}, errors;
    for (const double nu : nus) errors.push_back((Eigen::VectorXd(mean_at(nu).vector()) - want).norm());
    CHECK(std::abs(log_slope(nus, errors) - p) < 0.25);

    const StochasticF2sa solver{.nu = 0.04, .order = p, .inner = 0};
    auto s = solver.begin(sum, x, Vector::zeros({problem.q}));
    s.points = exact_points(problem, x, central_stencil(p), 0.04);
    check_mean(mean_at(0.04), 4000, [&](int t) {
      s.step = t;
      return solver.gradient_(s, sum);
    });
  }
}

TEST_CASE("stochastic f2sa: the noise of h does not grow as nu falls, and falls with the rounds") {
  const QuadraticSum problem(6, 5, 0.3, 2, 3);
  const auto sum = problem.sum();
  const Vector x = vec({0.4, -0.3});
  const auto spread = [&](double nu, std::int64_t rounds) {
    const StochasticF2sa solver{.nu = nu, .order = 2, .inner = 0, .rounds = rounds};
    auto s = solver.begin(sum, x, Vector::zeros({problem.q}));
    s.points = exact_points(problem, x, central_stencil(2), nu);
    const int n = 1500;
    double mean = 0, squares = 0;
    for (int t = 0; t < n; ++t) {
      s.step = t;
      const double h = solver.gradient_(s, sum)(0);
      mean += h / n, squares += h * h / n;
    }
    return squares - mean * mean;
  };
  const double wide = spread(0.1, 1);
  CHECK(wide > 1e-3);
  // a sample variance of 1500 is within a fifth of its value: 1/√(1500/2) = 0.037 for normal numbers
  CHECK(spread(1e-4, 1) == doctest::Approx(wide).epsilon(0.3));
  CHECK(spread(0.1, 8) == doctest::Approx(wide / 8).epsilon(0.3));
}

TEST_CASE("stochastic f2sa: near the minimum of F, nearer with the order; normalised steps, too") {
  const QuadraticSum problem(8, 6, 0.05, 3, 6);
  const auto solver = [](int order, double nu) {
    return StochasticF2sa{.steps = {.lower = 0.3, .upper = 0.3, .lower_decay = 0.6, .upper_decay = 0.6},
                          .nu = nu,
                          .order = order,
                          .inner = 5};
  };
  const double first = left_after(solver(1, 0.05), problem, 1500), second = left_after(solver(2, 0.05), problem, 1500);
  MESSAGE("left: ", first, ", ", second);
  CHECK(second < 1e-3);
  CHECK(second < first / 4);
  StochasticF2sa shrinking = solver(1, 0.3);  // F²SA itself: λ grows
  shrinking.nu_decay = 0.3;
  const double falling = left_after(shrinking, problem, 1500);
  MESSAGE("left with falling nu: ", falling);
  CHECK(falling < first);
  StochasticF2sa normalised = solver(2, 0.1);
  normalised.normalised = true, normalised.steps.upper = 0.3;
  const double unit = left_after(normalised, problem, 1500);
  MESSAGE("left with normalised steps: ", unit);
  CHECK(unit < 1e-2);
}

TEST_CASE("stochastic f2sa: the same bits from the middle on, on any number of threads; sets are kept") {
  const QuadraticSum problem(5, 4, 0.3, 3, 6);
  const auto free = problem.sum();
  const FiniteSum sum{free.upper, free.lower, free.upper_batches, free.lower_batches, Box{-0.1, 0.1}, Box{-0.5, 0.5}};
  const StochasticF2sa solver{.order = 3, .inner = 4, .rounds = 2};
  auto s = solver.begin(sum, Vector::full({3}, 2.), Vector::full({6}, -2.));
  CHECK(s.x(0) == 0.1);
  CHECK(s.points[0](0) == -0.5);
  for (int t = 0; t < 7; ++t) solver.step(s, sum);
  auto middle = saved(s);
  for (int t = 0; t < 7; ++t) solver.step(s, sum);
  const int before = threads();
  set_threads(before > 1 ? 1 : 2);
  for (int t = 0; t < 7; ++t) solver.step(middle, sum);
  set_threads(before);
  CHECK(same_bits(s, middle));
  CHECK(s.counts.all() == middle.counts.all());
  // 14 steps of 4 + 2 rounds of 4 nodes, one of which asks no f
  CHECK(s.counts.lower_gradients == 14 * 6 * 4);
  CHECK(s.counts.upper_gradients == 14 * 6 * 3);
  for (const double v : s.x.values()) CHECK(std::abs(v) <= 0.1);
  for (const Vector& y : s.points)
    for (const double v : y.values()) CHECK(std::abs(v) <= 0.5);
}

TEST_CASE("stochastic f2sa: mistakes are said") {
  const Quadratic q;
  const auto sum = single_batch(q);
  CHECK_THROWS_AS((StochasticF2sa{.nu = 0}.begin(sum, q.x, q.c)), ValueError);
  CHECK_THROWS_AS((StochasticF2sa{.order = 0}.begin(sum, q.x, q.c)), ValueError);
  CHECK_THROWS_WITH_AS((StochasticF2sa{.rounds = 0}.begin(sum, q.x, q.c)),
                       "stochastic f2sa: 10 inner steps, 0 rounds; want no negative number, and at least 1",
                       ValueError);
}
