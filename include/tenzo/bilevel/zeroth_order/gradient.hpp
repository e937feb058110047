// Gradients from values alone, for bi-level methods: the estimators of zo/ behind one setting.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "tenzo/core/permutation.hpp"
#include "tenzo/zo/dense.hpp"
#include "tenzo/zo/estimators.hpp"
#include "tenzo/zo/masks.hpp"

namespace tenzo::bilevel {

/// How a gradient is estimated from values.
///   rge     the mean over `queries` random directions
///   cge     difference quotients along `queries` coordinates drawn without repetition, scaled to the mean of all;
///           0 queries: along all coordinates
///   block   one random direction for each leaf, all at one point
///   sparse  rge on the elements that a random mask keeps, drawn anew in every step, scaled by the inverse of its
///   share;
///           a mask costs some passes over the noise: for losses that cost more
/// All but fixed `masks` have the gradient (of the smoothed loss) as their mean.
struct ValueGradient {
  enum class Kind { rge, cge, block, sparse };

  Kind kind = Kind::rge;
  zo::RgeOptions options = {.eps = 1e-4, .queries = 10};
  double masked_out = 0.5;  // sparse: the share of elements left out

  /// ĝ of loss(·) at `at`, a number for a tree like it; `evaluations` counts the losses.
  ///   The same seed and step give the same directions: common random numbers for two losses.
  ///   Throws  ValueError for options that can not be.
  template <Tree T, class Loss>
  T operator()(Loss&& loss, const T& at, std::uint64_t seed, std::int64_t step, std::int64_t& evaluations) const {
    const auto number = std::uint32_t(step);
    zo::CallableLoss values(at, [&](const T& point) { return double(loss(point)); });
    zo::Estimate g;
    if (kind == Kind::cge) {
      g = coordinates(values, at, seed, number);
    } else if (kind == Kind::block) {
      std::vector<zo::LeafRange> blocks;
      for_each_leaf(
          [&](const Path&, const auto&) {
            const auto b = std::uint32_t(blocks.size());
            blocks.push_back({b, b + 1});
          },
          at);
      g = zo::block_rge(values, seed, number, blocks, options);
    } else if (kind == Kind::sparse) {
      return sparse(values, at, seed, number, evaluations);
    } else {
      g = zo::rge(values, seed, number, options);
    }
    evaluations += g.forwards;
    return zo::dense_gradient(g, at);
  }

 private:
  template <Tree T, class Values>
  zo::Estimate coordinates(Values& values, const T& at, std::uint64_t seed, std::uint32_t step) const {
    std::vector<zo::Coordinate> all;
    std::uint32_t leaf = 0;
    for_each_leaf(
        [&](const Path&, const auto& v) {
          for (std::int64_t e = 0; e < v.size(); ++e) all.push_back({leaf, e});
          ++leaf;
        },
        at);
    require(options.queries >= 0, "cge: ", options.queries, " coordinates");
    const auto n = std::int64_t(all.size()), some = std::int64_t(options.queries);
    if (some == 0 || some >= n) return zo::cge(values, all, options.eps, options.two_sided);
    const auto order = permutation(n, NoiseKey{.seed = seed, .step = step}.of(Purpose::data_order));
    std::vector<zo::Coordinate> drawn;
    for (std::int64_t k = 0; k < some; ++k) drawn.push_back(all[std::size_t(order[std::size_t(k)])]);
    zo::Estimate g = zo::cge(values, drawn, options.eps, options.two_sided);
    g.weight *= double(n) / double(some);
    return g;
  }

  template <Tree T, class Values>
  T sparse(Values& values, const T& at, std::uint64_t seed, std::uint32_t step, std::int64_t& evaluations) const {
    require(masked_out >= 0 && masked_out < 1, "sparse: a share of ", masked_out, " is left out; want one below 1");
    // a mask is a function of a seed; the step's mask is that of the step's own seed
    const auto words = philox4x32({step, 0, 0, std::uint32_t(Purpose::dropout) << 28}, seed);
    zo::RgeOptions o = options;
    const zo::MaskRule rule{zo::MaskRule::Kind::random, masked_out};
    o.masks = std::make_shared<const zo::Masks>(zo::make_masks(rule, at, words[0] | std::uint64_t(words[1]) << 32));
    const zo::Estimate g = zo::rge(values, seed, step, o);
    evaluations += g.forwards;
    T out = zo::dense_gradient(g, at);
    for_each_leaf(
        [&](const Path&, auto& v) {
          const auto kept = rule.kept(v.size());
          if (kept > 0) scale_(v, double(v.size()) / double(kept));
        },
        out);
    return out;
  }
};

}  // namespace tenzo::bilevel
