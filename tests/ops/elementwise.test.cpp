// Functions of one operand in every mode; where, clamp.
#include "tenzo/ops/elementwise.hpp"

#include "values.hpp"

using namespace tenzo;
using namespace tenzo::test;

TEST_CASE("functions of one operand: values against the standard library") {
  const Doubles x = arbitrary({3, 7}, 1, 3), positive = abs(x) + 0.1;
  const auto check = [](const Doubles& y, const Doubles& from, auto&& f) {
    CHECK(distance(y, made(y.shape(), [&](const Index& i) { return f(at(from, i)); })) < 4e-15);
  };
  check(exp(x), x, [](double v) { return std::exp(v); });
  check(tanh(x), x, [](double v) { return std::tanh(v); });
  check(sigmoid(x), x, [](double v) { return 1 / (1 + std::exp(-v)); });
  check(sin(x), x, [](double v) { return std::sin(v); });
  check(cos(x), x, [](double v) { return std::cos(v); });
  check(erf(x), x, [](double v) { return std::erf(v); });
  check(silu(x), x, [](double v) { return v / (1 + std::exp(-v)); });
  check(softplus(x), x, [](double v) { return std::log1p(std::exp(v)); });
  check(gelu(x), x, [](double v) { return v * std::erfc(-v / std::sqrt(2.0)) / 2; });
  check(log(positive), positive, [](double v) { return std::log(v); });
  check(sqrt(positive), positive, [](double v) { return std::sqrt(v); });
  check(rsqrt(positive), positive, [](double v) { return 1 / std::sqrt(v); });
  check(pow(positive, 1.7), positive, [](double v) { return std::pow(v, 1.7); });
}

TEST_CASE("functions of one operand: empty tensors and undefined ones") {
  CHECK(exp(Doubles::zeros({0, 3})).shape() == Shape{0, 3});
  CHECK_THROWS_WITH_AS(exp(Doubles{}), "exp: an undefined operand", ShapeError);
}

TEST_CASE("smooth functions differentiate in every mode") {
  const auto f = [](const auto& x) {
    const auto a = mul(exp(x), add(tanh(x), sin(x))), b = mul(sigmoid(x), add(cos(x), erf(x)));
    return sub(mul(a, softplus(x)), mul(b, silu(x)));
  };
  check_modes(f, arbitrary({2, 3}, 1, 2));
  check_modes([](const auto& x) { return mul(gelu(x), gelu_tanh(square(x))); }, arbitrary({5}, 2, 2));
  const auto g = [](const auto& x) { return mul(add(log(x), sqrt(x)), mul(rsqrt(x), pow(x, 2.5))); };
  check_modes(g, abs(arbitrary({5}, 3)) + 0.2);
  check_modes([](const auto& x) { return mul(pow(x, 3), pow(x, 1)); }, arbitrary({4}, 4));
}

TEST_CASE("piecewise functions differentiate in every mode away from their kinks") {
  const auto f = [](const auto& x) {
    return add(mul(relu(x), leaky_relu(x, 0.1)), add(mul(abs(x), x), mul(clamp(x, -0.5, 0.5), square(x))));
  };
  check_modes(f, arbitrary({11}, 5));
}

TEST_CASE("piecewise functions at their kinks take the field's choice") {
  const Doubles x = Doubles::from({3}, {-1, 0, 1});
  const auto slope = [&](auto&& f) { return grad([&](const auto& v) { return sum(f(v)); }, x); };
  CHECK(same(slope([](const auto& v) { return relu(v); }), Doubles::from({3}, {0, 0, 1})));
  CHECK(same(slope([](const auto& v) { return abs(v); }), Doubles::from({3}, {-1, 0, 1})));
  CHECK(same(slope([](const auto& v) { return leaky_relu(v, 0.25); }), Doubles::from({3}, {0.25, 0.25, 1})));
  CHECK(same(slope([](const auto& v) { return clamp(v, 0, 1); }), Doubles::from({3}, {0, 1, 1})));
  CHECK(std::isnan(relu(Doubles::scalar(NAN)).item()));
}

TEST_CASE("where: broadcast masks, and derivatives of each side") {
  const auto mask = Tensor<std::uint8_t>::from({2, 1, 3}, {1, 0, 1, 0, 0, 1});
  const auto f = [&](const auto& x) { return where(mask, square(x.first), exp(x.second)); };
  const std::pair<Doubles, Doubles> x{arbitrary({4, 3}), arbitrary({2, 1, 1}, 2)};
  const Doubles y = f(x);
  CHECK(y.shape() == Shape{2, 4, 3});
  CHECK(at(y, {0, 2, 0}) == x.first(2, 0) * x.first(2, 0));
  CHECK(at(y, {1, 2, 1}) == std::exp(x.second(1)));
  check_modes(f, x);
}
