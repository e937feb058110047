// Estimators: orders of their errors, laws of their noise, what they cost and what they refuse.
#include "tenzo/zo/estimators.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

#include "small_model.hpp"
#include "tenzo/autodiff/grad.hpp"
#include "tenzo/ops/reduce.hpp"
#include "tenzo/zo/dense.hpp"

using namespace tenzo;
using namespace tenzo::test;
using zo::CallableLoss;
using zo::Coordinate;
using zo::DirectionLaw;
using zo::Estimate;
using zo::LeafRange;
using zo::RgeOptions;

namespace {

using Vector = Tensor<double>;

/// A smooth function with derivatives of all orders, of a matrix and a vector.
struct Smooth {
  template <class V>
  V operator()(const std::pair<V, V>& x) const {
    return add(sum(mul(sin(x.first), exp(scale(x.first, 0.5)))), sum(mul(x.second, tanh(mul(x.second, x.second)))));
  }
  double value(const std::pair<Vector, Vector>& x) const { return (*this)(x).item(); }
};

std::pair<Vector, Vector> smooth_point() {
  return {Vector::from({2, 3}, {0.3, -0.7, 1.1, 0.9, -1.3, 0.4}), Vector::from({4}, {0.5, -0.2, 0.8, 1.2})};
}

/// The losses of f by x, counting calls.
template <class T, class F>
auto counted(const T& x, F f, std::int64_t& calls) {
  return CallableLoss(x, [f, &calls](const T& p) {
    ++calls;
    return f(p);
  });
}

/// g · x for a fixed g: its estimates are exact but for the noise of the directions.
struct Linear1 {
  Vector g;
  double operator()(const Vector& x) const {
    return std::inner_product(g.values().begin(), g.values().end(), x.values().begin(), 0.0);
  }
};

Vector slopes_of_a_line(std::int64_t d) {
  Vector g(Shape{d});
  for (std::int64_t i = 0; i < d; ++i) g(i) = 1 + 0.5 * std::sin(double(i));
  return g;
}

double squared_cosine(const Vector& a, const Vector& b) {
  const double ab = dot(a, b).item();
  return ab * ab / (dot(a, a).item() * dot(b, b).item());
}

/// Mean and standard error of the mean of f(step).
template <class F>
std::pair<double, double> mean_of(int n, F&& f) {
  double s = 0, ss = 0;
  for (int i = 0; i < n; ++i) {
    const double x = f(std::uint32_t(i));
    s += x;
    ss += x * x;
  }
  const double mean = s / n;
  return {mean, std::sqrt((ss / n - mean * mean) / n)};
}

/// The slope of log error by log ε between two radii a factor of 2 apart, at each halving.
template <class ErrorAt>
void check_order(double order, ErrorAt&& error_at) {
  for (int k = 7; k < 12; ++k) {
    // The next term of the expansion is smaller by some ε for one side, ε² for two; rounding is 1e-15 / ε of the slope.
    const double eps = std::ldexp(1.0, -k), slope = std::log2(error_at(eps) / error_at(eps / 2));
    CAPTURE(eps);
    CHECK(std::abs(slope - order) < 0.1);
  }
}

}  // namespace

TEST_CASE("rge: against the derivative along the same direction the error is ε² two-sided and ε one-sided") {
  const auto x = smooth_point();
  CallableLoss losses(x, [](const auto& p) { return Smooth().value(p); });
  for (const DirectionLaw law : {DirectionLaw::gaussian, DirectionLaw::rademacher, DirectionLaw::sphere})
    for (const bool two_sided : {true, false}) {
      CAPTURE(int(law));
      check_order(two_sided ? 2 : 1, [&](double eps) {
        const Estimate g = zo::rge(losses, 3, 0, {.eps = eps, .two_sided = two_sided, .law = law});
        Estimate unit = g;
        unit.slopes[0].value = 1;
        const auto u = zo::dense_gradient(unit, x);
        return std::abs(g.slopes[0].value - jvp(Smooth(), x, u).second.item());
      });
    }
}

TEST_CASE("cge: central differences are the gradient to 1e-6, one-sided ones wrong by at most L mu / 2") {
  const auto x = smooth_point();
  CallableLoss losses(x, [](const auto& p) { return Smooth().value(p); });
  std::vector<Coordinate> all;
  for (std::int64_t i = 0; i < 6; ++i) all.push_back({0, i});
  for (std::int64_t i = 0; i < 4; ++i) all.push_back({1, i});
  const auto want = grad(Smooth(), x);

  const Estimate central = zo::cge(losses, all, 1e-5);
  CHECK(central.forwards == 20);
  auto difference = zo::dense_gradient(central, x);
  axpy_(-1, want, difference);
  CHECK(norm(difference) < 1e-6);

  // On ½ Σ aᵢ xᵢ² the forward difference is the slope + aᵢ mu / 2: the bound is reached where aᵢ is L.
  const Vector a = Vector::from({3}, {1, 5, 2}), y = Vector::from({3}, {0.4, -0.3, 0.9});
  CallableLoss bowl(
      y, [&](const Vector& p) { return 0.5 * (a(0) * p(0) * p(0) + a(1) * p(1) * p(1) + a(2) * p(2) * p(2)); });
  const double mu = 1e-3;
  const std::vector<Coordinate> three{{0, 0}, {0, 1}, {0, 2}};
  const Estimate forward = zo::cge(bowl, three, mu, false);
  CHECK(forward.forwards == 4);
  CHECK(forward.loss == doctest::Approx(0.5 * (0.16 + 5 * 0.09 + 2 * 0.81)).epsilon(1e-14));
  for (std::int64_t i = 0; i < 3; ++i)
    CHECK(forward.slopes[std::size_t(i)].value == doctest::Approx(a(i) * y(i) + a(i) * mu / 2).epsilon(1e-10));
}

TEST_CASE("rge: squared cosine with the gradient, and its mean square error, by number of queries and dimension") {
  for (const std::int64_t d : {100, 1000})
    for (const int q : {1, 8, 64}) {
      CAPTURE(d);
      CAPTURE(q);
      const Vector x = Vector::zeros({d}), g = slopes_of_a_line(d);
      CallableLoss losses(x, Linear1{g});
      const double squares = dot(g, g).item();
      const int n = d * q > 10000 ? 150 : 600;
      double error = 0, along = 0;
      const auto [mean, unused] = mean_of(n, [&](std::uint32_t step) {
        const Vector e = zo::dense_gradient(zo::rge(losses, 1, step, {.eps = 1, .queries = q}), x);
        along += dot(e, g).item() / squares / n;
        const double ee = dot(e, e).item(), eg = dot(e, g).item();
        error += (ee - 2 * eg + squares) / squares / n;
        return squared_cosine(e, g);
      });
      // With g along an axis, ĝ = Z z / q, z the row of Z there: cos² = A / (A + C) with A ~ χ²_q and C ~ χ²_{d−1}
      // independent, a Beta(q/2, (d−1)/2) law. Six standard errors of the mean of n.
      const double variance = 2 * q * (d - 1.0) / ((q + d - 1.0) * (q + d - 1.0) * (q + d + 1.0));
      CHECK(std::abs(mean - q / (q + d - 1.0)) < 6 * std::sqrt(variance / n));
      CHECK(std::abs(mean / (q / (q + d + 1.0)) - 1) < 0.15 + 6 * std::sqrt(variance / n) / mean);
      // E ⟨ĝ, g⟩ = |g|², with variance 2/q |g|⁴.
      CHECK(std::abs(along - 1) < 6 * std::sqrt(2.0 / q / n));
      // E |ĝ − g|² = (d + 1)/q |g|². Given z it is z's squared length / q² times χ²_{d−1}, and a part of order one: the
      // relative variance is below 2 (2/q + 2/d) + 4/q, as of q squares of normals and d of them.
      CHECK(std::abs(error / ((d + 1.0) / q) - 1) < 6 * std::sqrt((8.0 / q + 4.0 / d) / n));
    }
}

TEST_CASE("rge: unbiased on a quadratic, for every law") {
  constexpr std::int64_t d = 12;
  constexpr int n = 4000;
  Vector a(Shape{d, d}), x(Shape{d}), want(Shape{d});
  for (std::int64_t i = 0; i < d; ++i) {
    x(i) = std::cos(double(i));
    for (std::int64_t j = 0; j <= i; ++j) a(i, j) = a(j, i) = std::sin(double(i * 7 + j * 3)) + (i == j ? 3 : 0);
  }
  for (std::int64_t i = 0; i < d; ++i) {
    want(i) = 1;
    for (std::int64_t j = 0; j < d; ++j) want(i) += a(i, j) * x(j);
  }
  CallableLoss losses(x, [&](const Vector& p) {
    double s = 0;
    for (std::int64_t i = 0; i < d; ++i) {
      s += p(i);
      for (std::int64_t j = 0; j < d; ++j) s += 0.5 * p(i) * a(i, j) * p(j);
    }
    return s;
  });
  for (const DirectionLaw law : {DirectionLaw::gaussian, DirectionLaw::rademacher, DirectionLaw::sphere}) {
    CAPTURE(int(law));
    Vector mean = Vector::zeros({d});
    for (int i = 0; i < n; ++i)
      axpy_(1.0 / n, zo::dense_gradient(zo::rge(losses, 2, std::uint32_t(i), {.eps = 0.1, .law = law}), x), mean);
    // Two-sided differences of a quadratic are exact. One component has the variance |g|² + gᵢ² at most (Gaussian).
    const double squares = dot(want, want).item();
    for (std::int64_t i = 0; i < d; ++i)
      CHECK(std::abs(mean(i) - want(i)) < 6 * std::sqrt((squares + want(i) * want(i)) / n));
  }
}

TEST_CASE("block_rge: blocks have noise of their own, and K of them gain what theory says") {
  constexpr std::uint32_t blocks = 8;
  constexpr std::int64_t d = 1024;
  std::vector<Vector> x, g;
  std::vector<LeafRange> ranges;
  for (std::uint32_t b = 0; b < blocks; ++b) {
    x.push_back(Vector::zeros({d / blocks}));
    g.push_back(slopes_of_a_line(d / blocks));
    ranges.push_back({b, b + 1});
  }
  std::int64_t calls = 0;
  auto losses = counted(
      x, [&](const std::vector<Vector>& p) { return dot(p, g).item(); }, calls);
  const double squares = dot(g, g).item();
  constexpr int n = 400;
  double error = 0;
  const auto [mean, deviation] = mean_of(n, [&](std::uint32_t step) {
    const Estimate e = zo::block_rge(losses, 1, step, ranges, {.eps = 1});
    CHECK(e.weight == 1);
    CHECK(e.forwards == 2 * blocks);
    const auto dense = zo::dense_gradient(e, x);
    const double ee = dot(dense, dense).item(), eg = dot(dense, g).item();
    error += (ee - 2 * eg + squares) / squares / n;
    return eg * eg / (ee * squares);
  });
  CHECK(calls == n * 2 * blocks);
  // E |ĝ − g|² = Σ_b (d/K + 1) |g_b|² = (d/K + 1) |g|²; a block's share varies by 2 (1 + K/d) of its square, and there
  // are K of them. The squared cosine is 1 / (2 + d/K) times K, within 15 %.
  CHECK(std::abs(error / (d / blocks + 1.0) - 1) < 6 * std::sqrt(2 * (1 + 2.0 * blocks / d) / blocks / n));
  const double one_block = 1.0 / (d + 2), gain = (d + 2) / (2 + double(d) / blocks);
  CHECK(std::abs(mean / (one_block * gain) - 1) < 0.15);
  CHECK(deviation / mean < 0.15 / 4);  // the sample is large enough for this to mean something
}

TEST_CASE("estimators: how often the loss is asked, and the loss that they report") {
  const Vector x = Vector::from({3}, {1, 2, 3});
  std::int64_t calls = 0;
  auto losses = counted(
      x, [](const Vector& p) { return p(0) * p(0) + p(1) * p(2); }, calls);
  const auto forwards = [&](const Estimate& g) {
    CHECK(calls == g.forwards);
    calls = 0;
    return g.forwards;
  };
  CHECK(forwards(zo::rge(losses, 1, 0, {.queries = 3})) == 6);
  const Estimate one_sided = zo::rge(losses, 1, 0, {.queries = 3, .two_sided = false});
  CHECK(forwards(one_sided) == 4);
  CHECK(one_sided.loss == 7);
  CHECK(one_sided.weight == doctest::Approx(1.0 / 3));
  const std::vector<LeafRange> blocks{{0, 1}, {0, 1}};
  CHECK(forwards(zo::block_rge(losses, 1, 0, blocks, {.two_sided = false})) == 3);
  CHECK(x(0) == 1);

  CHECK_THROWS_WITH_AS(zo::rge(losses, 1, 0, {.queries = 0}), "rge: 0 queries; want at least 1", ValueError);
  CHECK_THROWS_WITH_AS(zo::rge(losses, 1, 0, {.eps = 0}), "rge: the radius eps is 0; want a positive number",
                       ValueError);
  const auto opaque = [](const zo::Perturbation&) { return std::array{1.0, 2.0}; };
  CHECK(zo::rge(opaque, 1, 0, {.eps = 0.5}).slopes[0].value == -1);
  CHECK_THROWS_WITH_AS(zo::rge(opaque, 1, 0, {.law = DirectionLaw::sphere}),
                       "directions on a sphere want losses that know their model: a ModelLoss or a CallableLoss",
                       ValueError);
}

TEST_CASE("estimators: the same numbers for any number of threads, others for other steps and seeds") {
  const SmallModel<StoredTensor> m = small_model(DType::bf16);
  const zo::ModelLoss losses(m, loss);
  const RgeOptions o{.eps = 1e-2, .queries = 2};
  const auto values = [&](int threads, std::uint64_t seed, std::uint32_t step) {
    const Threads set(threads);
    std::vector<double> v;
    for (const zo::Slope& s : zo::rge(losses, seed, step, o).slopes) v.push_back(s.value);
    return v;
  };
  const auto first = values(1, 1, 0);
  CHECK(first == values(2, 1, 0));
  CHECK(first == values(3, 1, 0));
  CHECK(first != values(1, 1, 1));
  CHECK(first != values(1, 2, 0));
}

TEST_CASE("ModelLoss: the losses of perturbed copies, frozen leaves where they were") {
  const SmallModel<StoredTensor> m = small_model();
  const SmallModel<Tensor<float>> copy = decoded(m);
  CallableLoss by_copy(copy, [](const SmallModel<Tensor<float>>& p) { return double(loss(p).item()); });
  const RgeOptions o{.eps = 1e-2, .queries = 2, .law = DirectionLaw::sphere};
  const Estimate a = zo::rge(zo::ModelLoss(m, loss), 1, 0, o), b = zo::rge(by_copy, 1, 0, o);
  CHECK(a.loss == b.loss);
  for (std::size_t q = 0; q < 2; ++q) CHECK(a.slopes[q].value == b.slopes[q].value);

  const Estimate none = zo::rge(zo::ModelLoss(m, loss, {0, 0, 0, 0, 0, 0}), 1, 0);
  CHECK(none.slopes[0].value == 0);
  CHECK(none.loss == double(loss(copy).item()));
}

TEST_CASE("estimate: one slope or loss that is no number spoils it") {
  Estimate g;
  g.loss = 1;
  g.slopes = {{{}, 1.0}, {{}, 2.0}};
  CHECK(g.finite());
  g.slopes[1].value = NAN;
  CHECK_FALSE(g.finite());
  g.slopes[1].value = INFINITY;
  CHECK_FALSE(g.finite());
  g.slopes[1].value = 0;
  g.loss = INFINITY;
  CHECK_FALSE(g.finite());
}
