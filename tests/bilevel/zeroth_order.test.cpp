// Values alone: every way to a hypergradient within its stated error, on P1 and beyond.
#include <doctest/doctest.h>

#include "sums.hpp"
#include "tenzo/bilevel/implicit.hpp"
#include "tenzo/bilevel/zeroth_order/black_box.hpp"
#include "tenzo/bilevel/zeroth_order/gradient.hpp"
#include "tenzo/bilevel/zeroth_order/products.hpp"

using namespace tenzo;
using namespace tenzo::bilevel;
using namespace tenzo::bilevel::test;

namespace {

const Vector hypergradient = vec({0.114049586777, -0.766735537190});

ValueGradient exact_differences() { return {.kind = ValueGradient::Kind::cge, .options = {.eps = 1e-4, .queries = 0}}; }

}  // namespace

TEST_CASE("value gradients: each kind has the gradient as its mean; all coordinates give it at once") {
  using Two = std::vector<Vector>;
  const Two at{mat(1, 3, {1, -2, 0.5}), vec({3, 0.25})}, weights{mat(1, 3, {1, 2, 3}), vec({0.5, 4})};
  const auto loss = [&](const Two& t) {
    double s = 0;
    for (std::size_t k = 0; k < 2; ++k)
      for (std::int64_t i = 0; i < t[k].size(); ++i) s += 0.5 * weights[k](i) * t[k](i) * t[k](i);
    return s;
  };
  const Vector want = vec({1, -4, 1.5, 1.5, 1});
  std::int64_t asked = 0;
  check_near(ravel(exact_differences()(loss, at, 1, 0, asked)), {1, -4, 1.5, 1.5, 1}, 1e-10);
  CHECK(asked == 10);
  const auto check_kind = [&](ValueGradient g, std::int64_t each, int draws = 8000) {
    g.options.eps = 1e-3;
    asked = 0;
    check_mean(want, draws, [&](int t) { return ravel(g(loss, at, 7, t, asked)); });
    CHECK(asked == draws * each);
  };
  check_kind({.options = {.queries = 2}}, 4);
  check_kind({.options = {.queries = 2, .law = zo::DirectionLaw::rademacher}}, 4);
  check_kind({.options = {.queries = 2, .law = zo::DirectionLaw::sphere}}, 4);
  check_kind({.kind = ValueGradient::Kind::cge, .options = {.queries = 2}}, 4);
  check_kind({.kind = ValueGradient::Kind::block}, 4);
  check_kind({.kind = ValueGradient::Kind::sparse, .options = {.queries = 2}, .masked_out = 0.5}, 4, 1200);
  CHECK_THROWS_AS((ValueGradient{.options = {.queries = 0}}(loss, at, 1, 0, asked)), ValueError);
  CHECK_THROWS_AS((ValueGradient{.kind = ValueGradient::Kind::sparse, .masked_out = 1}(loss, at, 1, 0, asked)),
                  ValueError);
  CHECK_THROWS_AS((ValueGradient{.kind = ValueGradient::Kind::cge, .options = {.queries = -1}}(loss, at, 1, 0, asked)),
                  ValueError);
}

TEST_CASE("P1: black boxes, HOZOG, evolution strategies, PZOBO") {
  const Quadratic q;
  const auto problem = q.problem();
  Oracle oracle(problem);
  const auto value = [&](const Vector& x) { return oracle.upper(x, q.solution(x)); };
  const auto solve = [&](const Vector& x) { return q.solution(x); };
  for (const bool two_sided : {false, true}) {
    const Hozog hozog{.mu = 0.1, .queries = 10, .two_sided = two_sided};
    const auto one = hozog(value, q.x, 1, 0);
    CHECK(one.solves == (two_sided ? 20 : 11));
    if (!two_sided) check_near(one.value, 3.443569214876, 1e-12);
    check_mean(hypergradient, 2000, [&](int t) { return hozog(value, q.x, 3, t).gradient; });
  }
  const EvolutionStrategy es{.sigma = 1e-2, .queries = 10};
  CHECK(es(value, q.x, 1, 0).solves == 20);
  check_mean(hypergradient, 2000, [&](int t) { return es(value, q.x, 3, t).gradient; });
  const Pzobo pzobo{.mu = 0.1, .queries = 10};
  const auto one = pzobo(oracle, solve, q.x, 1, 0);
  CHECK(one.solves == 11);
  check_near(one.value, 3.443569214876, 1e-12);
  check_mean(hypergradient, 2000, [&](int t) { return pzobo(oracle, solve, q.x, 3, t).gradient; });
}

TEST_CASE("PZOBO: runs the inner solver Q + 1 times; N steps have the error of N steps") {
  const Quadratic q;
  const auto problem = q.problem();
  Oracle oracle(problem);
  int runs = 0;
  const auto steps = [&](const Vector& x) {  // 5 steps of 0.2 from 0: the golden ITD value
    ++runs;
    Vector y = vec({0, 0});
    for (int t = 0; t < 5; ++t) axpy_(-0.2, oracle.lower_gradient(x, y), y);
    return y;
  };
  Pzobo{.queries = 4}(oracle, steps, q.x, 1, 0);
  CHECK(runs == 5);
  check_mean(vec({0.092476672, -0.7749737088}), 1000,
             [&](int t) { return Pzobo{}(oracle, steps, q.x, 2, t).gradient; });
}

TEST_CASE("evolution strategy: by rank, only the order of the values counts") {
  const Quadratic q;
  const auto problem = q.problem();
  Oracle oracle(problem);
  const EvolutionStrategy es{.sigma = 0.1, .queries = 8, .ranked = true};
  const auto value = [&](const Vector& x) { return oracle.upper(x, q.solution(x)); };
  const auto other = [&](const Vector& x) { return std::exp(3 * value(x)); };
  Vector mean = vec({0, 0});
  for (int t = 0; t < 400; ++t) {
    const auto a = es(value, q.x, 5, t), b = es(other, q.x, 5, t);
    CHECK(same_bits(a.gradient, b.gradient));
    axpy_(1.0 / 400, a.gradient, mean);
  }
  CHECK(inner(mean, hypergradient) > 0.98 * norm(mean) * norm(hypergradient));
  const auto broken = [&](const Vector& x) { return x(0) > 0.5 ? NAN : value(x); };
  CHECK(std::isfinite(norm(es(broken, q.x, 5, 1).gradient)));
  // without ranks NaN is not hidden
  CHECK_FALSE(std::isfinite(norm(EvolutionStrategy{}(broken, q.x, 5, 1).gradient)));
}

TEST_CASE("difference products: exact on P1, of second order beyond") {
  const Quadratic q;
  const DifferenceProducts problem(q.problem());
  Oracle oracle(problem);
  const auto h = implicit_gradient(oracle, q.x, q.solution(q.x), Cg{{.iterations = 10, .rtol = 1e-7}});
  check_near(h.gradient, {hypergradient(0), hypergradient(1)}, 1e-7);
  CHECK(h.report.linear.converged);

  const Problem quartic{q.problem().upper, [](const auto& x, const auto& y) {
                          return add(scale(sum(square(square(y))), 0.25), sum(mul(mul(y, y), exp(mul(x, y)))));
                        }};
  const Vector x = vec({0.3, -0.2}), y = vec({0.7, -0.4}), u = vec({1, 2});
  Oracle exact(quartic);
  const Vector hu = exact.hessian_product(x, y, u), mu = exact.cross_product(x, y, u);
  std::vector<double> radius{0.04, 0.08, 0.16}, of_h, of_m;
  for (const double r : radius) {
    const DifferenceProducts d(quartic, r);
    of_h.push_back(norm(sub(d.hessian_product(x, y, u), hu)));
    of_m.push_back(norm(sub(d.cross_product(x, y, u), mu)));
  }
  CHECK(log_slope(radius, of_h) == doctest::Approx(2).epsilon(0.05));
  CHECK(log_slope(radius, of_m) == doctest::Approx(2).epsilon(0.05));
  const DifferenceProducts d(quartic);
  CHECK(norm(sub(d.hessian_product(x, y, u), hu)) < 1e-6);
  CHECK(norm(sub(d.cross_product(x, y, u), mu)) < 1e-6);
  CHECK(norm(d.hessian_product(x, y, vec({0, 0}))) == 0);
  CHECK(norm(d.cross_product(x, y, vec({0, 0}))) == 0);
  CHECK_THROWS_AS(DifferenceProducts(quartic, -1), ValueError);
}
