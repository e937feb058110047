// Bi-level problems that are means over batches, and which batches a step takes.
#pragma once

#include <concepts>
#include <cstdint>
#include <utility>

#include "tenzo/bilevel/problem.hpp"
#include "tenzo/core/permutation.hpp"

namespace tenzo::bilevel {

/// min over x ∈ X of 1/m Σ_j f_j(x, y*(x)) with y*(x) ∈ argmin over y ∈ C of 1/n Σ_i g_i(x, y).
///   upper(x, y, j), lower(x, y, i)   single numbers, generic over the value types of both trees
///   upper_batches, lower_batches     m and n
///   Both are plain means over the batches: where one batch is smaller than the others, the mean loss of its samples
///   times its size over the mean size makes the mean over the samples.
template <class F, class G, class XSet = Everywhere, class YSet = Everywhere>
struct FiniteSum {
  F upper;
  G lower;
  std::int64_t upper_batches = 1, lower_batches = 1;
  XSet upper_set = {};
  YSet lower_set = {};

  /// Lower batch i with upper batch j, as a problem that an Oracle takes. It looks at this one, which has to outlive
  /// it.
  auto at(std::int64_t i, std::int64_t j) const {
    return Problem{[this, j](const auto& x, const auto& y) { return upper(x, y, j); },
                   [this, i](const auto& x, const auto& y) { return lower(x, y, i); }, upper_set, lower_set};
  }

  /// The problem of all batches at once: what deterministic solvers take. It looks at this one, too.
  auto whole() const {
    return Problem{[this](const auto& x, const auto& y) { return mean_of(upper, upper_batches, x, y); },
                   [this](const auto& x, const auto& y) { return mean_of(lower, lower_batches, x, y); }, upper_set,
                   lower_set};
  }

 private:
  template <class Loss, class X, class Y>
  static auto mean_of(const Loss& loss, std::int64_t batches, const X& x, const Y& y) {
    require(batches > 0, "finite sum: ", batches, " batches; want at least 1");
    auto total = loss(x, y, std::int64_t(0));
    for (std::int64_t k = 1; k < batches; ++k) total = add(total, loss(x, y, k));
    return scale(total, 1 / double(batches));
  }
};
template <class F, class G>
FiniteSum(F, G, std::int64_t, std::int64_t) -> FiniteSum<F, G>;
template <class F, class G, class XSet>
FiniteSum(F, G, std::int64_t, std::int64_t, XSet) -> FiniteSum<F, G, XSet>;
template <class F, class G, class XSet, class YSet>
FiniteSum(F, G, std::int64_t, std::int64_t, XSet, YSet) -> FiniteSum<F, G, XSet, YSet>;

/// What the stochastic solvers need: a FiniteSum, or a type whose `at` returns problems with derivatives of their own.
template <class S>
concept BatchedProblem = requires(const S& s, std::int64_t i) {
  { s.upper_batches } -> std::convertible_to<std::int64_t>;
  { s.lower_batches } -> std::convertible_to<std::int64_t>;
  s.at(i, i);
  s.upper_set;
  s.lower_set;
};

/// Which batches ∇_y g, H and M of one estimate are of.
///   independent  three draws: needed wherever two of them are multiplied, as in a series, or the estimate is biased
///   shared       one draw, and H v and M v in one pass: each direction of a single loop is linear in its sample, so
///                that its mean is right; the errors of the three directions are correlated
enum class Sampling { independent, shared };

/// The batches of one estimate, uniform with replacement: functions of the seed, the step and the round in the step.
class BatchDraw {
 public:
  template <BatchedProblem S>
  BatchDraw(const S& sum, std::uint64_t seed, std::int64_t step, std::int64_t round = 0,
            Sampling sampling = Sampling::independent)
      : lower_batches_(sum.lower_batches),
        upper_batches_(sum.upper_batches),
        shared_(sampling == Sampling::shared),
        lower_(key(seed, step, round, 0)),
        upper_(key(seed, step, round, 1)) {}

  std::int64_t gradient() const { return lower(0); }
  std::int64_t hessian() const { return shared_ ? lower(0) : lower(1); }
  std::int64_t cross() const { return shared_ ? lower(0) : lower(2); }
  /// ∇_x f and ∇_y f stand in different directions, linearly: one batch is enough, and one gradient.
  std::int64_t upper() const { return upper_.below(upper_batches_, 0); }
  /// Of factor k of a product of Hessians: never shared.
  std::int64_t factor(std::int64_t k) const { return lower(3 + k); }

 private:
  static NoiseKey key(std::uint64_t seed, std::int64_t step, std::int64_t round, std::uint32_t level) {
    return NoiseKey{seed, std::uint32_t(step), std::uint32_t(round), level}.of(Purpose::data_order);
  }
  std::int64_t lower(std::int64_t k) const { return lower_.below(lower_batches_, k); }

  std::int64_t lower_batches_, upper_batches_;
  bool shared_;
  Integers lower_, upper_;
};

}  // namespace tenzo::bilevel
