// Hypergradients by the implicit function theorem against the closed forms.
#include "tenzo/bilevel/implicit.hpp"

#include <doctest/doctest.h>

#include "problems.hpp"
#include "tenzo/solve/dense.hpp"
#include "tenzo/solve/stationary.hpp"

using namespace tenzo;
using namespace tenzo::bilevel;
using namespace tenzo::bilevel::test;

TEST_CASE("P1: quadratic, every exact solver") {
  const Quadratic q;
  const auto problem = q.problem();
  Oracle oracle(problem);
  const Vector y = q.solution(q.x);
  check_near(y, {0.386363636364, -0.545454545455}, 1e-12);
  const auto exact = [&](const auto& solver) {
    const auto h = implicit_gradient(oracle, q.x, y, solver);
    check_near(h.gradient, {0.114049586777, -0.766735537190}, 1e-12);
    check_near(h.value, 3.443569214876, 1e-12);
    check_near(h.adjoint, {-0.064049586777, 0.869834710744}, 1e-12);
    CHECK(h.report.linear.converged);
    CHECK(h.report.warning == "");
    return h;
  };
  const LinearOptions tight{.iterations = 50, .rtol = 1e-14};
  const auto h = exact(Cg{tight});
  CHECK(h.report.counts.hessian_products == 2);
  CHECK(h.report.counts.cross_products == 1);
  CHECK(h.report.linear.smallest_ritz == doctest::Approx((7 - std::sqrt(5.0)) / 2).epsilon(1e-9));
  exact(NormalCg{{.iterations = 50, .rtol = 1e-13}});
  exact(Gmres{{.iterations = 50, .rtol = 1e-13}});
  exact(BiCgStab{{.iterations = 50, .rtol = 1e-13}});
  exact(DenseSolver{});
  exact(Neumann{.terms = 200, .alpha = 0.2});
  exact(Neumann{.terms = 200});
}

TEST_CASE("P1: cut short") {
  const Quadratic q;
  const auto problem = q.problem();
  Oracle oracle(problem);
  const Vector y = q.solution(q.x);
  const auto after = [&](const auto& solver, std::initializer_list<double> want) {
    check_near(implicit_gradient(oracle, q.x, y, solver).gradient, want, 1e-11);
  };
  after(Neumann{.terms = 0, .alpha = 0.2}, {-0.072727272727, -0.779545454545});
  after(Neumann{.terms = 1, .alpha = 0.2}, {0.004545454545, -0.804090909091});
  after(Neumann{.terms = 2, .alpha = 0.2}, {0.055818181818, -0.788636363636});
  after(Neumann{.terms = 5, .alpha = 0.2}, {0.105668363636, -0.769936727273});
  after(Neumann{.terms = 20, .alpha = 0.2}, {0.114049075813, -0.766735732361});
  after(IdentityInverse{.alpha = 0.2}, {-0.072727272727, -0.779545454545});
  after(Cg{{.iterations = 1}}, {-0.124796022288, -1.099671840735});
  after(Cg{{.iterations = 2}}, {0.114049586777, -0.766735537190});
  // at two steps of gradient descent instead of the minimum
  const auto early = implicit_gradient(oracle, q.x, vec({0.29, -0.39}), Cg{});
  check_near(early.gradient, {0.073636363636, -0.782272727273}, 1e-11);
  CHECK(early.report.warning.find("from the lower minimum") != std::string::npos);
}
