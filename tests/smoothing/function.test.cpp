// Smoothed functions: values, gradients and Hessians against closed forms, within standard errors, under all noise;
// what each law of directions estimates; how variance grows.
#include "tenzo/smoothing/function.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "tenzo/smoothing/closed_forms.hpp"

using namespace tenzo;
using namespace tenzo::smoothing;

namespace {

using D = Tensor<double>;

const D a = D::from({3}, {0.5, -1, 0.25}), x0 = D::from({3}, {0.3, 0.2, -0.4});
const D curvature = D::from({3, 3}, {2, 0.5, 0, 0.5, 1, -0.3, 0, -0.3, -1});
constexpr double sigma = 0.5;

std::vector<ClosedForm> all(Family family = Family::gaussian) {
  return closed_forms({family, sigma}, x0, a, curvature);
}

/// f of each row.
auto batched(const std::function<double(const D&)>& f) {
  return [f](const D& x) {
    D y(Shape{x.shape()[0]});
    for (std::int64_t i = 0; i < y.size(); ++i) y(i) = f(x.rows(i, i + 1).reshaped(Shape{x.size() / y.size()}));
    return y;
  };
}

/// The means of the elements of `estimates` gradients of f at x, 250 directions each.
std::vector<RunningMean> mean_gradient(const std::function<double(const D&)>& f, const D& x, std::uint32_t estimates,
                                       const SmoothedOptions& o) {
  std::vector<RunningMean> mean(std::size_t(x.size()));
  for (std::uint32_t step = 0; step < estimates; ++step) {
    const auto g = smoothed_gradient(f, x, 21, step, o);
    CHECK(g.forwards == (o.antithetic ? 2 * o.queries : o.queries + 1));
    const D dense = zo::dense_gradient(g, x);
    for (std::int64_t i = 0; i < x.size(); ++i) mean[std::size_t(i)].add(dense(i));
  }
  return mean;
}
/// Within 4 standard errors; `open`: the normals' own bias, and rounding where the variance vanishes.
void check_mean(double mean, double standard_error, double want, double open = 1e-9) {
  CAPTURE(mean);
  CAPTURE(want);
  CHECK(std::abs(mean - want) <= 4 * standard_error + open);
}

}  // namespace

TEST_CASE("R9: gradients of smoothed functions, the mean of 100,000 directions within 4 standard errors") {
  for (const ClosedForm& k : all())
    for (const bool antithetic : {false, true}) {
      CAPTURE(k.name);
      CAPTURE(antithetic);
      const auto mean = mean_gradient(k.f, x0, 400, {.sigma = sigma, .queries = 250, .antithetic = antithetic});
      for (std::int64_t i = 0; i < 3; ++i)
        check_mean(mean[std::size_t(i)].mean, mean[std::size_t(i)].standard_error(), k.gradient(i));
    }
}

TEST_CASE("gradients by directions: each law has its own smoothed function's, told apart by x³ and x³y²") {
  using zo::DirectionLaw;
  const double s2 = sigma * sigma, x = 0.7, y = -0.4;
  const auto cube = [](const D& at) { return at(0) * at(0) * at(0); };
  const auto bent = [cube](const D& at) { return cube(at) * at(1) * at(1); };
  const auto check = [&](const std::function<double(const D&)>& f, const D& at, DirectionLaw law,
                         const std::vector<double>& want) {
    for (const bool antithetic : {false, true}) {
      CAPTURE(int(law));
      CAPTURE(antithetic);
      const auto mean =
          mean_gradient(f, at, 400, {.sigma = sigma, .queries = 100, .antithetic = antithetic, .law = law});
      for (std::size_t i = 0; i < want.size(); ++i)  // directions are floats, on a sphere to 1e-7
        check_mean(mean[i].mean, mean[i].standard_error(), want[i], 1e-7);
    }
  };
  const D one = D::full({1}, x), two = D::from({2}, {x, y}), three = D::from({3}, {x, y, 1});
  check(cube, one, DirectionLaw::gaussian, {3 * x * x + 3 * s2});
  check(cube, one, DirectionLaw::rademacher, {3 * x * x + s2});
  check(cube, one, DirectionLaw::sphere, {3 * x * x + s2});
  // Rademacher: the coordinate itself is smoothed by uniform noise in [−σ, σ], the other by ±σ
  check(bent, two, DirectionLaw::rademacher, {(3 * x * x + s2) * (y * y + s2), (x * x * x + 3 * x * s2) * 2 * y});
  check(bent, two, DirectionLaw::gaussian, {(3 * x * x + 3 * s2) * (y * y + s2), (x * x * x + 3 * x * s2) * 2 * y});
  // the ball of radius σ√d has the variance σ² d / (d + 2) in each coordinate
  check(cube, three, DirectionLaw::sphere, {3 * x * x + 3 * s2 * 3 / 5, 0, 0});
  CHECK_THROWS_AS(smoothed_gradient(cube, one, 1, 0, {.law = DirectionLaw::coordinate}), ValueError);
}

TEST_CASE("gradients under each family of noise, against closed forms: values and standard errors") {
  for (const Family family : {Family::gaussian, Family::laplace, Family::uniform})
    for (const ClosedForm& k : all(family)) {
      CAPTURE(int(family));
      CAPTURE(k.name);
      const AdditiveNoise noise{family, sigma};
      const MeanGradient g = smoothed_gradient(batched(k.f), noise, x0, {.seed = 3}, 100000);
      CHECK(g.forwards == 200000);
      for (std::int64_t i = 0; i < 3; ++i) check_mean(g.mean(i), g.standard_error(i), k.gradient(i));
      const RunningMean v = smoothed_value(batched(k.f), noise, x0, {.seed = 4}, 100000);
      check_mean(v.mean, v.standard_error(), k.value);
      if (k.name != "linear") continue;
      // the variance that is promised of linear functions
      double variance = 0;
      for (std::int64_t i = 0; i < 3; ++i) variance += 1e5 * g.standard_error(i) * g.standard_error(i);
      const double share = family == Family::gaussian ? 4 : family == Family::laplace ? 5 : 0;
      CHECK(variance == doctest::Approx(share * inner(a, a)).epsilon(0.05).scale(1e-6));
    }
  // steps, where f has no gradient at all: the density's at the step
  const auto step = batched([](const D& at) { return double(at(0) > 0); });
  const D at = D::full({1}, 0.2);
  for (const Family family : {Family::laplace, Family::uniform}) {
    CAPTURE(int(family));
    const AdditiveNoise noise{family, sigma};
    const double l = noise.lambda(), want = 0.5 / l * (family == Family::laplace ? std::exp(-0.2 / l) : 1);
    const MeanGradient g = smoothed_gradient(step, noise, at, {.seed = 5}, 100000);
    check_mean(g.mean(0), g.standard_error(0), want);
  }
}

TEST_CASE("gradients under noise: the same of other batches; float; what is refused") {
  const auto f = batched([](const D& at) { return std::exp(at(0)) * at(1); });
  const D at = D::from({2}, {0.1, 0.5});
  for (const Family family : {Family::gaussian, Family::laplace, Family::uniform}) {
    const AdditiveNoise noise{family, 0.3};
    const MeanGradient g = smoothed_gradient(f, noise, at, {.seed = 2}, 501),
                       again = smoothed_gradient(f, noise, at, {.seed = 2}, 501, 7);
    for (std::int64_t i = 0; i < 2; ++i) {
      CHECK(g.mean(i) == again.mean(i));
      CHECK(g.standard_error(i) == again.standard_error(i));
    }
    const auto single = [](const Tensor<float>& x) {
      Tensor<float> y(Shape{x.shape()[0]});
      for (std::int64_t i = 0; i < y.size(); ++i) y(i) = std::exp(x(i, 0)) * x(i, 1);
      return y;
    };
    const MeanGradient rough =
        smoothed_gradient(single, noise, Tensor<float>::from({2}, {0.1f, 0.5f}), {.seed = 2}, 501);
    for (std::int64_t i = 0; i < 2; ++i) CHECK(rough.mean(i) == doctest::Approx(g.mean(i)).epsilon(1e-4));
  }
  const AdditiveNoise uniform{Family::uniform, 0.3};
  CHECK_THROWS_AS(smoothed_gradient(f, AdditiveNoise{Family::rademacher, 0.3}, at, {}, 10), ValueError);
  CHECK_THROWS_AS(smoothed_gradient(f, AdditiveNoise{Family::gaussian, 0}, at, {}, 10), ValueError);
  CHECK_THROWS_AS(smoothed_gradient(f, uniform, at, {}, 1), ValueError);
  CHECK_THROWS_AS(smoothed_gradient(f, uniform, D(Shape{0}), {}, 10), ValueError);
  CHECK(std::isnan(smoothed_gradient(f, uniform, at, {}, 2).standard_error(0)));
  const auto short_of_rows = [](const D&) { return D::zeros({1}); };
  CHECK_THROWS_AS(smoothed_gradient(short_of_rows, uniform, at, {}, 10), ShapeError);
}

TEST_CASE("closed forms: what has none is refused") {
  CHECK(all(Family::rademacher).size() == 4);  // half-spaces of Gaussian noise alone
  CHECK_THROWS_AS(closed_forms({Family::laplace, 3}, x0, a, curvature), ValueError);
  CHECK_THROWS_AS(closed_forms({}, x0, a, x0), ShapeError);
  CHECK(closed_forms({Family::uniform, 0.5}, x0, D::zeros({3}), curvature)[2].value == 1);
  CHECK(closed_forms({Family::uniform, 0.5}, x0, D::zeros({3}), curvature)[3].value == 1);
}

TEST_CASE("R9: Hessians of smoothed functions within 4 standard errors") {
  for (const ClosedForm& k : all()) {
    CAPTURE(k.name);
    std::vector<RunningMean> mean(9);
    for (std::uint32_t step = 0; step < 200; ++step) {
      const D h = smoothed_hessian(k.f, x0, 5, step, {.sigma = sigma, .queries = 250});
      for (std::int64_t i = 0; i < 9; ++i) {
        mean[std::size_t(i)].add(h(i));
        CHECK(h(i) == h(i % 3 * 3 + i / 3));
      }
    }
    for (std::int64_t i = 0; i < 9; ++i)
      check_mean(mean[std::size_t(i)].mean, mean[std::size_t(i)].standard_error(), k.hessian(i));
  }
  CHECK_THROWS_AS(smoothed_hessian(all()[0].f, x0, 1, 0, {.law = zo::DirectionLaw::rademacher}), ValueError);
}

TEST_CASE("R9: the variance of a gradient estimate is (d + 1)/q ‖∇f‖²: slopes −1 in q and 1 in d") {
  const auto variance = [](std::int64_t d, int q) {
    D x = D::zeros({d});
    const auto f = [](const D& at) { return at(0); };  // ∇f = e₀
    double total = 0;
    const std::int64_t repeats = 600;
    for (std::int64_t r = 0; r < repeats; ++r) {
      D g = zo::dense_gradient(smoothed_gradient(f, x, 8, std::uint32_t(r), {.queries = q}), x);
      g(0) -= 1;
      total += inner(g, g);
    }
    return total / double(repeats);
  };
  const double base = variance(40, 4);
  CHECK(base == doctest::Approx(41. / 4).epsilon(0.06));
  CHECK(std::log(variance(40, 32) / base) / std::log(8) == doctest::Approx(-1).epsilon(0.1));
  CHECK(std::log(variance(320, 4) / base) / std::log(321. / 41) == doctest::Approx(1).epsilon(0.1));
}

TEST_CASE("agreement of an estimate with the gradient: cosine near √(q/d), small in many dimensions") {
  D x = D::zeros({2000});
  D gradient = D::zeros({2000});
  gradient(3) = 2;
  const auto f = [](const D& at) { return 2 * at(3); };
  double cosine = 0;
  GradientAgreement last;
  for (std::uint32_t s = 0; s < 200; ++s) {
    last = gradient_agreement(zo::dense_gradient(smoothed_gradient(f, x, 3, s, {.queries = 20}), x), gradient, 20);
    cosine += last.cosine / 200;
  }
  CHECK(last.expected_cosine == doctest::Approx(std::sqrt(20. / 2021)));
  CHECK(cosine == doctest::Approx(last.expected_cosine).epsilon(0.05));
  const GradientAgreement same = gradient_agreement(gradient, gradient, 1);
  CHECK(same.cosine == doctest::Approx(1));
  CHECK(same.relative_error == 0);
}

TEST_CASE("smoothed values by Rademacher noise: the odd keeps its place, the even grows") {
  // E (x + sσ)³ = x³ + 3xσ²
  const auto cube = batched([](const D& x) { return x(0) * x(0) * x(0); });
  const RunningMean v = smoothed_value(cube, AdditiveNoise{Family::rademacher, 0.5}, D::full({1}, 2), {}, 40000, 1000);
  CHECK(std::abs(v.mean - (8 + 3 * 2 * 0.25)) <= 4 * v.standard_error());
  CHECK(v.variance() == doctest::Approx(std::pow(15.625 - 3.375, 2) / 4).epsilon(0.01));
  for (const ClosedForm& k : all(Family::rademacher)) {
    CAPTURE(k.name);
    const RunningMean m =
        smoothed_value(batched(k.f), AdditiveNoise{Family::rademacher, sigma}, x0, {.seed = 6}, 50000);
    check_mean(m.mean, m.standard_error(), k.value);
  }
}
