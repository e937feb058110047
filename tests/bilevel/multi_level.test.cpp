// Chains of levels against closed forms and differences; lower losses with a random linear term.
#include "tenzo/bilevel/multi_level.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "problems.hpp"
#include "tenzo/bilevel/implicit.hpp"
#include "tenzo/bilevel/perturbed.hpp"
#include "tenzo/ops/elementwise.hpp"

using namespace tenzo;
using namespace tenzo::bilevel;
using namespace tenzo::bilevel::test;

namespace {

const LinearOptions tight{.iterations = 50, .rtol = 1e-14};

/// g(x, y) = Σ ½ y² + softplus(y) − a x y: its minimum solves y + σ(y) = a x.
struct Curved {
  double a;
  auto operator()(const auto& x, const auto& y) const {
    return sum(sub(add(scale(square(y), 0.5), softplus(y)), scale(mul(x, y), a)));
  }
  double minimum(double x) const {
    double y = 0;
    for (int i = 0; i < 60; ++i) {
      const double s = 1 / (1 + std::exp(-y));
      y -= (y + s - a * x) / (1 + s * (1 - s));
    }
    return y;
  }
};

}  // namespace

TEST_CASE("a chain of three quadratic levels: the closed form") {
  // x₁ = 2 x₀ + 1, x₂ = −3 x₁, f = ½ (x₂ − 4)² + x₀ x₁
  const auto first = [](const auto& x, const auto& y) { return sum(square(sub(y, scale(x, 2) + 1.0))); };
  const auto second = [](const auto& y, const auto& z) { return sum(square(add(z, scale(y, 3)))); };
  const auto f = [](const auto& x, const auto& y, const auto& z) {
    return add(scale(sum(square(z - 4.0)), 0.5), sum(mul(x, y)));
  };
  const Vector x = vec({0.5, -1}), y = vec({2, -1}), z = vec({-6, 3});
  const Vector g = chain_gradient(f, std::tuple(first, second), std::tuple(x, y, z), Cg{tight});
  // by x₀: x₁ + 2 (x₀ − 3 (x₂ − 4))
  check_near(g, {2 + 2 * (0.5 - 3 * -10.), -1 + 2 * (-1 - 3 * -1.)}, 1e-12);
}

TEST_CASE("a chain of curved levels: central differences; one level is the implicit gradient") {
  const Curved first{1.3}, second{-0.7}, third{2};
  const auto f = [](const auto& x, const auto& y, const auto& z, const auto& w) {
    return sum(add(mul(x, square(w)), mul(sin(z), y)));
  };
  const auto levels = [&](double x) {
    const double y = first.minimum(x), z = second.minimum(y);
    return std::tuple(vec({x}), vec({y}), vec({z}), vec({third.minimum(z)}));
  };
  const auto value = [&](double x) { return double(std::apply(f, levels(x)).item()); };
  for (const double x : {-1.5, 0.2, 0.9}) {
    const Vector g = chain_gradient(f, std::tuple(first, second, third), levels(x), Cg{tight});
    const double h = 1e-5;
    CHECK(g(0) == doctest::Approx((value(x + h) - value(x - h)) / (2 * h)).epsilon(1e-8));
  }
  const auto upper = [](const auto& x, const auto& y) { return sum(mul(x, square(y))); };
  const Problem problem{upper, first};
  Oracle oracle(problem);
  const Vector x = vec({0.4}), y = vec({first.minimum(0.4)});
  CHECK(chain_gradient(upper, std::tuple(first), std::tuple(x, y), Cg{tight})(0) ==
        doctest::Approx(implicit_gradient(oracle, x, y, Cg{tight}).gradient(0)).epsilon(1e-13));
}

TEST_CASE("a random linear term: at a kink, where F has no derivative, one of the two one-sided ones") {
  // y*(x) = max(x, 0): at x = 0 the bound is active without force. F = (y − 1)².
  const auto upper = [](const auto&, const auto& y) { return sum(square(y - 1.0)); };
  const auto lower = [](const auto& x, const auto& y) { return scale(sum(square(sub(y, x))), 0.5); };
  const Problem problem{upper, lower, Everywhere{}, Box{.low = 0, .high = 10}};
  const Vector x = vec({0});
  {
    Oracle oracle(problem);
    CHECK(implicit_gradient(oracle, x, vec({0}), Cg{tight}).report.warning.find("without force") != std::string::npos);
  }
  bool free = false, held = false;
  for (std::uint64_t seed = 1; seed <= 16; ++seed) {
    const auto moved = perturbed(problem, x, 1e-6, seed);
    Oracle oracle(moved);
    const double q = moved.lower.q(0), y = std::max(0., -q);  // of ½ (y − x)² + q y on y ≥ 0
    const auto h = implicit_gradient(oracle, x, vec({y}), Cg{tight}, Vector{}, {.lower_tolerance = 10});
    CHECK(h.report.warning.find("without force") == std::string::npos);
    CHECK(h.gradient(0) == doctest::Approx(q < 0 ? 2 * (y - 1) : 0).epsilon(1e-9));
    (q < 0 ? free : held) = true;
  }
  CHECK(free);
  CHECK(held);
  CHECK_THROWS_AS(perturbed(problem, x, 0, 1), ValueError);
}
