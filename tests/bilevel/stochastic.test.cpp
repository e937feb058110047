// Series of sampled Hessians, and the methods that take them: unbiased, close to the minimum, the same bits again.
#include <doctest/doctest.h>

#include <string>

#include "sums.hpp"
#include "tenzo/bilevel/stochastic/nested.hpp"
#include "tenzo/bilevel/stochastic/storm.hpp"
#include "tenzo/bilevel/stochastic/vrbo.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/tree/ravel.hpp"

using namespace tenzo;
using namespace tenzo::bilevel;
using namespace tenzo::bilevel::test;

namespace {

/// ‖∇F‖² at the end, over that at the beginning.
template <class Solver>
double left_after(const Solver& solver, const QuadraticSum& problem, int steps) {
  const auto sum = problem.sum();
  auto s = solver.begin(sum, Vector::zeros({problem.p}), Vector::zeros({problem.q}));
  const double before = problem.gradient_squared(s.now.x);
  for (int t = 0; t < steps; ++t) solver.step(s, sum);
  return problem.gradient_squared(s.now.x) / before;
}

template <class Solver>
void check_resumes(const Solver& solver) {
  const QuadraticSum problem(5, 4, 0.3, 3, 6);
  const auto sum = problem.sum();
  auto s = solver.begin(sum, Vector::zeros({3}), Vector::zeros({6}));
  for (int t = 0; t < 7; ++t) solver.step(s, sum);
  auto middle = saved(s);
  for (int t = 0; t < 7; ++t) solver.step(s, sum);
  const int before = threads();
  set_threads(before > 1 ? 1 : 2);
  for (int t = 0; t < 7; ++t) solver.step(middle, sum);
  set_threads(before);
  CHECK(same_bits(s, middle));
  CHECK(s.counts.all() == middle.counts.all());
}

}  // namespace

TEST_CASE("random Neumann: the mean over 10⁵ draws is the sum of its terms") {
  const Quadratic q;
  const auto product = [&](const Vector& u) { return test::product(q.a, u); };
  const Vector want = Neumann{.terms = 7, .alpha = 0.2}(product, q.c).x;  // 8 terms
  const RandomNeumann random{.terms = 8, .alpha = 0.2, .seed = 5};
  check_mean(want, 100000, [&](int) { return random(product, q.c).x; });
}

TEST_CASE("sampled series: both kinds have the mean of the series of the mean Hessian; so has the hypergradient") {
  const QuadraticSum problem(6, 5, 0.4, 2, 3);
  const auto sum = problem.sum();
  const Vector x = vec({0.3, -0.2}), y = vec({0.5, 0.1, -0.4});
  const Eigen::MatrixXd h = QuadraticSum::mean(problem.a), k = QuadraticSum::mean(problem.b_matrix);
  const Eigen::VectorXd f = y.vector() - Eigen::VectorXd(QuadraticSum::mean(problem.c));
  const SampledSeries sampled{.terms = 5, .alpha = 0.3};
  Eigen::VectorXd want = Eigen::VectorXd::Zero(3), term = -0.3 * f;
  for (int t = 0; t < 5; ++t) want += term, term -= 0.3 * (h * term).eval();
  const Eigen::VectorXd want_x =
      0.5 * (Eigen::VectorXd(x.vector()) - Eigen::VectorXd(QuadraticSum::mean(problem.d))) - k.transpose() * want;
  const Vector both = vec({want[0], want[1], want[2], want_x[0], want_x[1]});
  for (const bool random : {false, true}) {
    SampledSeries series = sampled;
    series.random = random;
    BatchOracle oracle(sum);
    check_mean(both, 20000, [&](int t) {
      const BatchDraw draw(sum, 3, t);
      auto at = bilevel::detail::series_directions(oracle, x, y, series, Face<Vector>{}, draw, 3, t);
      return ravel(std::vector<Vector>{at.v, at.x});
    });
  }
}

TEST_CASE("draws: uniform, independent or shared as asked, and apart in rounds and steps") {
  const QuadraticSum problem(6, 5, 0.4, 2, 3);
  const auto sum = problem.sum();
  std::vector<int> lower(6), upper(5);
  int same = 0;
  const int n = 6000;
  for (int t = 0; t < n; ++t) {
    const BatchDraw d(sum, 9, t), shared(sum, 9, t, 0, Sampling::shared);
    ++lower[std::size_t(d.gradient())], ++upper[std::size_t(d.upper())];
    same += d.gradient() == d.hessian();
    CHECK(shared.gradient() == shared.hessian());
    CHECK(shared.gradient() == shared.cross());
  }
  // counts are binomial: within 4 deviations
  for (const int c : lower) CHECK(std::abs(c - n / 6.) < 4 * std::sqrt(n / 6. * 5 / 6));
  for (const int c : upper) CHECK(std::abs(c - n / 5.) < 4 * std::sqrt(n / 5. * 4 / 5));
  CHECK(std::abs(same - n / 6.) < 4 * std::sqrt(n / 6. * 5 / 6));
}

TEST_CASE("P1 without noise: one step of each is in closed form") {
  const Quadratic q;
  const auto sum = single_batch(q);
  // from y₀ = 0: y₁ = 0.2 (B x + b) = (0.2, −0.25); v = −0.2 (y₁ − c) for one term; M v = −Bᵀ v
  NestedLoops nested = stocbio();
  nested.steps = {.lower = 0.2, .linear = 0.2, .upper = 0.1};
  nested.inner = 1;
  nested.series = {.terms = 1, .alpha = 0.2};
  const Vector y = vec({0.2, -0.25}), v = vec({0.16, 0.45}), d = vec({0.05 - 0.16, -0.025 - 0.77});
  auto s = nested.begin(sum, q.x, vec({0, 0}));
  nested.step(s, sum);
  check_near(s.now.y, {y(0), y(1)}, 1e-14);
  check_near(s.now.v, {v(0), v(1)}, 1e-14);
  check_near(s.now.x, {0.5 - 0.1 * d(0), -0.25 - 0.1 * d(1)}, 1e-14);
  // one step on v from zero is the first term
  nested.warm_linear = true;
  auto warm = nested.begin(sum, q.x, vec({0, 0}));
  nested.step(warm, sum);
  CHECK(same_bits(warm.now.y, s.now.y));
  check_near(warm.now.v, {v(0), v(1)}, 1e-14);
  check_near(warm.now.x, {s.now.x(0), s.now.x(1)}, 1e-14);
}

TEST_CASE("P1 without noise: all go to the minimum of F") {
  const Quadratic q;
  const auto sum = single_batch(q);
  const auto goes = [&](const auto& solver, double tolerance) {
    auto s = solver.begin(sum, q.x, vec({0, 0}));
    for (int t = 0; t < 350; ++t) solver.step(s, sum);
    check_near(s.now.x, {-1.898527004910, 2.765957446809}, tolerance);
  };
  const StepSizes constant{.lower = 0.2, .linear = 0.2, .upper = 0.8};
  NestedLoops nested = stocbio();
  nested.steps = constant;
  nested.series = {.terms = 40, .alpha = 0.2};
  goes(nested, 1e-9);
  nested = amigo();
  nested.steps = constant;
  goes(nested, 1e-9);
  Storm storm = mrbo();
  storm.steps = constant;
  storm.series = {.terms = 40, .alpha = 0.2};
  goes(storm, 1e-9);
  Vrbo vrbo;
  vrbo.steps = constant;
  vrbo.series = {.terms = 40, .alpha = 0.2};
  goes(vrbo, 1e-9);
}

TEST_CASE("a finite sum: all come near the minimum of F") {
  const QuadraticSum problem(6, 5, 0.2, 3, 6);
  const SampledSeries series{.terms = 12, .alpha = 0.4};
  const auto near = [&](const std::string& name, const auto& solver, int steps, double want) {
    const double left = left_after(solver, problem, steps);
    MESSAGE(name, " leaves ", left);
    CHECK(left < want);
  };
  NestedLoops nested = stocbio();
  nested.steps = {.lower = 0.05, .linear = 0.05, .upper = 0.05};  // constant: down to a floor of noise
  nested.series = series;
  near("stocbio", nested, 250, 0.1);
  nested = amigo();
  nested.steps = {.lower = 0.05, .linear = 0.05, .upper = 0.05};
  near("amigo", nested, 250, 0.1);
  nested = bsa();
  nested.steps.upper = nested.steps.lower = 0.3;
  nested.series.terms = 12, nested.series.alpha = 0.4;
  near("bsa", nested, 300, 0.02);
  nested = ttsa();
  nested.steps.upper = nested.steps.lower = 0.4;
  nested.series.terms = 12, nested.series.alpha = 0.4;
  near("ttsa", nested, 800, 0.02);
  Storm storm = mrbo();
  storm.steps.upper = storm.steps.lower = 0.3;
  storm.series = series;
  near("mrbo", storm, 300, 0.05);
  storm = sustain();
  storm.steps.upper = storm.steps.lower = 0.3;
  storm.series.terms = 12, storm.series.alpha = 0.4;
  near("sustain", storm, 300, 0.1);
  Vrbo vrbo;
  vrbo.steps = {.lower = 0.3, .linear = 0.3, .upper = 0.2};
  vrbo.series = series;
  near("vrbo", vrbo, 100, 0.02);
}

TEST_CASE("inner loops grow as said, and are counted") {
  const Quadratic q;
  const auto sum = single_batch(q);
  auto b = bsa();
  auto s = b.begin(sum, q.x, vec({0, 0}));
  for (const int want : {1, 2, 2, 2, 3}) {  // ⌈√(t + 1)⌉
    const auto before = s.counts.lower_gradients;
    b.step(s, sum);
    CHECK(s.counts.lower_gradients - before == want);
  }
  auto a = amigo();
  auto t = a.begin(sum, q.x, vec({0, 0}));
  a.step(t, sum);
  CHECK(t.counts.lower_gradients == 10);
  CHECK(t.counts.hessian_products == 10);
  CHECK(t.counts.upper_gradients == 11);
  CHECK(t.counts.cross_products == 1);
}

TEST_CASE("all go on with the same bits, on any number of threads") {
  check_resumes(stocbio());
  check_resumes(amigo());
  check_resumes(bsa());
  check_resumes(ttsa());
  check_resumes(mrbo());
  check_resumes(sustain());
  check_resumes(Vrbo{});
}

TEST_CASE("mistakes are said") {
  const Quadratic q;
  const auto sum = single_batch(q);
  NestedLoops nested;
  nested.inner = 0;
  CHECK_THROWS_AS(nested.begin(sum, q.x, q.c), ValueError);
  Storm storm;
  storm.averaging = 0;
  CHECK_THROWS_AS(storm.begin(sum, q.x, q.c), ValueError);
  Vrbo vrbo;
  vrbo.series.terms = 0;
  CHECK_THROWS_AS(vrbo.begin(sum, q.x, q.c), ValueError);
}
