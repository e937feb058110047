// The gap function on lower levels with a coupled constraint, against closed forms.
#include "tenzo/bilevel/gap.hpp"

#include <doctest/doctest.h>

#include "first_order.hpp"

using namespace tenzo;
using namespace tenzo::bilevel;
using namespace tenzo::bilevel::test;

namespace {

/// g = ½ ‖y − (1, 1)‖² over y₁ + y₂ ≤ x: y* = (x/2, x/2) with the multiplier 1 − x/2 up to x = 2, (1, 1) from there on.
/// f = ½ ‖y − (.5, .1)‖²: F is least at x = .6, y = (.3, .3), z = .7.
template <class T = double>
auto budget() {
  const auto t = vec({1, 1}).cast<T>(), a = vec({0.5, 0.1}).cast<T>();
  return Problem{[a](const auto&, const auto& y) { return scale(sum(square(sub(y, a))), 0.5); },
                 [t](const auto&, const auto& y) { return scale(sum(square(sub(y, t))), 0.5); }};
}
const auto over = [](const auto& x, const auto& y) { return sub(reshape(sum(y), Shape{1}), x); };

template <class P, class X>
auto run(const GapPenalty& o, const P& problem, int steps, const X& x, const X& y) {
  Oracle oracle(problem);
  auto s = o.start(x, y, 1);
  for (int t = 0; t < steps; ++t) o.step(oracle, over, s);
  return s;
}
GapPenalty with(double c) { return {.lr_x = 0.1, .lr_y = 0.1, .lr_z = 0.1, .c = {c, 0}}; }

}  // namespace

TEST_CASE("gap: the constraint is met with its multiplier, and y is off along it by 0.2 / (1 + c / 2)") {
  std::vector<double> cs{3, 10, 30}, errors;
  for (const double c : cs) {
    const auto s = run(with(c), budget(), int(800 * c), vec({1.5}), vec({0, 0}));
    // G's curvature along the constraint is γ₁/(1 + γ₁) = ½, f's is 1.
    const double off = 0.2 / (1 + c / 2);
    check_near(s.x, {0.6}, 1e-6);
    check_near(s.y, {0.3 + off, 0.3 - off}, 1e-6);
    check_near(s.z, {0.7}, 1e-6);
    check_near(s.gap, off * off / 2, 1e-6);
    errors.push_back(distance(s.y, {0.3, 0.3}));
  }
  CHECK(order(cs, errors) < -0.8);
}

TEST_CASE("gap: a constraint without force keeps a multiplier of zero, and x where it is") {
  const auto s = run(with(10), budget(), 1000, vec({4}), vec({0, 0}));
  check_near(s.z, {0}, 0);
  check_near(s.x, {4}, 0);
  check_near(s.y, {1 - 0.5 / 6, 1 - 0.9 / 6}, 1e-9);  // f/10 against G's curvature of ½
}

TEST_CASE("gap: a box below beside the constraint, and counts") {
  const auto free = budget();
  const Problem boxed{free.upper, free.lower, Box{0, 1}, Box{0, 0.25}};
  const auto s = run(with(10), boxed, 300, vec({1.5}), vec({0, 0}));
  for (int i = 0; i < 2; ++i) {
    CHECK((s.y(i) >= 0 && s.y(i) <= 0.25));
    CHECK((s.theta(i) >= 0 && s.theta(i) <= 0.25));
  }
  CHECK((s.x(0) >= 0 && s.x(0) <= 1));
  CHECK(s.counts.lower_gradients == 300 * 7);
  CHECK(s.counts.upper_gradients == 300);
  CHECK(s.counts.all() == 300 * 8);
}

TEST_CASE("gap: float, and steps that go on from a copy with the same bits") {
  const auto d = run(with(10), budget(), 500, vec({1.5}), vec({0, 0}));
  const auto f = run(with(10), budget<float>(), 500, vec({1.5}).cast<float>(), vec({0, 0}).cast<float>());
  check_near(f.x.cast<double>(), {d.x(0)}, 1e-4);
  check_near(f.z.cast<double>(), {d.z(0)}, 1e-4);

  const GapPenalty o = with(10);
  const auto problem = budget();
  Oracle oracle(problem);
  auto s = o.start(vec({1.5}), vec({1, 1}), 1), kept = s;
  for (int t = 0; t < 9; ++t) {
    if (t == 4) kept = s;
    o.step(oracle, over, s);
  }
  for (int t = 4; t < 9; ++t) o.step(oracle, over, kept);
  CHECK(same_bits(kept.x, s.x));
  CHECK(same_bits(kept.y, s.y));
  CHECK(same_bits(kept.z, s.z));
  CHECK(kept.counts.all() == s.counts.all());
  CHECK(!same_bits(s.x, vec({1.5})));
}

TEST_CASE("gap: NaN is never masked; wrong counts and bad options are a sentence") {
  const auto s = run(with(10), budget(), 1, vec({not_a_number}), vec({0, 0}));
  CHECK(s.x(0) != s.x(0));
  CHECK(s.z(0) != s.z(0));
  CHECK(s.gap != s.gap);
  const GapPenalty o;
  const auto problem = budget();
  Oracle oracle(problem);
  auto two = o.start(vec({1.5}), vec({0, 0}), 2);
  CHECK_THROWS_WITH_AS(o.step(oracle, over, two), "gap penalty: (1) constraints, (2) multipliers", ShapeError);
  CHECK_THROWS_AS(GapPenalty{.gamma_primal = 0}.start(vec({1}), vec({1}), 1), ValueError);
}
