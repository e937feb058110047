// SOBA and MA-SOBA: golden iterates, feasible sets, the rate, the same bits again.
#include "tenzo/bilevel/stochastic/soba.hpp"

#include <doctest/doctest.h>

#include "sums.hpp"
#include "tenzo/core/parallel.hpp"

using namespace tenzo;
using namespace tenzo::bilevel;
using namespace tenzo::bilevel::test;

namespace {

const Soba constant{.steps = {}};

}  // namespace

TEST_CASE("SOBA: the golden iterates of P1") {
  const Quadratic q;
  const auto sum = single_batch(q);
  for (const Sampling sampling : {Sampling::independent, Sampling::shared}) {
    const Soba soba{.steps = {}, .sampling = sampling};
    auto s = soba.begin(sum, q.x, vec({0, 0}));
    soba.step(s, sum);
    check_near(s.now.y, {0.1, -0.125}, 1e-14);
    check_near(s.now.v, {0.1, 0.2}, 1e-14);
    check_near(s.now.x, {0.495, -0.2475}, 1e-14);
    soba.step(s, sum);
    check_near(s.now.y, {0.1725, -0.22225}, 1e-14);
    check_near(s.now.v, {0.13, 0.3425}, 1e-14);
    check_near(s.now.x, {0.50005, -0.205025}, 1e-14);
    soba.step(s, sum);
    check_near(s.now.y, {0.234725, -0.2933275}, 1e-14);
    check_near(s.now.v, {0.1265, 0.448975}, 1e-14);
    check_near(s.now.x, {0.5080495, -0.14272475}, 1e-14);
    CHECK(s.step == 3);
    CHECK(s.counts.lower_gradients == 3);
    CHECK(s.counts.hessian_products == 3);
    CHECK(s.counts.cross_products == 3);
    CHECK(s.counts.upper_gradients == 3);
    CHECK(s.counts.all() == 12);
    check_near(q.x, {0.5, -0.25}, 0);  // what was given is not written
  }
}

TEST_CASE("SOBA: without noise it converges to the minimiser of F, v to the adjoint") {
  const Quadratic q;
  const auto sum = single_batch(q);
  for (const double averaging : {1.0, 0.3}) {
    const Soba soba{.steps = {.lower = 0.2, .linear = 0.2, .upper = 0.4}, .averaging = averaging};
    auto s = soba.begin(sum, q.x, vec({0, 0}));
    for (int t = 0; t < 2000; ++t) soba.step(s, sum);
    check_near(s.now.x, {-1.898527004910, 2.765957446809});
    check_near(s.now.y, {1.103109656301, 0.220949263502});
  }
}

TEST_CASE("SOBA: in float to float's accuracy") {
  const Quadratic q;
  const auto as_float = [](const Vector& v) { return v.cast<float>(); };
  const auto a = as_float(q.a), bm = as_float(q.b_matrix), b = as_float(q.b), c = as_float(q.c);
  const auto times = [](const auto& m, const auto& v) { return reshape(matmul(m, reshape(v, Shape{2, 1})), Shape{2}); };
  const FiniteSum sum{[&](const auto& x, const auto& y, std::int64_t) {
                        return add(scale(tenzo::sum(square(sub(y, c))), 0.5), scale(tenzo::sum(square(x)), 0.05));
                      },
                      [&](const auto& x, const auto& y, std::int64_t) {
                        return sub(scale(tenzo::sum(mul(y, times(a, y))), 0.5),
                                   tenzo::sum(mul(y, add(times(bm, x), b))));
                      },
                      1, 1};
  auto s = constant.begin(sum, as_float(q.x), Tensor<float>::zeros({2}));
  for (int t = 0; t < 3; ++t) constant.step(s, sum);
  check_near(s.now.x.cast<double>(), {0.5080495, -0.14272475}, 1e-6);
}

TEST_CASE("SOBA: feasible sets, and v along the face of a lower box") {
  const Quadratic q;
  const auto p1 = single_batch(q);
  // y₁ = 0.1 is held by its bound: y₂ = (b₂ + x₂ − y₁)/3, and F depends on x₂ alone but for its own term.
  const FiniteSum sum{p1.upper, p1.lower, 1, 1, Box{-0.2, 3}, Box{-0.6, 0.1}};
  const Soba soba{.steps = {.lower = 0.2, .linear = 0.2, .upper = 0.2}};
  auto s = soba.begin(sum, vec({5, 1}), vec({3, 3}));
  check_near(s.now.x, {3, 1}, 0);
  check_near(s.now.y, {0.1, 0.1}, 0);
  for (int t = 0; t < 1500; ++t) {
    soba.step(s, sum);
    for (int k = 0; k < 2; ++k) {
      REQUIRE((s.now.x(k) >= -0.2 && s.now.x(k) <= 3));
      REQUIRE((s.now.y(k) >= -0.6 && s.now.y(k) <= 0.1));
    }
  }
  // ∇_{x₂} F = 0.1 x₂ + (y₂ − 2)/3 < 0 at y₂ ≤ 0.1: x₂ goes up until y₂ = 0.1 is held, too; x₂ = 1.4 has y₂ = 0.1.
  CHECK(s.now.y(0) == 0.1);
  CHECK(s.now.v(0) == 0);
  CHECK(std::abs(s.now.x(1) - 1.4) < 0.05);
}

TEST_CASE("SOBA: v is kept in its ball") {
  const Quadratic q;
  const auto sum = single_batch(q);
  const Soba soba{.steps = {}, .linear_radius = 0.25};
  auto s = soba.begin(sum, q.x, vec({0, 0}));
  for (int t = 0; t < 20; ++t) {
    soba.step(s, sum);
    CHECK(norm(s.now.v) <= 0.25 * (1 + 1e-15));
  }
}

TEST_CASE("SOBA: with steps that fall as 1/√t, ‖∇F‖² falls about as t^{-1/2}") {
  const QuadraticSum problem;
  const auto sum = problem.sum();
  std::vector<double> at{128, 256, 512, 1024, 2048, 4096}, mean(6);
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    const Soba soba{.steps = {.lower = 0.5, .linear = 0.5, .upper = 0.5, .lower_decay = 0.5, .upper_decay = 0.5},
                    .sampling = Sampling::shared,
                    .seed = seed};
    auto s = soba.begin(sum, Vector::zeros({4}), Vector::zeros({20}));
    double window = 0;
    for (std::size_t k = 0; k < at.size(); ++k) {
      window = 0;
      std::int64_t counted = 0;
      while (s.step < std::int64_t(at[k])) {
        soba.step(s, sum);
        if (s.step > std::int64_t(at[k]) / 2 && s.step % 8 == 0) window += problem.gradient_squared(s.now.x), ++counted;
      }
      mean[k] += window / double(counted) / 4;
    }
  }
  const double slope = log_slope(at, mean);
  MESSAGE("slope ", slope, ", from ", mean.front(), " to ", mean.back());
  CHECK(slope < -0.3);
  CHECK(slope > -0.8);
  CHECK(mean.back() > 1e-6);  // a plateau that falls slowly, far from a linear rate's 1e-10
}

TEST_CASE("SOBA: goes on with the same bits, on any number of threads; other seeds take other batches") {
  const QuadraticSum problem;
  const auto sum = problem.sum();
  const Soba soba{.averaging = 0.5};
  auto s = soba.begin(sum, Vector::zeros({4}), Vector::zeros({20}));
  for (int t = 0; t < 30; ++t) soba.step(s, sum);
  auto middle = saved(s);
  for (int t = 0; t < 30; ++t) soba.step(s, sum);
  const int before = threads();
  set_threads(before > 1 ? 1 : 2);
  for (int t = 0; t < 30; ++t) soba.step(middle, sum);
  set_threads(before);
  CHECK(same_bits(s, middle));
  CHECK(s.counts.all() == middle.counts.all());

  const Soba other{.averaging = 0.5, .seed = 2};
  auto elsewhere = other.begin(sum, Vector::zeros({4}), Vector::zeros({20}));
  for (int t = 0; t < 60; ++t) other.step(elsewhere, sum);
  CHECK_FALSE(same_bits(s, elsewhere));
}

TEST_CASE("a finite sum: its batches have the whole problem's derivatives as their mean") {
  const QuadraticSum problem(3, 2, 0.3, 2, 3);
  const auto sum = problem.sum();
  const auto whole = sum.whole();
  const Variables<Vector, Vector> at{vec({0.1, -0.3, 0.7}), vec({0.5, 1, -1}), vec({0.2, -0.6})};
  BatchOracle batches(sum);
  const auto d = directions(batches.mean_terms(at));
  Oracle oracle(whole);
  const auto f = oracle.upper_gradients(at.x, at.y);
  const auto near = [](const Vector& a, const Vector& b) { CHECK(norm(sub(a, b)) < 1e-14 * (1 + norm(b))); };
  near(d.y, oracle.lower_gradient(at.x, at.y));
  near(d.v, add(oracle.hessian_product(at.x, at.y, at.v), f.y));
  near(d.x, add(oracle.cross_product(at.x, at.y, at.v), f.x));
  CHECK(batches.counts.lower_gradients == 3);
  CHECK(batches.counts.upper_gradients == 2);
}

TEST_CASE("SOBA: mistakes are said") {
  const Quadratic q;
  auto sum = single_batch(q);
  CHECK_THROWS_AS(ma_soba(0).begin(sum, q.x, q.c), ValueError);
  CHECK_THROWS_AS(ma_soba(1.5).begin(sum, q.x, q.c), ValueError);
  auto s = constant.begin(sum, q.x, q.c);
  sum.lower_batches = 0;
  CHECK_THROWS_WITH_AS(constant.step(s, sum), "stochastic: 1 upper and 0 lower batches; want at least 1 of each",
                       ValueError);
}
