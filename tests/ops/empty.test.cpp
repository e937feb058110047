// Operations on tensors without elements, and at the edges of what their numbers can be: they answer or refuse, in
// value and gradient.
#include <cmath>
#include <cstdint>
#include <limits>

#include "tenzo/autodiff/grad.hpp"
#include "tenzo/tenzo.hpp"
#include "values.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

/// Value of f at x, and its gradient where the sum of the value is differentiated: that one has the shape of x.
template <class F>
Doubles answer(F&& f, const Doubles& x) {
  const Doubles y = f(x);
  const Doubles g = grad([&](const auto& v) { return sum(f(v)); }, x);
  CHECK((!g.defined() || g.shape() == x.shape()));
  return y;
}

}  // namespace

TEST_CASE("empty: reductions over and beside an axis without elements") {
  for (const Shape& s : {Shape{0, 3}, Shape{3, 0}, Shape{0, 0}, Shape{2, 0, 3}}) {
    const Doubles x = Doubles::zeros(s);
    for (int axis = 0; axis < s.rank(); ++axis) {
      CAPTURE(s);
      CAPTURE(axis);
      const Shape rest = s.without(axis);
      const auto all = [&](const Doubles& y, double value) {
        CHECK(y.shape() == rest);
        for (const double v : y.values()) CHECK(v == value);
      };
      all(answer([&](const auto& v) { return sum(v, {axis}); }, x), 0);
      all(answer([&](const auto& v) { return logsumexp(v, axis); }, x), -INFINITY);
      CHECK(answer([&](const auto& v) { return softmax(v, axis); }, x).shape() == s);
      CHECK(answer([&](const auto& v) { return log_softmax(v, axis); }, x).shape() == s);
      CHECK(answer([&](const auto& v) { return cumsum(v, axis); }, x).shape() == s);
      if (s[axis] == 0) CHECK_THROWS_AS(max(x, axis), ShapeError);
      else CHECK(answer([&](const auto& v) { return max(v, axis); }, x).shape() == rest);
    }
    CHECK(sum(x).item() == 0);
    CHECK(std::isnan(mean(x).item()));
  }
}

TEST_CASE("empty: shapes, products and rows without elements") {
  const Doubles none = Doubles::zeros({0, 4}), some = arbitrary({3, 4});
  CHECK(answer([](const auto& v) { return transpose(v); }, none).shape() == Shape{4, 0});
  CHECK(answer([](const auto& v) { return slice(v, 0, 0, 9); }, none).shape() == Shape{0, 4});
  CHECK(answer([](const auto& v) { return slice(v, 1, 3, 1); }, some).shape() == Shape{3, 0});
  CHECK(answer([](const auto& v) { return reshape(v, {2, 0, 5}); }, none).shape() == Shape{2, 0, 5});
  CHECK(answer([](const auto& v) { return matmul(v, transpose(v)); }, none).shape() == Shape{0, 0});
  const Doubles zero = answer([](const auto& v) { return matmul(transpose(v), v); }, none);
  CHECK(distance(zero, Doubles::zeros({4, 4})) == 0);
  CHECK(answer([](const auto& v) { return concat(v, v, 0); }, none).shape() == Shape{0, 4});
  CHECK(answer([](const auto& v) { return exp(mul(v, v)); }, none).shape() == Shape{0, 4});
  CHECK(answer([](const auto& v) { return add(v, Doubles::zeros({1, 4})); }, none).shape() == Shape{0, 4});
  CHECK(answer([](const auto& v) { return embedding(v, Indices(Shape{0})); }, some).shape() == Shape{0, 4});
  CHECK(answer([](const auto& v) { return rms_norm(v, Doubles::zeros({4})); }, none).shape() == Shape{0, 4});
  CHECK(answer([](const auto& v) { return layer_norm(v, Doubles::zeros({4}), Doubles::zeros({4})); }, none).shape() ==
        Shape{0, 4});
  CHECK(answer([](const auto& v) { return cross_entropy(v, Indices(Shape{0}), {.reduction = Reduction::sum}); }, none)
            .item() == 0);
}

TEST_CASE("empty: attention without sequences, queries or keys answers; heads of no size are refused") {
  const auto to = [](const Shape& q, const Shape& kv) {
    const Doubles k = Doubles::zeros(kv);
    return answer([&](const auto& v) { return batched_attention(v, k, k); }, Doubles::zeros(q));
  };
  CHECK(to({0, 2, 3, 4}, {0, 2, 3, 4}).shape() == Shape{0, 2, 3, 4});
  CHECK(to({1, 2, 0, 4}, {1, 2, 3, 4}).shape() == Shape{1, 2, 0, 4});
  CHECK_THROWS_AS(to({1, 2, 3, 0}, {1, 2, 3, 0}), ShapeError);
  const auto layout = std::make_shared<const AttentionLayout>();
  CHECK_THROWS_AS(attention(Doubles::zeros({2, 0}), Doubles::zeros({2, 0}), Doubles::zeros({2, 0}), layout),
                  ShapeError);
}

TEST_CASE("edges: a slice of huge steps and positions") {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max(),
                         least = std::numeric_limits<std::int64_t>::min();
  const Doubles x = arbitrary({2, 3});
  const Doubles first = answer([](const auto& v) { return slice(v, 1, 0, most, most); }, x);
  CHECK(first.shape() == Shape{2, 1});
  CHECK(first(1) == x(3));
  CHECK(slice(x, 1, least, most).shape() == x.shape());
  CHECK(slice(x, 1, most, least, most).shape() == Shape{2, 0});
}

TEST_CASE("edges: powers at zero have the derivatives of their polynomials, nested too") {
  const Doubles zero = Doubles::zeros({1}), one = Doubles::full({1}, 1);
  const auto power = [](double e) { return [e](const auto& v) { return sum(pow(v, e)); }; };
  const auto slope = [&](double e) {
    const Doubles g = grad(power(e), zero);
    return g.defined() ? g(0) : 0;
  };
  const auto curvature = [&](double e) {
    const Doubles h = hvp(power(e), zero, one);
    return h.defined() ? h(0) : 0;
  };
  CHECK(slope(0) == 0);
  CHECK(slope(1) == 1);
  CHECK(slope(2) == 0);
  CHECK(curvature(0) == 0);
  CHECK(curvature(1) == 0);
  CHECK(curvature(2) == 2);
  CHECK(curvature(3) == 0);
  // Reverse over reverse over reverse.
  const auto third = [&](double e) {
    const auto twice = [&](const auto& v) {
      return sum(grad([&](const auto& w) { return sum(grad(power(e), w)); }, v));
    };
    const Doubles g = grad(twice, zero);
    return g.defined() ? g(0) : 0;
  };
  CHECK(third(2) == 0);
  CHECK(third(3) == 6);
}
