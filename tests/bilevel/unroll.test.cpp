// Hypergradients through the steps of the lower solver.
#include "tenzo/bilevel/unroll.hpp"

#include <doctest/doctest.h>

#include "problems.hpp"

using namespace tenzo;
using namespace tenzo::bilevel;
using namespace tenzo::bilevel::test;

TEST_CASE("P1: gradient descent") {
  const Quadratic q;
  const auto problem = q.problem();
  Oracle oracle(problem);
  const Vector y0 = Vector::zeros({2});
  const GradientStep step{.lr = 0.2};
  const auto after = [&](std::int64_t steps, std::initializer_list<double> want, std::int64_t back = -1) {
    const auto h = unrolled_gradient(oracle, q.x, y0, step, {.steps = steps, .back = back});
    check_near(h.gradient, want, 1e-11);
    return h;
  };
  after(1, {-0.11, -0.795});
  after(2, {-0.0248, -0.8154});
  check_near(after(5, {0.092476672, -0.7749737088}).solution, {0.37256, -0.52312});
  after(20, {0.114048257632, -0.766736044878});
  after(2, {-0.092, -0.787}, 1);
  after(50, {-0.072727272727, -0.779545454545}, 1);
  after(0, {0.05, -0.025});
}

TEST_CASE("P1: signs leave the explicit part") {
  const Quadratic q;
  const auto problem = q.problem();
  Oracle oracle(problem);
  const auto h = unrolled_gradient(oracle, q.x, Vector::zeros({2}), SignStep{.lr = 0.1}, {.steps = 5});
  check_near(h.solution, {0.3, -0.5}, 1e-14);
  CHECK(h.gradient(0) == h.direct(0));
  CHECK(h.gradient(1) == h.direct(1));
  check_near(h.gradient, {0.05, -0.025}, 1e-15);
}

namespace {

/// Forward, reverse with all states and with recomputation, and differences agree.
template <class Step>
void check_modes(const Step& step, std::int64_t steps) {
  const Quadratic q;
  // not quadratic, so that third derivatives matter
  const Problem problem{[&](const auto& x, const auto& y) { return sum(square(sub(y, tanh(x)))); },
                        [&](const auto& x, const auto& y) {
                          return add(scale(scalar_product(y, product(q.a, y)), 0.5),
                                     sum(mul(exp(scale(y, 0.3)), sin(x))));
                        }};
  Oracle oracle(problem);
  const Vector y0 = vec({0.3, -0.2});
  const auto all = unrolled_gradient(oracle, q.x, y0, step, {.steps = steps, .recompute = false});
  const auto again = unrolled_gradient(oracle, q.x, y0, step, {.steps = steps, .recompute = true});
  const auto forward = forward_unrolled_gradient(oracle, q.x, y0, step, steps);
  for (std::int64_t i = 0; i < 2; ++i) {
    CHECK(all.gradient(i) == again.gradient(i));
    CHECK(all.gradient(i) == doctest::Approx(forward.gradient(i)).epsilon(1e-12));
    Vector up = q.x.clone(), down = q.x.clone();
    const double h = 1e-6;
    up(i) += h, down(i) -= h;
    const auto f = [&](const Vector& x) { return oracle.upper(x, run_steps(oracle, x, y0, step, steps)); };
    CHECK(all.gradient(i) == doctest::Approx((f(up) - f(down)) / (2 * h)).epsilon(1e-7));
    Vector y_up = y0.clone(), y_down = y0.clone();
    y_up(i) += h, y_down(i) -= h;
    const auto from = [&](const Vector& y) { return oracle.upper(q.x, run_steps(oracle, q.x, y, step, steps)); };
    CHECK(all.adjoint(i) == doctest::Approx((from(y_up) - from(y_down)) / (2 * h)).epsilon(1e-6));
  }
}

}  // namespace

TEST_CASE("forward, reverse, recomputed: gradient steps") { check_modes(GradientStep{.lr = 0.1}, 17); }
TEST_CASE("forward, reverse, recomputed: momentum") { check_modes(MomentumStep{.lr = 0.05, .momentum = 0.8}, 10); }
TEST_CASE("forward, reverse, recomputed: Nesterov") {
  check_modes(MomentumStep{.lr = 0.05, .momentum = 0.8, .nesterov = true}, 10);
}
TEST_CASE("forward, reverse, recomputed: Adam") { check_modes(AdamStep{.lr = 0.05}, 7); }
TEST_CASE("forward, reverse, recomputed: RMSProp") { check_modes(RmsPropStep{.lr = 0.02}, 7); }
