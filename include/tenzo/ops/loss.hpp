// Losses of two tensors of one shape.
#pragma once

#include <string_view>

#include "tenzo/ops/elementwise.hpp"
#include "tenzo/ops/reduce.hpp"
#include "tenzo/ops/softmax.hpp"

namespace tenzo {

namespace detail {

template <Value A, Value B>
void expect_same_shape(std::string_view op, const A& a, const B& b) {
  expect(a.shape() == b.shape(), op, ": the shapes ", a.shape(), " and ", b.shape(), " differ");
}

}  // namespace detail

/// (x − target)².
template <Value A, Value B>
auto mse_loss(const A& x, const B& target, Reduction reduction = Reduction::mean) {
  detail::expect_same_shape("mse_loss", x, target);
  return reduced(square(sub(x, target)), reduction);
}

/// |x − target|.
template <Value A, Value B>
auto l1_loss(const A& x, const B& target, Reduction reduction = Reduction::mean) {
  detail::expect_same_shape("l1_loss", x, target);
  return reduced(abs(sub(x, target)), reduction);
}

namespace fn {

/// d²/2 where |d| < δ, δ (|d| − δ/2) beyond; the slope is d cut to [−δ, δ].
struct Huber {
  static constexpr std::string_view name = "huber";
  static constexpr bool reads_x = true, reads_y = false;
  double delta = 1;

  template <class T>
  TENZO_FUNCTION T operator()(T d) const {
    const T a = std::abs(d), c = a < T(delta) ? a : T(delta);
    return c * (a - T(0.5) * c);
  }
  template <class T>
  TENZO_FUNCTION T slope(T d, T) const {
    return d < T(-delta) ? T(-delta) : (d > T(delta) ? T(delta) : d);
  }
  template <class V>
  V derivative(const V& d, const V&) const {
    return clamp(d, -delta, delta);
  }
};

}  // namespace fn

/// Quadratic in d = x − target up to |d| = delta, linear beyond: d²/2, δ (|d| − δ/2).
template <Value A, Value B>
auto huber_loss(const A& x, const B& target, double delta = 1, Reduction reduction = Reduction::mean) {
  detail::expect_same_shape("huber_loss", x, target);
  require(delta > 0, "huber_loss: delta is ", delta, "; want more than 0");
  return reduced(detail::unary(fn::Huber{delta}, sub(x, target)), reduction);
}

/// −t log σ(x) − (1 − t) log(1 − σ(x)) for targets t in [0, 1].
///   Stable  t softplus(−x) + (1 − t) softplus(x): nothing overflows, and no digits cancel.
template <Value A, Value B>
auto bce_with_logits(const A& x, const B& target, Reduction reduction = Reduction::mean) {
  detail::expect_same_shape("bce_with_logits", x, target);
  return reduced(add(mul(target, softplus(neg(x))), mul(1.0 - target, softplus(x))), reduction);
}

enum class KlReduction { batch_mean, mean, sum, none };

/// KL(q ‖ p) = Σ q (log q − log p) of p = softmax(x) and q = softmax(target) over the last axis; both are logits.
///   batch_mean divides the sum by the first axis's length.
template <Value A, Value B>
auto kl_div(const A& x, const B& target, KlReduction reduction = KlReduction::batch_mean) {
  detail::expect_same_shape("kl_div", x, target);
  const B log_q = log_softmax(target, -1);
  const auto terms = mul(exp(log_q), sub(log_q, log_softmax(x, -1)));
  switch (reduction) {
    case KlReduction::batch_mean: return scale(sum(terms), 1.0 / double(x.shape()[0]));
    case KlReduction::mean: return mean(terms);
    case KlReduction::sum: return sum(terms);
    default: return terms;
  }
}

}  // namespace tenzo
