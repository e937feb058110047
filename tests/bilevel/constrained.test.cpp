// Feasible sets and hypergradients where they bind.
#include <doctest/doctest.h>

#include "problems.hpp"
#include "tenzo/autodiff/check.hpp"
#include "tenzo/bilevel/fixed_point.hpp"
#include "tenzo/bilevel/half_spaces.hpp"
#include "tenzo/bilevel/implicit.hpp"
#include "tenzo/bilevel/inner.hpp"
#include "tenzo/nn/init.hpp"
#include "tenzo/solve/dense.hpp"

using namespace tenzo;
using namespace tenzo::bilevel;
using namespace tenzo::bilevel::test;

TEST_CASE("capped simplex: known projections") {
  const auto onto = [](const Vector& a, double m) { return CappedSimplex{m}.project(a).point; };
  check_near(onto(vec({2, 0.3, -0.5, 0.9, 0.1}), 2), {1, 0.2, 0, 0.8, 0}, 1e-15);
  CHECK(CappedSimplex{2}.shift({2, 0.3, -0.5, 0.9, 0.1}) == doctest::Approx(0.1));
  check_near(onto(vec({0.2, 0.2, 0.2, 0.2}), 1), {0.25, 0.25, 0.25, 0.25}, 1e-15);
  check_near(onto(vec({5, 4, 3, -9}), 2), {1, 1, 0, 0}, 1e-15);
  check_near(onto(vec({0.3, 0.1}), 2), {1, 1}, 1e-15);
  check_near(onto(vec({0.3, 0.1}), 0), {0, 0}, 1e-15);
  check_near(simplex(1).project(vec({0.5, 2, -3})).point, {0, 1, 0}, 1e-15);
  check_near(simplex(3).project(vec({1, 1, 1})).point, {1, 1, 1}, 1e-15);
  CHECK_THROWS_AS(onto(vec({1, 1}), 3), ValueError);
  CHECK_THROWS_AS(onto(vec({1, 1}), -1), ValueError);
  CHECK(CappedSimplex{0}.project(Vector::zeros({0})).point.size() == 0);
  const Vector bad = onto(vec({1, std::nan(""), 0}), 1);
  CHECK(std::isnan(bad(1)));
}

TEST_CASE("capped simplex: nearest among random points of the set") {
  for (std::uint32_t trial = 0; trial < 50; ++trial) {
    const Vector a = random_normal<double>({7}, initial_key(5, trial), 1.5);
    const CappedSimplex set{0.5 + trial % 6};
    const Vector p = set.project(a).point;
    CHECK(sum(p).item() == doctest::Approx(set.total).epsilon(1e-12));
    for (std::uint32_t other = 0; other < 20; ++other) {
      const Vector q = set.project(random_normal<double>({7}, initial_key(6, 100 * trial + other), 2)).point;
      CHECK(inner(sub(a, p), sub(q, p)) <= 1e-12);  // what characterises a projection onto a convex set
    }
  }
}

TEST_CASE("projections: derivatives in every mode") {
  const Vector a = vec({0.9, 0.5, -0.6, 0.1, 0.45});
  const auto smooth = [](const auto& set) {
    return [set](const auto& x) { return mul(project(set, tanh(x)), exp(x)); };
  };
  CHECK(check_gradients(smooth(Box{-0.3, 0.6}), a).passed());
  CHECK(check_gradients(smooth(CappedSimplex{1.2}), a).passed());
  CHECK(check_gradients(smooth(simplex(0.8)), a).passed());
  CHECK(check_gradients(smooth(Ball{0.7}), a).passed());
  CHECK(check_gradients(smooth(Ball{7}), a).passed());
  HalfSpaces wedge{Eigen::MatrixXd(2, 5), Eigen::VectorXd(2)};
  wedge.a << 1, 2, 0, 0, 1, 0, 1, -1, 1, 0;
  wedge.b << 0.4, 0.2;
  CHECK(check_gradients(smooth(wedge), a).passed());
}

TEST_CASE("P10: box") {
  const Vector c = vec({1, 0, 0, 1}), x = vec({-0.5, 0.3, 1.4, 0.8});
  const Problem p{[&](const auto&, const auto& y) { return scale(sum(square(sub(y, c))), 0.5); },
                  [](const auto& at, const auto& y) { return scale(sum(square(sub(y, at))), 0.5); }, Everywhere{},
                  Box{0, 1}};
  Oracle oracle(p);
  const auto y = solve_lower(oracle, x, vec({0.5, 0.5, 0.5, 0.5}), GradientStep{.lr = 1});
  CHECK(y.converged);
  check_near(y.y, {0, 0.3, 1, 0.8}, 1e-15);
  check_near(implicit_gradient(oracle, x, y.y).gradient, {0, 0.3, 0, -0.2}, 1e-12);
  check_near(fixed_point_gradient(oracle, x, y.y, GradientStep{.lr = 0.5}).gradient, {0, 0.3, 0, -0.2}, 1e-12);
  check_near(unrolled_gradient(oracle, x, y.y, GradientStep{.lr = 0.5}, {.steps = 80}).gradient, {0, 0.3, 0, -0.2},
             1e-12);
}

TEST_CASE("P10b: capped simplex, and its kink") {
  const Vector c = vec({1, 0, 0, 0});
  const Problem p{[&](const auto&, const auto& y) { return scale(sum(square(sub(y, c))), 0.5); },
                  [](const auto& at, const auto& y) { return scale(sum(square(sub(y, at))), 0.5); }, Everywhere{},
                  CappedSimplex{1}};
  Oracle oracle(p);
  const Vector x = vec({0.9, 0.5, -0.6, 0.1});
  const auto y = solve_lower(oracle, x, vec({0.25, 0.25, 0.25, 0.25}), GradientStep{.lr = 1}).y;
  check_near(y, {0.7, 0.3, 0, 0}, 1e-15);
  const auto h = implicit_gradient(oracle, x, y);
  check_near(h.gradient, {-0.3, 0.3, 0, 0}, 1e-12);
  CHECK(h.report.warning == "");
  check_near(unrolled_gradient(oracle, x, y, GradientStep{.lr = 0.7}, {.steps = 60}).gradient, {-0.3, 0.3, 0, 0},
             1e-12);
  const auto kink = implicit_gradient(oracle, vec({0.9, 0.5, -0.6, 0.2}), y);
  CHECK(kink.report.warning.find("no derivative") != std::string::npos);
}

TEST_CASE("half-spaces: the active-set formula, differences, a ball by its fixed point") {
  const Quadratic q;
  HalfSpaces wedge{Eigen::MatrixXd(2, 2), Eigen::VectorXd(2)};
  wedge.a << 1, 1, -1, 2;
  wedge.b << -0.3, 4;
  const auto with = [&](const auto& set) { return Problem{q.problem().upper, q.problem().lower, Everywhere{}, set}; };
  const auto check = [&](const auto& problem, const auto& gradient_at) {
    Oracle oracle(problem);
    const GradientStep step{.lr = 0.2};
    const auto solve = [&](const Vector& x) {
      const auto s = solve_lower(oracle, x, vec({0, -1}), step, {.tolerance = 1e-13, .steps = 3000});
      CHECK(s.converged);
      return s.y;
    };
    const auto h = gradient_at(oracle, solve(q.x), step);
    for (std::int64_t i = 0; i < 2; ++i) {
      Vector up = q.x.clone(), down = q.x.clone();
      up(i) += 1e-5, down(i) -= 1e-5;
      const double slope = (oracle.upper(up, solve(up)) - oracle.upper(down, solve(down))) / 2e-5;
      CHECK(h(i) == doctest::Approx(slope).epsilon(1e-7));
    }
    return h;
  };
  check(with(wedge), [&](auto& oracle, const Vector& y, const GradientStep&) {
    CHECK(y(0) + y(1) == doctest::Approx(-0.3));
    return implicit_gradient(oracle, q.x, y, Cg{{.rtol = 1e-13}}).gradient;
  });
  check(with(Ball{0.4}), [&](auto& oracle, const Vector& y, const GradientStep& step) {
    CHECK(norm(y) == doctest::Approx(0.4));
    return fixed_point_gradient(oracle, q.x, y, step, Gmres{{.rtol = 1e-13}}).gradient;
  });
  HalfSpaces empty{Eigen::MatrixXd(2, 2), Eigen::VectorXd(2)};
  empty.a << 1, 0, -1, 0;
  empty.b << -1, -1;
  CHECK_THROWS_AS(empty.project(vec({0, 0})), ValueError);
}

TEST_CASE("P11: a lower minimum that is not one point is reported") {
  const Problem p{[](const auto&, const auto& y) {
                    return scale(sum(square(sub(y, vec({1, 2})))), 0.5);
                  },
                  [](const auto& x, const auto& y) { return scale(sum(square(sub(slice(y, 0, 0, 1), x))), 0.5); }};
  Oracle oracle(p);
  const Vector x = vec({0.4}), y = vec({0.4, 0.5});
  const auto h = implicit_gradient(oracle, x, y, Cg{});
  CHECK(h.report.warning != "");
  CHECK_FALSE(h.report.linear.converged);
  const auto normal = implicit_gradient(oracle, x, y, NormalCg{});
  check_near(normal.adjoint, {1 - 0.4, 0}, 1e-12);
  CHECK(normal.report.linear.residual > 0.5);
  CHECK(normal.report.warning.find("residual") != std::string::npos);
  check_near(implicit_gradient(oracle, x, vec({0.4, 2}), Cg{}).gradient, {-0.6}, 1e-12);
}

TEST_CASE("indefinite and NaN") {
  const Problem p{[](const auto&, const auto& y) { return sum(y); },
                  [](const auto& x, const auto& y) {
                    return sum(mul(mul(vec({1, -1}), square(y)), x));
                  }};
  Oracle oracle(p);
  const auto h = implicit_gradient(oracle, vec({1, 1}), vec({0, 0}), Cg{});
  CHECK(h.report.linear.negative_curvature);
  CHECK(h.report.warning.find("not convex") != std::string::npos);
  const auto bad = implicit_gradient(oracle, vec({1, std::nan("")}), vec({0.1, 0.1}), Cg{});
  CHECK(std::isnan(norm(bad.gradient)));
}
