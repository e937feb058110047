// Fast-BAT against the implicit function theorem on the problem that it solves in closed form.
#include "tenzo/bilevel/fast_bat.hpp"

#include <doctest/doctest.h>

#include "problems.hpp"
#include "tenzo/bilevel/implicit.hpp"

using namespace tenzo;
using namespace tenzo::bilevel;
using namespace tenzo::bilevel::test;

namespace {

const Vector theta = vec({0.8, -0.5, 0.3}), image = vec({0.4, 0.9, 0.2}), z = vec({0.05, -0.02, 0.01});
const auto attack = [](const auto& t, const auto& d) {
  return neg(softplus(sum(mul(square(t), tanh(add(image, d))))));
};
const auto train = [](const auto& t, const auto& d) {
  return add(sum(mul(t, sin(add(image, d)))), sum(square(mul(t, add(image, d)))));
};

}  // namespace

TEST_CASE("one step of 1 / lambda is the hypergradient of the linearised attack") {
  for (const double radius : {10.0, 0.06}) {
    const Box box{-radius, radius};
    const double lambda = 4;
    const auto got = FastBat{.step = 1 / lambda, .lambda = lambda, .steps = 1}(train, attack, box, theta, z);
    // the same lower problem, said to the general engine: <grad attack(theta, z), d> + lambda / 2 |d - z|^2
    const Problem linearised{
        train,
        [&](const auto& t, const auto& d) {
          using W = promote_t<leaf_t<std::remove_cvref_t<decltype(t)>>, leaf_t<std::remove_cvref_t<decltype(d)>>>;
          const auto weights = map_tree<W>(t, [](const auto& v) { return lift<W>(v); });
          const auto slope = grad([&](const auto& q) { return attack(weights, q); }, lift<W>(z));
          return add(scalar_product(slope, d), scale(sum(square(sub(d, z))), lambda / 2));
        },
        Everywhere{}, box};
    Oracle oracle(linearised);
    const auto want = implicit_gradient(oracle, theta, got.solution, Cg{{.rtol = 1e-14}});
    for (std::int64_t i = 0; i < 3; ++i) {
      CHECK(got.gradient(i) == doctest::Approx(want.gradient(i)).epsilon(1e-10));
      CHECK(std::abs(got.solution(i)) <= radius);
    }
    CHECK(norm(sub(got.gradient, got.direct)) > 1e-4);
    CHECK(got.report.counts.hessian_products == 0);
  }
}

TEST_CASE("two steps go on from the first") {
  const Box box{-0.3, 0.3};
  const FastBat one{.step = 0.1, .lambda = 10, .steps = 1}, two{.step = 0.1, .lambda = 10, .steps = 2};
  const Vector first = one(train, attack, box, theta, z).solution;
  const auto a = one(train, attack, box, theta, first), b = two(train, attack, box, theta, z);
  for (std::int64_t i = 0; i < 3; ++i) {
    CHECK(a.solution(i) == b.solution(i));
    CHECK(a.gradient(i) == b.gradient(i));
  }
  CHECK_THROWS_AS((FastBat{.steps = 0}(train, attack, box, theta, z)), ValueError);
}
