// F²SA-p: weights in closed form, orders in ν by exact inner solutions, agreement with p = 1 and p = 2, and runs.
#include "tenzo/bilevel/f2sa_p.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "first_order.hpp"
#include "tenzo/bilevel/f2sa.hpp"

using namespace tenzo;
using namespace tenzo::bilevel;
using namespace tenzo::bilevel::test;

namespace {

/// argmin g + ν f of P1: (A + ν I) y = B x + b + ν c.
auto exact_for(const Quadratic& q) {
  return [&q](auto&, const Vector& x, double nu, const Vector&) {
    Vector r = add(product(q.b_matrix, x), q.b);
    axpy_(nu, q.c, r);
    const double a = 4 + nu, d = 3 + nu, det = a * d - 1;
    return vec({(d * r(0) - r(1)) / det, (-r(0) + a * r(1)) / det});
  };
}

const Vector hypergradient = vec({0.114049586776860, -0.766735537190083});

/// A lower loss that is no quadratic: g = cosh y − x y, f = ½ (y − 1)²: y* = asinh x, F' = (y* − 1) / √(1 + x²).
auto catenary() {
  return Problem{[](const auto&, const auto& y) { return scale(sum(square(y - 1.0)), 0.5); },
                 [](const auto& x, const auto& y) {
                   return sub(scale(sum(add(exp(y), exp(neg(y)))), 0.5), scalar_product(x, y));
                 }};
}
/// argmin g + ν f by Newton's method.
Vector catenary_solution(const Vector& x, double nu) {
  double y = std::asinh(x(0));
  for (int t = 0; t < 50; ++t) y -= (std::sinh(y) - x(0) + nu * (y - 1)) / (std::cosh(y) + nu);
  return vec({y});
}

}  // namespace

TEST_CASE("stencils: the known weights, and exact for polynomials up to the order") {
  const auto same = [](const Stencil& s, std::vector<int> nodes, std::vector<double> weights) {
    CHECK(s.nodes == nodes);
    REQUIRE(s.weights.size() == weights.size());
    for (std::size_t j = 0; j < weights.size(); ++j) CHECK(s.weights[j] == doctest::Approx(weights[j]).epsilon(1e-14));
  };
  same(central_stencil(1), {0, 1}, {-1, 1});
  same(central_stencil(2), {-1, 1}, {-0.5, 0.5});
  same(central_stencil(3), {-1, 0, 1, 2}, {-1. / 3, -0.5, 1, -1. / 6});
  same(central_stencil(4), {-2, -1, 1, 2}, {1. / 12, -2. / 3, 2. / 3, -1. / 12});
  same(central_stencil(6), {-3, -2, -1, 1, 2, 3}, {-1. / 60, 3. / 20, -3. / 4, 3. / 4, -3. / 20, 1. / 60});
  same(forward_stencil(2), {0, 1, 2}, {-1.5, 2, -0.5});
  for (int p = 1; p <= 12; ++p)
    for (const Stencil& s : {central_stencil(p), forward_stencil(p)})
      for (int power = 0; power <= p; ++power) {
        double sum = 0, size = 0;
        for (std::size_t j = 0; j < s.nodes.size(); ++j) {
          const double term = s.weights[j] * std::pow(double(s.nodes[j]), power);
          sum += term, size += std::abs(term);
        }
        CAPTURE(p);
        CAPTURE(power);
        CHECK(std::abs(sum - (power == 1)) <= 1e-13 * std::max(1.0, size));
      }
  CHECK_THROWS_WITH_AS(central_stencil(0), "stencil: an order of 0; want 1 to 12", ValueError);
  CHECK_THROWS_AS(forward_stencil(13), ValueError);
}

TEST_CASE("f2sa-p: P1, the error is of order p in nu for p = 1 … 6, and at 0.1 it falls with p") {
  const Quadratic q;
  const auto problem = quadratic_of<double>(q);
  Oracle oracle(problem);
  std::vector<double> at_tenth{1, 1};  // the errors of the orders two before
  for (int p = 1; p <= 6; ++p) {
    const auto error = [&](double nu) {
      return norm(
          sub(high_order_difference(oracle, q.x, std::vector{q.x}, exact_for(q), {.nu = nu, .order = p}).gradient,
              hypergradient));
    };
    std::vector<double> nus{0.04, 0.02, 0.01}, errors;
    for (const double nu : nus) errors.push_back(error(nu));
    CAPTURE(p);
    CAPTURE(errors.back());
    CHECK(std::abs(order(nus, errors) - p) < 0.15);
    at_tenth.push_back(error(0.1));
    CHECK(at_tenth.back() < at_tenth[std::size_t(p - 1)] / 4);
  }
  CHECK(at_tenth.back() < 1e-6);
}

TEST_CASE("f2sa-p: the same orders where the lower loss is no quadratic") {
  const auto problem = catenary();
  Oracle oracle(problem);
  const Vector x = vec({0.8});
  const double want = (std::asinh(0.8) - 1) / std::sqrt(1 + 0.64);
  const auto solve = [](auto&, const Vector& at, double nu, const Vector&) { return catenary_solution(at, nu); };
  for (int p = 1; p <= 5; ++p) {
    std::vector<double> nus{0.04, 0.02, 0.01}, errors;
    for (const double nu : nus) {
      const auto h = high_order_difference(oracle, x, std::vector{x}, solve, {.nu = nu, .order = p});
      errors.push_back(std::abs(h.gradient(0) - want));
      CHECK(h.report.warning == "");
    }
    CAPTURE(p);
    CHECK(std::abs(order(nus, errors) - p) < 0.2);
  }
}

TEST_CASE("f2sa-p: p = 1 and p = 2 are the forward and the central difference") {
  const Quadratic q;
  const auto problem = quadratic_of<double>(q);
  Oracle oracle(problem);
  const PenaltyDescent inner{.steps = 20, .lr = 0.2};
  const Vector zero = vec({0, 0});
  const auto one = high_order_difference(oracle, q.x, std::vector{zero}, inner, {.nu = 0.1, .order = 1});
  const auto forward = forward_difference(oracle, q.x, zero, zero, inner, {.nu = 0.1});
  check_near(one.gradient, {forward.gradient(0), forward.gradient(1)}, 1e-12);
  check_near(one.adjoint, {forward.adjoint(0), forward.adjoint(1)}, 1e-12);
  check_near(one.value, forward.value, 1e-12);
  check_near(one.report.linear.residual, forward.report.linear.residual, 1e-12);
  CHECK(one.report.counts.all() == forward.report.counts.all());
  const auto two = high_order_difference(oracle, q.x, std::vector{zero}, inner, {.nu = 0.1, .order = 2});
  const auto central = central_difference(oracle, q.x, zero, zero, inner, {.nu = 0.1});
  check_near(two.gradient, {central.gradient(0), central.gradient(1)}, 1e-12);
  check_near(two.direct, {central.direct(0), central.direct(1)}, 1e-12);
  check_near(two.report.linear.residual, central.report.linear.residual, 1e-12);
  check_near(two.report.linear.smallest_ritz, central.report.linear.smallest_ritz, 1e-12);
  CHECK(two.report.counts.all() == central.report.counts.all());
  CHECK(two.report.warning == central.report.warning);
}

TEST_CASE("f2sa-p: what it says beside the gradient is of the order, too") {
  const Quadratic q;
  const auto problem = quadratic_of<double>(q);
  Oracle oracle(problem);
  const auto h =
      high_order_difference(oracle, q.x, std::vector{q.x}, exact_for(q), StencilOptions{.nu = 0.01, .order = 6});
  check_near(h.adjoint, {-0.064049586777, 0.869834710744}, 1e-9);  // v
  check_near(h.solution, {0.386363636364, -0.545454545455}, 1e-9);
  check_near(h.direct, {0.05, -0.025}, 1e-12);
  check_near(h.value, 3.443569214876, 1e-9);
  CHECK(h.points.size() == 6);
  CHECK(h.report.counts.upper_gradients == 6);
  CHECK(h.report.counts.lower_gradients == 6);
  CHECK(h.report.counts.hessian_products == 0);
  const double smallest = (7 - std::sqrt(5.0)) / 2, largest = (7 + std::sqrt(5.0)) / 2;
  CHECK(h.report.linear.smallest_ritz >= smallest - 1e-9);
  CHECK(h.report.linear.smallest_ritz <= largest);
}

TEST_CASE("f2sa-p: where a negative node is not convex, one-sided of the same order, and said") {
  const Quadratic q;
  const auto problem = quadratic_of<double>(q);
  Oracle oracle(problem);
  const PenaltyDescent inner{.steps = 3000, .lr = 0.1, .tolerance = 1e-12};
  // g − 2ν f has the curvature 2.38 − 2ν at least: below zero at ν = 1.5, where g − ν f is still convex
  const auto h =
      high_order_difference(oracle, q.x, std::vector{vec({0, 0})}, inner, StencilOptions{.nu = 1.5, .order = 4});
  CHECK_FALSE(h.central);
  CHECK(h.report.linear.negative_curvature);
  CHECK(h.report.warning.find("g - 2 nu f is not convex at nu = 1.5") != std::string::npos);
  CHECK(h.points.size() == 4);
  CHECK(same_bits(h.points[0], h.points[1]));  // both begin again from argmin g
  check_near(h.points[0], {0.386363636364, -0.545454545455}, 1e-9);
  const Stencil s = forward_stencil(4);
  Vector want = Vector::zeros({2});
  for (std::size_t j = 0; j < 5; ++j) {
    const Vector y = exact_for(q)(oracle, q.x, 1.5 * s.nodes[j], q.x);
    axpy_(s.weights[j] / 1.5, oracle.lower_gradients(q.x, y).x, want);
    axpy_(s.weights[j] * s.nodes[j], oracle.upper_gradients(q.x, y).x, want);
  }
  check_near(h.gradient, {want(0), want(1)}, 1e-9);
}

TEST_CASE("f2sa-p: a box below, two leaves above, and lines of solutions") {
  const auto problem = clipped_below(vec({1, 0, 0, 1}));
  Oracle oracle(problem);
  const Vector x = vec({-0.5, 0.3, 1.4, 0.8});
  const auto h = high_order_difference(oracle, x, std::vector{vec({0.5, 0.5, 0.5, 0.5})},
                                       PenaltyDescent{.steps = 400, .lr = 0.5, .tolerance = 1e-14},
                                       StencilOptions{.nu = 0.005, .order = 4});
  check_near(h.gradient, {0, 0.3, 0, -0.2}, 1e-7);
  const Wide w;
  const auto wide = w.problem();
  Oracle second(wide);
  const auto g = high_order_difference(second, w.x, std::vector{vec({0, 0})},
                                       PenaltyDescent{.steps = 500, .lr = 0.25, .tolerance = 1e-13},
                                       StencilOptions{.nu = 0.02, .order = 4});
  const auto want = w.gradient(w.x);
  check_near(g.gradient[0], {want[0](0), want[0](1)}, 1e-7);
  check_near(g.gradient[1], {want[1](0)}, 1e-7);
  const auto line = line_of_solutions();
  const auto c = after(HighOrderF2sa{.inner = {.steps = 50, .lr = 0.5}, .nu = {0.1}, .lr_x = {0.5}, .order = 3}, line,
                       80, vec({-1}), pair_of(0, 0));
  check_near(c.x, {1}, 1e-5);
}

TEST_CASE("f2sa-p: to the minimum of F, closer with p; normalised steps have their length") {
  const Quadratic q;
  const auto problem = quadratic_of<double>(q);
  const auto left = [&](int p) {
    const auto s = after(HighOrderF2sa{.inner = {.steps = 60, .lr = 0.2}, .nu = {0.2}, .lr_x = {2}, .order = p},
                         problem, 300, q.x, vec({0, 0}));
    return distance(s.x, {-1.898527004910, 2.765957446809});
  };
  const double first = left(1), second = left(2), fourth = left(4);
  MESSAGE("distance from the minimum: ", first, ", ", second, ", ", fourth);
  CHECK(second < first / 4);
  CHECK(fourth < second / 4);
  const auto s = after(HighOrderF2sa{.nu = {0.1}, .lr_x = {0.01}, .normalised = true}, problem, 1, q.x, vec({0, 0}));
  CHECK(norm(sub(s.x, q.x)) == doctest::Approx(0.01).epsilon(1e-9));
  for (const int p : {3, 4}) {
    const HighOrderF2sa solver{.inner = {.steps = 3}, .order = p};
    check_resumes(solver, problem, solver.start(q.x, vec({0, 0})));
  }
}

TEST_CASE("f2sa-p: NaN is never masked, bad options are a sentence") {
  const Quadratic q;
  const auto problem = quadratic_of<double>(q);
  const auto c = after(HighOrderF2sa{.inner = {.steps = 2}}, problem, 2, q.x, vec({0, not_a_number}));
  CHECK(c.x(0) != c.x(0));
  CHECK(c.report.lower_gradient != c.report.lower_gradient);
  CHECK_FALSE(c.report.linear.converged);
  CHECK(c.report.warning != "");
  Oracle oracle(problem);
  CHECK_THROWS_WITH_AS(
      high_order_difference(oracle, q.x, std::vector{q.x, q.x, q.x}, PenaltyDescent{}, {.nu = 0.1, .order = 4}),
      "high-order difference: 3 starts for 4 nodes; want as many, or one", ValueError);
  CHECK_THROWS_AS(high_order_difference(oracle, q.x, std::vector{q.x}, PenaltyDescent{}, {.nu = 0}), ValueError);
  CHECK_THROWS_AS((HighOrderF2sa{.order = 0}.start(q.x, q.x)), ValueError);
  CHECK_THROWS_AS((HighOrderF2sa{.nu = {0}}.start(q.x, q.x)), ValueError);
}
