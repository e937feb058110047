// Methods that train the forget set to random labels.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <string_view>
#include <utility>
#include <vector>

#include "tenzo/core/permutation.hpp"
#include "tenzo/unlearn/request.hpp"
#include "tenzo/unlearn/sums.hpp"

namespace tenzo::unlearn {

/// The labels with the first `count` redrawn, uniform over all classes, or over all but the label itself.
///   Number i is a function of the seed, the epoch and i.
inline Tensor<std::int64_t> redrawn(const Tensor<std::int64_t>& labels, std::int64_t count, std::int64_t classes,
                                    std::uint64_t seed, std::int64_t epoch, bool only_wrong = false) {
  require(count >= 0 && count <= labels.size(), "random labels: ", count, " of ", labels.size());
  require(classes > (only_wrong ? 1 : 0), "random labels: of ", classes, " classes");
  const Integers integers(NoiseKey{.seed = seed, .step = std::uint32_t(epoch), .query = 2}.of(Purpose::data_order));
  Tensor<std::int64_t> out = labels.clone();
  for (std::int64_t i = 0; i < count; ++i)
    out(i) = only_wrong ? (labels(i) + 1 + integers.below(classes - 1, i)) % classes : integers.below(classes, i);
  return out;
}

namespace detail {

/// The steps of RL with a hook on the gradients.
template <Tree M, Real T, class OnGradient>
void train_with_random_labels_(M& m, const Request<M, T>& r, const TrainOptions& options, bool only_wrong,
                               OnGradient&& on_gradient) {
  const TrainOptions o = with_seed(options, r.seed);
  const Samples<T> all = joined(r.forget_samples(), r.retain_samples());
  TrainState<M> state;
  while (state.epoch < o.epochs) {
    const Samples<T> relabelled{
        all.x, redrawn(all.labels, std::int64_t(r.forget.size()), all.classes, r.seed, state.epoch, only_wrong),
        all.classes};
    train_epoch_(m, state, relabelled, o, CrossEntropyLoss{}, on_gradient);
  }
}

}  // namespace detail

/// RL: trains on D_f ∪ D_r, the labels of D_f redrawn at every epoch, the true one not excluded.
///   Source  Golatkar et al. 2020.
struct RandomLabels {
  static constexpr std::string_view name = "rl";
  static constexpr bool relabels = true;
  TrainOptions train = tuning(0.02);
  bool only_wrong = false;  // excludes the true label

  template <Tree M, Real T>
  M operator()(const Request<M, T>& r) const {
    check(r);
    M m = clone(r.model);
    detail::train_with_random_labels_(m, r, train, only_wrong, NoHook{});
    return m;
  }
};

/// One where |g| is among the ⌊share · n⌋ largest of all n elements of trained leaves together, of equal ones the
/// first; zero elsewhere.
///   Throws  ValueError for a share outside [0, 1].
template <Tree M>
M largest_elements(const M& g, double share) {
  using V = leaf_t<M>;
  require(share >= 0 && share <= 1, "saliency: a share of ", share);
  std::vector<scalar_t<V>> size;
  for_each_leaf(
      [&](const Path& at, const V& v) {
        if (!is_trained(at)) return;
        const auto host = v.template to<Cpu>();
        for (const auto x : std::as_const(host).values()) size.push_back(std::abs(x));
      },
      g);
  std::vector<std::int64_t> order(size.size());
  std::iota(order.begin(), order.end(), std::int64_t(0));
  const auto count = std::ptrdiff_t(share * double(size.size()));
  const auto larger = [&](std::int64_t a, std::int64_t b) {
    const auto x = size[std::size_t(a)], y = size[std::size_t(b)];
    return x != y ? x > y : a < b;
  };
  if (count < std::ptrdiff_t(order.size())) std::nth_element(order.begin(), order.begin() + count, order.end(), larger);
  std::vector<bool> kept(size.size(), false);
  for (std::ptrdiff_t i = 0; i < count; ++i) kept[std::size_t(order[std::size_t(i)])] = true;
  std::size_t next = 0;
  return map_tree<V>(g, [&](const Path& at, const V& v) {
    auto mask = Tensor<scalar_t<V>>::zeros(v.shape());
    if (is_trained(at))
      for (auto& x : mask.values()) x = kept[next++] ? 1 : 0;
    return mask.template to<device_t<V>>();
  });
}

/// SalUn: RL on the weights alone that matter to the forget set: the largest half of |Σ_{D_f} ∇CE(θ_o)|.
///   What the mask holds keeps its bits. The official code masks gradients before weight decay is added, so that the
///   others shrink: `decay_all`.
///   Source  Fan et al. 2024, "SalUn".
struct SalUn {
  static constexpr std::string_view name = "salun";
  static constexpr bool relabels = true;
  TrainOptions train = tuning(0.02);
  double share = 0.5;
  bool only_wrong = false, decay_all = false;

  template <Tree M, Real T>
  M operator()(const Request<M, T>& r) const {
    check(r);
    using V = leaf_t<M>;
    const M mask = largest_elements(sum_gradient(r.model, r.forget_samples()), share);
    M m = clone(r.model);
    TrainOptions o = train;
    const double decay = decay_all ? 0 : o.sgd.weight_decay;
    if (!decay_all) o.sgd.weight_decay = 0;
    detail::train_with_random_labels_(m, r, o, only_wrong, [&](M& g) {
      for_each_leaf([decay](const Path&, V& slope, const V& keep,
                            const V& theta) { slope = mul(keep, add(slope, scale(theta, decay))); },
                    g, mask, std::as_const(m));
    });
    return m;
  }
};

}  // namespace tenzo::unlearn
