// Meta-learning against its closed forms.
#include "tenzo/bilevel/meta.hpp"

#include <doctest/doctest.h>

#include "problems.hpp"
#include "tenzo/bilevel/implicit.hpp"

using namespace tenzo;
using namespace tenzo::bilevel;
using namespace tenzo::bilevel::test;

namespace {

const Vector a = mat(2, 2, {4, 1, 1, 3}), d = vec({1, -2}), c = vec({0, 1}), x = vec({0.5, 0.5});
const auto upper = [](const auto&, const auto& y) { return scale(sum(square(sub(y, c))), 0.5); };
const auto task = [](const auto& y) {
  const auto apart = sub(y, d);
  return scale(scalar_product(apart, product(a, apart)), 0.5);
};

}  // namespace

TEST_CASE("P6: MAML and its first-order form") {
  const Problem p{upper, [](const auto&, const auto& y) { return task(y); }};
  Oracle oracle(p);
  const auto h = maml_gradient(oracle, x, GradientStep{.lr = 0.1}, 1);
  check_near(h.solution, {0.45, -0.2}, 1e-14);
  check_near(h.gradient, {0.39, -0.885}, 1e-14);
  check_near(fomaml_gradient(oracle, x, GradientStep{.lr = 0.1}, 1).gradient, {0.45, -1.2}, 1e-14);
  // many steps: (I − αA)^T towards the task's minimum
  const auto far = maml_gradient(oracle, x, GradientStep{.lr = 0.1}, 400);
  check_near(far.solution, {1, -2}, 1e-12);
  CHECK(norm(far.gradient) < 1e-12);
}

TEST_CASE("P7: iMAML") {
  const Problem p{upper, ProximalTask{task, 2.0}};
  Oracle oracle(p);
  const auto y = solve_lower(oracle, x, x, Lbfgs{}, {.tolerance = 1e-13}).y;
  check_near(y, {0.655172413793, -0.931034482759}, 1e-12);
  check_near(implicit_gradient(oracle, x, y, Cg{{.rtol = 1e-14}}).gradient, {0.359096313912, -0.844233055886}, 1e-12);
}

TEST_CASE("Reptile goes towards the end of the run") {
  const Problem p{upper, [](const auto&, const auto& y) { return task(y); }};
  Oracle oracle(p);
  Vector at = x.clone();
  reptile_step(oracle, at, GradientStep{.lr = 0.1}, 1, 0.5);
  check_near(at, {0.475, 0.15}, 1e-14);
}
