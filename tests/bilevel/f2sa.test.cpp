// F²SA and F²SA-2 as hypergradients with exact inner solutions, whose orders are known.
#include "tenzo/bilevel/f2sa.hpp"

#include <doctest/doctest.h>

#include <limits>

#include "first_order.hpp"

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
double error_of(const Vector& gradient) { return distance(gradient, {0.114049586776860, -0.766735537190083}); }

}  // namespace

TEST_CASE("f2sa: P1, the forward difference with exact inner solutions is of first order in nu") {
  const Quadratic q;
  const auto problem = quadratic_of<double>(q);
  Oracle oracle(problem);
  const auto at = [&](double lambda) {
    return forward_difference(oracle, q.x, vec({0, 0}), vec({0, 0}), exact_for(q), {.nu = 1 / lambda});
  };
  check_near(at(1).gradient, {0.054784688995, -0.652990430622}, 1e-11);
  check_near(at(10).gradient, {0.104925859793, -0.753980669203}, 1e-11);
  check_near(at(100).gradient, {0.113089682199, -0.765446624856}, 1e-11);
  check_near(at(1000).gradient, {0.113953098413, -0.766606513560}, 1e-11);
  std::vector<double> lambdas{10, 100, 1000, 1e4}, errors;
  for (const double l : lambdas) errors.push_back(error_of(at(l).gradient));
  CHECK(error_of(at(1).gradient) == doctest::Approx(0.128).epsilon(0.0005 / 0.128));
  CHECK(errors[0] == doctest::Approx(0.0157).epsilon(0.00005 / 0.0157));
  CHECK(errors[1] == doctest::Approx(0.00161).epsilon(0.000005 / 0.00161));
  CHECK(errors[2] == doctest::Approx(0.000161).epsilon(0.0000005 / 0.000161));
  CHECK(std::abs(order(lambdas, errors) + 1) < 0.01);
  const auto h = at(1000);
  CHECK_FALSE(h.central);
  CHECK(h.report.linear.residual < 1e-9);
  CHECK(h.report.warning == "");
  CHECK(h.report.counts.all() == 3);
}

TEST_CASE("f2sa-2: P1, the central difference is of second order, and its report sees the implicit equation") {
  const Quadratic q;
  const auto problem = quadratic_of<double>(q);
  Oracle oracle(problem);
  const auto at = [&](double nu) {
    return central_difference(oracle, q.x, vec({0, 0}), vec({0, 0}), exact_for(q), {.nu = nu});
  };
  std::vector<double> nus{0.1, 0.01, 0.001}, errors;
  for (const double nu : nus) errors.push_back(error_of(at(nu).gradient));
  CHECK(errors[0] == doctest::Approx(5.763e-4).epsilon(0.0005 / 5.763));
  CHECK(errors[1] == doctest::Approx(5.752e-6).epsilon(0.0005 / 5.752));
  CHECK(errors[2] == doctest::Approx(5.752e-8).epsilon(0.0005 / 5.752));
  CHECK(std::abs(order(nus, errors) - 2) < 0.001);

  const auto h = at(1e-3);
  CHECK(h.central);
  CHECK(h.report.warning == "");
  check_near(h.adjoint, {-0.064049586777, 0.869834710744}, 1e-6);  // v
  check_near(h.solution, {0.386363636364, -0.545454545455}, 1e-6);
  check_near(h.direct, {0.05, -0.025}, 1e-12);
  check_near(h.value, 3.443569214876, 1e-5);
  CHECK(h.report.counts.all() == 4);
  CHECK(h.report.counts.hessian_products == 0);
  const double smallest = (7 - std::sqrt(5.0)) / 2, largest = (7 + std::sqrt(5.0)) / 2;
  CHECK(h.report.linear.smallest_ritz >= smallest);
  CHECK(h.report.linear.smallest_ritz <= largest);
}

TEST_CASE("f2sa-2: an inner solver that stops early is warned of, one with a tolerance is not") {
  const Quadratic q;
  const auto problem = quadratic_of<double>(q);
  Oracle oracle(problem);
  const Vector zero = vec({0, 0});
  const auto early = central_difference(oracle, q.x, zero, zero, PenaltyDescent{.steps = 5, .lr = 0.2});
  CHECK(early.report.warning.find("in the implicit equation") != std::string::npos);
  CHECK_FALSE(early.report.linear.converged);
  const auto good =
      central_difference(oracle, q.x, zero, zero, PenaltyDescent{.steps = 1000, .lr = 0.2, .tolerance = 1e-10});
  CHECK(good.report.warning == "");
  CHECK(good.report.lower_gradient <= 1e-10);
  CHECK(error_of(good.gradient) == doctest::Approx(5.752e-6).epsilon(1e-3));
  CHECK(good.report.counts.all() < 4 * 200);  // the tolerance ends it
}

TEST_CASE("f2sa-2: float agrees to 1e-4") {
  const Quadratic q;
  const auto problem = quadratic_of<float>(q);
  Oracle oracle(problem);
  const auto zero = Tensor<float>::zeros({2});
  const auto h =
      central_difference(oracle, q.x.cast<float>(), zero, zero, PenaltyDescent{.steps = 200, .lr = 0.2}, {.nu = 0.03});
  check_near(h.gradient.cast<double>(), {0.114049586777, -0.766735537190}, 1e-4);
}
