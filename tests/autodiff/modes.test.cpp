// What differentiation promises beside right derivatives: levels, tapes, undefined values, reports.
#include <doctest/doctest.h>

#include <string_view>

#include "tenzo/autodiff/check.hpp"
#include "tenzo/ops/elementwise.hpp"

using namespace tenzo;

namespace {

using T = Tensor<double>;

/// x³ with a slope that is wrong by 1 %.
struct WrongCube {
  static constexpr std::size_t inputs = 1, outputs = 1;
  static constexpr std::string_view name = "wrong_cube";
  double error = 0.01;  // of the reverse rule
  double forward_error = 0;

  template <class S>
  Values<Tensor<S>, 1> eval(const Values<Tensor<S>, 1>& x) const {
    return {mul(x[0], mul(x[0], x[0]))};
  }
  template <class V>
  Values<V, 1> jvp(const Values<V, 1>& x, const Values<V, 1>& dx, const Values<V, 1>&) const {
    return {scale(mul(square(x[0]), dx[0]), 3 * (1 + forward_error))};
  }
  template <class V>
  Values<V, 1> vjp(const Values<V, 1>& x, const Values<V, 1>&, const Values<V, 1>& gy, const Values<bool, 1>&) const {
    return {scale(mul(square(x[0]), gy[0]), 3 * (1 + error))};
  }
};

/// x² whose rule treats x as a constant where it is differentiated again.
struct FlatSquare {
  static constexpr std::size_t inputs = 1, outputs = 1;
  static constexpr std::string_view name = "flat_square";
  template <class S>
  Values<Tensor<S>, 1> eval(const Values<Tensor<S>, 1>& x) const {
    return {square(x[0])};
  }
  template <class V>
  Values<V, 1> jvp(const Values<V, 1>& x, const Values<V, 1>& dx, const Values<V, 1>&) const {
    return {scale(mul(plain(x[0]), dx[0]), 2)};
  }
  template <class V>
  Values<V, 1> vjp(const Values<V, 1>& x, const Values<V, 1>&, const Values<V, 1>& gy, const Values<bool, 1>&) const {
    return {scale(mul(plain(x[0]), gy[0]), 2)};
  }
};

template <class P>
auto applied(const P& p) {
  return [p](const auto& x) {
    using V = std::remove_cvref_t<decltype(x)>;
    return dispatch(p, Values<V, 1>{x})[0];
  };
}

const T point = T::from({2, 3}, {0.3, -0.7, 1.1, 0.9, -1.3, 0.4});

}  // namespace

TEST_CASE("check_gradients: passes right rules, and finds a wrong one in the mode where it is wrong") {
  const GradientReport right = check_gradients(applied(WrongCube{0, 0}), point);
  CHECK(right.passed());
  CHECK(right.error < 1e-7);

  const GradientReport reverse = check_gradients(applied(WrongCube{0.01, 0}), point);
  CHECK_FALSE(reverse.passed());
  CHECK(reverse.error > 1e-3);
  CHECK(reverse.error < 0.1);

  const GradientReport forward = check_gradients(applied(WrongCube{0, 0.01}), point);
  CHECK_FALSE(forward.passed());

  GradientCheckOptions first;
  first.second_order = false;
  CHECK(check_gradients(applied(FlatSquare{}), point, first).passed());
  const GradientReport nested = check_gradients(applied(FlatSquare{}), point);
  CHECK_FALSE(nested.passed());
  CHECK(nested.where.find(" of ") != std::string::npos);
}

TEST_CASE("check_gradients: names the element, and takes trees") {
  const auto f = [](const auto& x) { return sub(mul(x.first, x.second), square(x.second)); };
  const std::pair<T, T> x{point, T::from({3}, {0.2, 0.5, -0.8})};
  CHECK(check_gradients(f, x).passed());
  const auto nan = [](const auto& t) { return sqrt(scale(square(t), -1)); };
  const GradientReport report = check_gradients(nan, point);
  CHECK_FALSE(report.passed());
}

TEST_CASE("autodiff: operands of two tapes are an error") {
  Tape<T> a, b;
  const Var<T> x = a.leaf(point), y = b.leaf(point);
  CHECK_THROWS_WITH_AS(add(x, y), "add: operands of two different tapes", Error);
  CHECK_NOTHROW(add(x, Var<T>{point}));
}

TEST_CASE("autodiff: a constant function has a zero gradient and tangent of the right shape") {
  const auto f = [](const auto& x) {
    using V = std::remove_cvref_t<decltype(x)>;
    return lift<V>(T::scalar(3));
  };
  const T g = grad(f, point);
  CHECK(g.shape() == point.shape());
  CHECK(norm(g) == 0);
  CHECK(jvp(f, point, point).second.item() == 0);
  CHECK(norm(hvp(f, point, point)) == 0);
}

TEST_CASE("autodiff: an undefined leaf stays out of the gradient") {
  const auto f = [](const auto& x) { return sum(square(x[0])); };
  const std::vector<T> x{point, T{}};
  const auto g = grad(f, x);
  CHECK(g[0].defined());
  CHECK_FALSE(g[1].defined());
}

TEST_CASE("autodiff: Gauss-Newton is the Hessian where the model is linear") {
  const auto model = [](const auto& x) { return scale(x, 3); };
  const auto loss = [](const auto& z) { return sum(exp(z)); };
  const auto whole = [&](const auto& x) { return loss(model(x)); };
  const T d = T::from({2, 3}, {1, -1, 2, 0.5, 0.1, -0.3});
  const T gn = gauss_newton_product(model, loss, point, d), h = hvp(whole, point, d);
  CHECK(norm(sub(gn, h)) < 1e-12 * norm(h));
}

TEST_CASE("autodiff: gradients have elements of their own, whatever the rules hand through") {
  const auto f = [](const auto& x) { return add(x.first, x.second); };
  const std::pair<T, T> x{point, point.clone()};
  const T ct = point.clone();
  auto g = vjp(f, x, ct).grad;  // both are the cotangent itself
  scale_(g, 2);
  CHECK(g.first(1) == 2 * point(1));
  CHECK(g.second(1) == 2 * point(1));
  CHECK(ct(1) == point(1));
  const auto loss = [&](const auto& v) { return sum(square(f(v))); };
  auto h = hvp(loss, x, x);
  scale_(h, 2);
  CHECK(h.first(2) == doctest::Approx(8 * point(2)));
  CHECK(h.second(2) == doctest::Approx(8 * point(2)));
}
