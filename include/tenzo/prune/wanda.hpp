// Wanda: weights by their size and that of what they meet. A value type notes what each weight meets, so that models
// need no hooks.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenzo/ops/conv.hpp"
#include "tenzo/ops/matmul.hpp"
#include "tenzo/prune/mask.hpp"

namespace tenzo {

namespace prune {

/// A tensor; and, where it is a weight, where to add the squares of what it is multiplied with.
template <Plain V>
struct Observed {
  V value;
  V* squares = nullptr;  // broadcasts to the weight's shape

  bool defined() const { return value.defined(); }
  const Shape& shape() const { return value.shape(); }
};

}  // namespace prune

template <class V>
struct Level<prune::Observed<V>> {
  using Observed = prune::Observed<V>;
  static constexpr int depth = 1;
  using scalar = scalar_t<V>;
  using plain = V;
  static const plain& core(const Observed& v) { return v.value; }

  template <Value U>
  static Observed lift(const U& u) {
    return {u};
  }

  template <class P, std::size_t N>
  static Values<Observed, P::outputs> apply(const P& p, const Values<Observed, N>& x) {
    if constexpr (N > 1) {
      if (x[1].squares) note(p, x[0].value, x[1]);
    }
    Values<V, N> value;
    for (std::size_t i = 0; i < N; ++i) value[i] = x[i].value;
    Values<V, P::outputs> y = dispatch<P, V>(p, value);
    Values<Observed, P::outputs> out;
    for (std::size_t k = 0; k < P::outputs; ++k) out[k].value = std::move(y[k]);
    return out;
  }

 private:
  template <class P>
  static void note(const P& p, const V& x, const Observed& weight) {
    V squares;
    if constexpr (std::is_same_v<P, Affine>) {
      squares = sum(square(x), {0});
      if (p.in_out) squares = reshape(squares, Shape{squares.shape()[0], 1});
    } else if constexpr (std::is_same_v<P, ConvMap<ConvSlot::y>>) {
      // Σ over windows of x² at each tap: the gradient by the weights of the sum of a convolution of x². Outputs of a
      // group meet the same, so one output a group is enough.
      ConvGeometry g = p.g;
      g.out = g.groups;
      const V ones = V::ones({g.batch, g.out, g.out_size.h, g.out_size.w});
      squares = dispatch(ConvMap<ConvSlot::weight>{g}, Values<V, 3>{square(x), ones, V{}})[0];
      const std::int64_t each = p.g.group_out(), width = squares.shape().inner(0);
      if (g.groups > 1)
        squares = reshape(expand_to(reshape(squares, Shape{g.groups, 1, width}), Shape{g.groups, each, width}),
                          weight.shape());
    } else {
      return;
    }
    V& to = *weight.squares;
    to = to.defined() ? add(to, squares) : squares;
  }
};

namespace prune {

/// |θ| · ‖a‖ with ‖a‖ the Euclidean norm, over all samples and places, of the input that a weight of a linear layer or
/// a convolution is multiplied with. Wanda compares within an output: Scope::per_row.
///   model    callable on samples of any value type, as in deployment
///   Throws   ValueError where a prunable leaf is no weight of such a layer.
///   Source   Sun et al. 2024, Wanda, equation 1; for convolutions the norm of a row of the unfolded input.
template <Tree M, Plain V, LeafChoice Prunable = bool (*)(const Path&, const Shape&)>
M wanda_scores(const M& model, const V& samples, Prunable&& prunable = is_prunable, std::int64_t batch = 256) {
  std::vector<V> sums;
  for_each_leaf([&](const Path&, const V&) { sums.emplace_back(); }, model);
  std::size_t leaf = 0;
  const auto observed = map_tree<Observed<V>>(model, [&](const Path& at, const V& w) {
    V* const to = &sums[leaf++];
    return Observed<V>{w, prunable(at, w.shape()) ? to : nullptr};
  });
  for (std::int64_t i = 0; i < samples.shape()[0]; i += batch)
    observed(samples.rows(i, std::min(samples.shape()[0], i + batch)));
  leaf = 0;
  return map_tree<V>(model, [&](const Path& at, const V& w) {
    const V& s = sums[leaf++];
    if (!prunable(at, w.shape())) return V{};
    require(s.defined(), "wanda: ", at.str(), " is not the weight of a linear layer or a convolution that was used");
    return mul(abs(w), sqrt(s));
  });
}

}  // namespace prune
}  // namespace tenzo
