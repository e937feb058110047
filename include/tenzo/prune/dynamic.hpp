// Masks that change during training: gradual magnitude pruning and RigL.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "tenzo/prune/scores.hpp"
#include "tenzo/prune/select.hpp"
#include "tenzo/tree/algebra.hpp"

namespace tenzo::prune {

/// Density by step, falling fast at first and slowly at the end:
///   ρ(t) = ρ_f + (ρ_i − ρ_f)(1 − (t − begin) / (end − begin))³  between begin and end.
///   Source  Zhu, Gupta 2017, "To prune, or not to prune", equation 1 (of sparsities).
struct GradualDensity {
  double initial = 1, final = 0.1;
  std::int64_t begin = 0, end = 1;
  std::int64_t every = 1;  // steps between changes of the mask

  double operator()(std::int64_t step) const {
    const double t = double(step - begin) / double(std::max<std::int64_t>(1, end - begin));
    return final + (initial - final) * std::pow(1 - std::clamp(t, 0., 1.), 3);
  }
  /// Whether the mask changes before this step.
  bool due(std::int64_t step) const { return begin <= step && step <= end && (step - begin) % every == 0; }
};

/// Gradual magnitude pruning: prunes the smallest |θ| of what is left until the density; pruned weights become zero.
template <Tree M, MaskTree K>
void prune_by_magnitude_(M& model, K& mask, double density, Scope scope = Scope::global) {
  using V = leaf_t<M>;
  const M size = map_tree<V>(
      model, [](const V& w, const Tensor<std::uint8_t>& m) { return m.defined() ? abs(w) : V{}; }, mask);
  mask = largest(size, {.density = density, .scope = scope}, &mask);
  zero_pruned_(model, mask);
}

/// The share of weights that RigL moves: α/2 (1 + cos π t / end), and none from `end` on.
inline double rigl_share(std::int64_t step, std::int64_t end, double alpha = 0.3) {
  return step >= end ? 0 : alpha / 2 * (1 + std::cos(3.14159265358979323846 * double(step) / double(end)));
}

/// RigL's change of a mask: in every leaf the ⌊share · kept⌋ smallest |θ| of the kept weights go, and as many of the
/// largest |g| among those that are out (the ones that just went, too) come, beginning at zero. Equal ones in order.
///   gradient   of the loss at the masked weights, by all weights
///   Moments of weights that move are the caller's to reset: zero_pruned_ does so for those that went.
///   Source  Evci et al. 2020, RigL, algorithm 1.
template <Tree M, MaskTree K>
void rigl_move_(M& model, K& mask, const M& gradient, double share) {
  require(0 <= share && share <= 1, "rigl: a share of ", share, "; want a number in [0, 1]");
  using V = leaf_t<M>;
  K stays = mask;  // without what comes
  for_each_leaf(
      [&](const Path& at, Tensor<std::uint8_t>& before, Tensor<std::uint8_t>& without, const V& weight,
          const V& gradient_of_leaf) {
        Tensor<std::uint8_t> m = before.clone();
        const auto w = weight.template to<Cpu>(), g = gradient_of_leaf.template to<Cpu>();
        expect(w.shape() == m.shape() && g.shape() == m.shape(), "rigl: ", at.str(), " is ", w.shape(), ", its mask ",
               m.shape(), ", its gradient ", g.shape());
        std::vector<std::int64_t> in, out;
        for (std::int64_t i = 0; i < m.size(); ++i) {
          require(std::isfinite(w(i)) && std::isfinite(g(i)), "rigl: ", at.str(), " has a weight of ", w(i),
                  " and a gradient of ", g(i));
          (m(i) ? in : out).push_back(i);
        }
        const auto moved =
            std::min(std::int64_t(std::floor(share * double(in.size()) + 1e-6)), std::int64_t(in.size()));
        std::stable_sort(in.begin(), in.end(), [&](auto a, auto b) { return std::abs(w(a)) < std::abs(w(b)); });
        for (std::int64_t k = 0; k < moved; ++k) {
          m(in[std::size_t(k)]) = 0;
          out.push_back(in[std::size_t(k)]);
        }
        without = m.clone();
        std::sort(out.begin(), out.end());
        std::stable_sort(out.begin(), out.end(), [&](auto a, auto b) { return std::abs(g(a)) > std::abs(g(b)); });
        for (std::int64_t k = 0; k < moved; ++k) m(out[std::size_t(k)]) = 1;
        before = std::move(m);
      },
      mask, stays, std::as_const(model), gradient);
  zero_pruned_(model, stays);
}

}  // namespace tenzo::prune
