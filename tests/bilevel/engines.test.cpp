// Every way to the hypergradient on the regression problems P2 to P5, whose answers are known.
#include <doctest/doctest.h>

#include "problems.hpp"
#include "tenzo/bilevel/fixed_point.hpp"
#include "tenzo/bilevel/implicit.hpp"
#include "tenzo/bilevel/inner.hpp"
#include "tenzo/solve/dense.hpp"
#include "tenzo/solve/stationary.hpp"

using namespace tenzo;
using namespace tenzo::bilevel;
using namespace tenzo::bilevel::test;

namespace {

const Regression data;

/// The same hypergradient by all ways, from a solution by each inner solver.
template <class P>
void check_engines(const P& problem, const Vector& x, std::initializer_list<double> y_star, double value,
                   std::initializer_list<double> gradient) {
  Oracle oracle(problem);
  const Vector start = Vector::zeros({std::int64_t(y_star.size())});
  const auto inner = solve_lower(oracle, x, start, Lbfgs{}, {.tolerance = 1e-13, .steps = 200});
  check_near(inner.y, y_star, 1e-10);
  const GradientStep step{.lr = 0.25};
  const auto descent = solve_lower(oracle, x, start, step, {.tolerance = 1e-12, .steps = 5000});
  CHECK(descent.converged);
  check_near(descent.y, y_star, 1e-9);
  const auto momentum = solve_lower(oracle, x, start, MomentumStep{.lr = 0.1}, {.tolerance = 1e-12, .steps = 5000});
  CHECK(momentum.converged);

  const auto same = [&](const Hypergradient<Vector, Vector>& h, double tolerance = 1e-9) {
    check_near(h.value, value, tolerance);
    check_near(h.gradient, gradient, tolerance);
  };
  const Vector y = inner.y;
  const LinearOptions tight{.iterations = 60, .rtol = 1e-13};
  same(implicit_gradient(oracle, x, y, Cg{tight}));
  same(implicit_gradient(oracle, x, y, NormalCg{tight}));
  same(implicit_gradient(oracle, x, y, Gmres{tight}));
  same(implicit_gradient(oracle, x, y, BiCgStab{tight}));
  same(implicit_gradient(oracle, x, y, DenseSolver{}));
  same(implicit_gradient(oracle, x, y, Neumann{.terms = 3000, .alpha = 0.25}));
  same(fixed_point_gradient(oracle, x, y, step, Gmres{tight}));
  same(unrolled_gradient(oracle, x, start, step, {.steps = 3000}));
  same(unrolled_gradient(oracle, x, start, MomentumStep{.lr = 0.1}, {.steps = 1200}));
  same(forward_unrolled_gradient(oracle, x, start, step, 1000), 1e-8);
}

}  // namespace

TEST_CASE("P2: ridge, logarithm of the penalty") {
  const Problem p{[](const auto&, const auto& w) { return data.validation_loss(w); },
                  [](const auto& l, const auto& w) {
                    return add(scale(sum(square(data.residuals(w))), 1.0 / 8),
                               scale(mul(sum(exp(l)), sum(square(w))), 0.5));
                  }};
  check_engines(p, vec({-1}), {0.191717107723, 0.567582223851}, 0.130994274143, {0.043907146602});
  // P12: f does not depend on x at all, yet F does
  Oracle oracle(p);
  const auto h = implicit_gradient(oracle, vec({-1}), vec({0.191717107723, 0.567582223851}));
  CHECK(h.direct(0) == 0);
  CHECK(h.gradient(0) > 0.04);
}

TEST_CASE("P3: a penalty for each feature") {
  const Problem p{[](const auto&, const auto& w) { return data.validation_loss(w); },
                  [](const auto& l, const auto& w) {
                    return add(scale(sum(square(data.residuals(w))), 1.0 / 8), scale(sum(mul(exp(l), square(w))), 0.5));
                  }};
  check_engines(p, vec({-1, 0.5}), {0.220630344904, 0.351556458623}, 0.222240734926, {0.010367405989, 0.084159191716});
}

TEST_CASE("P4: data cleaning") {
  const Problem p{[](const auto&, const auto& y) { return data.validation_loss(y); },
                  [](const auto& s, const auto& y) {
                    return add(scale(sum(mul(sigmoid(s), square(data.residuals(y)))), 1.0 / 8),
                               scale(sum(square(y)), 0.05));
                  }};
  check_engines(p, vec({0, 1, -1, 0.5}), {0.233395010496, 0.527766457228}, 0.137410504887,
                {0.017111069768, 0.000241942685, -0.028596311735, -0.007751163022});
}

TEST_CASE("P5: forget set") {
  const Problem p{[](const auto& w, const auto& y) {
                    return add(scale(sum(mul(w, square(data.residuals(y)))), 0.5), scale(sum(square(w)), 1e-4));
                  },
                  [](const auto& w, const auto& y) {
                    return add(scale(sum(mul(sub(Vector::ones({4}), w), square(data.residuals(y)))), 0.5),
                               scale(sum(square(y)), 0.05));
                  }};
  const Vector w = vec({0.5, 0.25, 0, 0.25});
  Oracle oracle(p);
  const auto y = solve_lower(oracle, w, vec({0, 0}), Lbfgs{}, {.tolerance = 1e-13}).y;
  const auto h = implicit_gradient(oracle, w, y, Cg{{.rtol = 1e-13}});
  check_near(h.direct, {0.357509216866, 0.051118539187, 0.717475584212, 0.000990210878}, 1e-9);
  check_near(h.gradient, {0.740389814497, 0.082414533330, 0.477022475805, 0.011923611333}, 1e-9);
  const double cosine = inner(h.direct, h.gradient) / (norm(h.direct) * norm(h.gradient));
  check_near(cosine, 0.860063, 1e-6);
}
