// SABA and SRBA: linear rates on a finite sum, directions without variance at the end, the same bits again.
#include "tenzo/bilevel/stochastic/saba.hpp"

#include <doctest/doctest.h>

#include "sums.hpp"
#include "tenzo/bilevel/stochastic/srba.hpp"
#include "tenzo/core/parallel.hpp"

using namespace tenzo;
using namespace tenzo::bilevel;
using namespace tenzo::bilevel::test;

namespace {

const StepSizes steps{.lower = 0.1, .linear = 0.1, .upper = 0.1};

/// ‖∇F‖² every `every` steps.
template <class Solver>
std::vector<double> run(const Solver& solver, const QuadraticSum& problem, int samples, int every) {
  const auto sum = problem.sum();
  auto s = solver.begin(sum, Vector::zeros({4}), Vector::zeros({20}));
  std::vector<double> g{problem.gradient_squared(s.now.x)};
  for (int k = 0; k < samples; ++k) {
    for (int t = 0; t < every; ++t) solver.step(s, sum);
    g.push_back(problem.gradient_squared(s.now.x));
  }
  return g;
}

/// Same bits from the middle on, with another number of threads.
template <class Solver>
void check_resumes(const Solver& solver) {
  const QuadraticSum problem;
  const auto sum = problem.sum();
  auto s = solver.begin(sum, Vector::zeros({4}), Vector::zeros({20}));
  for (int t = 0; t < 25; ++t) solver.step(s, sum);
  auto middle = saved(s);
  for (int t = 0; t < 25; ++t) solver.step(s, sum);
  const int before = threads();
  set_threads(before > 1 ? 1 : 2);
  for (int t = 0; t < 25; ++t) solver.step(middle, sum);
  set_threads(before);
  CHECK(same_bits(s, middle));
  CHECK(s.step == middle.step);
}

}  // namespace

TEST_CASE("SABA: converges linearly with constant steps, from the start to 1e-10 and below") {
  const QuadraticSum problem;
  for (const Sampling sampling : {Sampling::independent, Sampling::shared}) {
    const auto g = run(Saba{.steps = steps, .sampling = sampling}, problem, 5, 200);
    MESSAGE("‖∇F‖² after 0, 200, … steps: ", g[0], " ", g[1], " ", g[2], " ", g[3], " ", g[4], " ", g[5]);
    CHECK(g.front() > 0.1);
    CHECK(g.back() < 1e-10);
    // linear: equal factors in equal times, until rounding
    const double first = std::log(g[0] / g[2]), second = std::log(g[2] / g[4]);
    CHECK(first > std::log(10));
    CHECK(second > 0.4 * first);
    CHECK(second < 2.5 * first);
  }
}

TEST_CASE("SRBA: converges linearly with constant steps, from the start to 1e-10 and below") {
  const QuadraticSum problem;
  const auto g = run(Srba{.steps = steps}, problem, 5, 200);
  MESSAGE("‖∇F‖² after 0, 200, … steps: ", g[0], " ", g[1], " ", g[2], " ", g[3], " ", g[4], " ", g[5]);
  CHECK(g.back() < 1e-10);
  const double first = std::log(g[0] / g[2]), second = std::log(g[2] / g[4]);
  CHECK(first > std::log(10));
  CHECK(second > 0.4 * first);
  CHECK(second < 2.5 * first);
}

TEST_CASE("SABA: the directions' mean over all draws is that of all batches, and their variance goes to zero") {
  const QuadraticSum problem;
  const auto sum = problem.sum();
  const Saba saba{.steps = steps, .sampling = Sampling::shared};
  auto s = saba.begin(sum, Vector::zeros({4}), Vector::zeros({20}));
  double variance[3] = {};
  for (int k = 0; k < 3; ++k) {
    for (int t = 0; t < (k == 0 ? 20 : 600); ++t) saba.step(s, sum);
    BatchOracle oracle(sum);
    const auto mean = directions(oracle.mean_terms(s.now));
    // draws are uniform: 400 of them, each on a copy of the tables
    const int draws = 400;
    auto average = zeros_like(mean);
    for (int t = 0; t < draws; ++t) {
      auto copy = saved(s);
      auto d = saba.directions_(copy, sum, BatchDraw(sum, 1000, t, 0, Sampling::shared));
      axpy_(1.0 / draws, d, average);
      axpy_(-1, mean, d);
      variance[k] += inner(d, d) / draws;
    }
    axpy_(-1, mean, average);
    // a mean of `draws` independent vectors: E ‖error‖² = variance / draws; Markov's bound at 1 in 16 per test
    CHECK(inner(average, average) <= 16 * variance[k] / draws + 1e-24);
  }
  MESSAGE("variance of the directions: ", variance[0], " ", variance[1], " ", variance[2]);
  CHECK(variance[0] > 1e-3);
  CHECK(variance[1] < 1e-3 * variance[0]);
  CHECK(variance[2] < 1e-6 * variance[0]);
}

TEST_CASE("SABA: a table's exchange") {
  SagaTable<Vector> table{{vec({1}), vec({3}), vec({5})}, vec({3})};
  const Vector d = table.exchange_(1, vec({6}));
  CHECK(d(0) == 6 - 3 + 3);
  CHECK(table.mean(0) == doctest::Approx(4));
  CHECK(table.last[1](0) == 6);
}

TEST_CASE("SABA: with one batch it is SOBA without noise, and counts what it asks") {
  const Quadratic q;
  const auto sum = single_batch(q);
  const Saba saba{.steps = {}};
  auto s = saba.begin(sum, q.x, vec({0, 0}));
  CHECK(s.counts.all() == 4);
  for (int t = 0; t < 3; ++t) saba.step(s, sum);
  check_near(s.now.y, {0.234725, -0.2933275}, 1e-14);
  check_near(s.now.v, {0.1265, 0.448975}, 1e-14);
  check_near(s.now.x, {0.5080495, -0.14272475}, 1e-14);
  CHECK(s.counts.all() == 16);
}

TEST_CASE("SRBA: with one batch it is SOBA without noise; the recursion holds within a period") {
  const Quadratic q;
  const auto sum = single_batch(q);
  for (const std::int64_t period : {0, 1, 3}) {
    const Srba srba{.steps = {}, .period = period};
    auto s = srba.begin(sum, q.x, vec({0, 0}));
    for (int t = 0; t < 3; ++t) srba.step(s, sum);
    check_near(s.now.y, {0.234725, -0.2933275}, 1e-14);
    check_near(s.now.v, {0.1265, 0.448975}, 1e-14);
    check_near(s.now.x, {0.5080495, -0.14272475}, 1e-14);
  }
  CHECK_THROWS_AS((Srba{.period = -1}.begin(sum, q.x, q.c)), ValueError);
}

TEST_CASE("SABA, SRBA: go on with the same bits, on any number of threads") {
  check_resumes(Saba{});
  check_resumes(Srba{});
}
