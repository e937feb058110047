// Min-max problems and first-order methods for them.
//   Source  Korpelevich 1976 (extra-gradient); Popov 1980, Daskalakis et al. 2018 (optimistic); Lin, Jin, Jordan 2020
//           (two time scales); Zhang et al. 2020 (smoothed); Madry et al. 2018 (inner PGD).
#pragma once

#include <cstdint>
#include <limits>
#include <utility>

#include "tenzo/bilevel/first_order.hpp"

namespace tenzo::bilevel {

/// min over x ∈ X of max over y ∈ C of φ(x, y), as the bi-level problem that it is: f = φ, g = −φ.
template <class Phi, class XSet = Everywhere, class YSet = Everywhere>
auto min_max(Phi phi, XSet x_set = {}, YSet y_set = {}) {
  const auto lower = [phi](const auto& x, const auto& y) { return neg(phi(x, y)); };
  return Problem<Phi, decltype(lower), XSet, YSet>{phi, lower, x_set, y_set};
}

/// What the methods remember.
template <Tree X, Tree Y>
struct SaddleState {
  X x;
  Y y;
  X before_x = {};  // optimistic: the gradients of the step before; smoothed: the centre
  Y before_y = {};
  std::int64_t step = 0;
  double value = std::numeric_limits<double>::quiet_NaN();  // φ where the last step asked first
  OracleCounts counts = {};
};

namespace detail {

/// x ← Π(x − lr_x d.x), y ← Π(y + lr_y d.y).
template <class P, Tree X, Tree Y>
void descend_ascend_(const P& problem, double lr_x, double lr_y, const UpperGradients<X, Y>& d, X& x, Y& y) {
  projected_step_(problem.upper_set, lr_x, d.x, x);
  projected_step_(problem.lower_set, -lr_y, d.y, y);
}

inline void check_rates(const char* who, double lr_x, double lr_y) {
  require(lr_x > 0 && lr_y > 0, who, ": steps of ", lr_x, " and ", lr_y);
}

}  // namespace detail

/// Gradient descent ascent: both at once from the old point, or y after the new x. Two time scales are lr_x ≪ lr_y.
/// On x y it moves away from the saddle by √(1 + η²) a step at once, and circles it when it alternates.
struct Gda {
  double lr_x = 0.1, lr_y = 0.1;
  bool alternate = false;

  template <Tree X, Tree Y>
  SaddleState<X, Y> start(const X& x, const Y& y) const {
    detail::check_rates("gda", lr_x, lr_y);
    return {x, y};
  }
  template <class P, Tree X, Tree Y>
  void step(Oracle<P>& oracle, SaddleState<X, Y>& s) const {
    const detail::Counting counting(oracle, s.counts);
    auto d = oracle.upper_gradients(s.x, s.y);
    s.value = d.value;
    if (alternate) {
      detail::projected_step_(oracle.problem().upper_set, lr_x, d.x, s.x);
      detail::projected_step_(oracle.problem().lower_set, lr_y, oracle.lower_gradient(s.x, s.y), s.y);
    } else {
      detail::descend_ascend_(oracle.problem(), lr_x, lr_y, d, s.x, s.y);
    }
    ++s.step;
  }
};

/// K projected ascent steps of y, then one descent step of x at the y that they found: adversarial training's loop.
struct InnerAscent {
  std::int64_t inner_steps = 10;
  double lr_x = 0.1, lr_y = 0.1;

  template <Tree X, Tree Y>
  SaddleState<X, Y> start(const X& x, const Y& y) const {
    detail::check_rates("inner ascent", lr_x, lr_y);
    require(inner_steps > 0, "inner ascent: ", inner_steps, " inner steps");
    return {x, y};
  }
  template <class P, Tree X, Tree Y>
  void step(Oracle<P>& oracle, SaddleState<X, Y>& s) const {
    const detail::Counting counting(oracle, s.counts);
    detail::descend_lower_(oracle, s.x, inner_steps, lr_y, s.y);
    const auto d = oracle.upper_gradients(s.x, s.y);
    s.value = d.value;
    detail::projected_step_(oracle.problem().upper_set, lr_x, d.x, s.x);
    ++s.step;
  }
};

/// Extra-gradient: a trial step, and the step with the gradients found there. On xᵀ R y with ησ < 1 it contracts by
/// √(1 − η²σ² + η⁴σ⁴) along a singular value σ. Two gradients a step.
struct ExtraGradient {
  double lr_x = 0.1, lr_y = 0.1;

  template <Tree X, Tree Y>
  SaddleState<X, Y> start(const X& x, const Y& y) const {
    detail::check_rates("extra-gradient", lr_x, lr_y);
    return {x, y};
  }
  template <class P, Tree X, Tree Y>
  void step(Oracle<P>& oracle, SaddleState<X, Y>& s) const {
    const detail::Counting counting(oracle, s.counts);
    const auto here = oracle.upper_gradients(s.x, s.y);
    s.value = here.value;
    X half_x = s.x;
    Y half_y = s.y;
    detail::descend_ascend_(oracle.problem(), lr_x, lr_y, here, half_x, half_y);
    const auto there = oracle.upper_gradients(half_x, half_y);
    detail::descend_ascend_(oracle.problem(), lr_x, lr_y, there, s.x, s.y);
    ++s.step;
  }
};

/// Optimistic gradient descent ascent: steps along 2 G_k − G_{k−1}, one gradient a step; the first is plain.
struct OptimisticGda {
  double lr_x = 0.1, lr_y = 0.1;

  template <Tree X, Tree Y>
  SaddleState<X, Y> start(const X& x, const Y& y) const {
    detail::check_rates("optimistic gda", lr_x, lr_y);
    return {x, y};
  }
  template <class P, Tree X, Tree Y>
  void step(Oracle<P>& oracle, SaddleState<X, Y>& s) const {
    const detail::Counting counting(oracle, s.counts);
    auto d = oracle.upper_gradients(s.x, s.y);
    s.value = d.value;
    X now_x = clone(d.x);
    Y now_y = clone(d.y);
    if (s.step > 0) {
      axpy_(1, now_x, d.x);
      axpy_(-1, s.before_x, d.x);
      axpy_(1, now_y, d.y);
      axpy_(-1, s.before_y, d.y);
    }
    s.before_x = std::move(now_x);
    s.before_y = std::move(now_y);
    detail::descend_ascend_(oracle.problem(), lr_x, lr_y, d, s.x, s.y);
    ++s.step;
  }
};

/// Smoothed GDA: x descends φ + p/2 ‖x − z‖², y ascends at the new x, the centre z follows by z += β (x − z). For
/// losses that are not convex in x, and linear or concave in y, where plain GDA circles.
struct SmoothedGda {
  double lr_x = 0.1, lr_y = 0.1, p = 1, beta = 0.1;

  /// The centre begins at x.
  template <Tree X, Tree Y>
  SaddleState<X, Y> start(const X& x, const Y& y) const {
    detail::check_rates("smoothed gda", lr_x, lr_y);
    require(p >= 0 && beta > 0 && beta <= 1, "smoothed gda: p ", p, ", beta ", beta);
    return {x, y, clone(x)};
  }
  template <class P, Tree X, Tree Y>
  void step(Oracle<P>& oracle, SaddleState<X, Y>& s) const {
    const detail::Counting counting(oracle, s.counts);
    auto d = oracle.upper_gradients(s.x, s.y);
    s.value = d.value;
    axpy_(p, s.x, d.x);
    axpy_(-p, s.before_x, d.x);
    detail::projected_step_(oracle.problem().upper_set, lr_x, d.x, s.x);
    detail::projected_step_(oracle.problem().lower_set, lr_y, oracle.lower_gradient(s.x, s.y), s.y);
    own_leaves_(s.before_x);
    scale_(s.before_x, 1 - beta);
    axpy_(beta, s.x, s.before_x);
    ++s.step;
  }
};

}  // namespace tenzo::bilevel
