// Masks of pruned models: trees of zeros and ones shaped like the model, and how dense they are.
#pragma once

#include <cmath>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tenzo/ops/elementwise.hpp"
#include "tenzo/tree/tree.hpp"

namespace tenzo::prune {

/// One where a weight is kept, zero where it is pruned, on the host whatever the model's device. A leaf that is
/// undefined is dense: none of it is pruned, and none of it is counted.
/// A mask that has been used is not written to, but replaced: devices keep what they have seen of it.
template <Tree M>
using Mask = rebind_t<Tensor<std::uint8_t>, M>;

/// A tree of zeros and ones.
template <class K>
concept MaskTree = Tree<K> && std::same_as<leaf_t<K>, Tensor<std::uint8_t>>;

/// Whether a leaf is pruned: the weights of linear layers and convolutions, of two axes and more. Biases, norms and
/// running statistics have one.
inline bool is_prunable(const Path&, const Shape& shape) { return shape.rank() >= 2; }

/// Chooses leaves by their place and shape.
template <class F>
concept LeafChoice = requires(F f, const Path& at, const Shape& s) {
  { f(at, s) } -> std::convertible_to<bool>;
};

/// All ones where a leaf is prunable, undefined elsewhere.
template <Tree M, LeafChoice Prunable = bool (*)(const Path&, const Shape&)>
Mask<M> dense_mask(const M& model, Prunable&& prunable = is_prunable) {
  using U = Tensor<std::uint8_t>;
  return map_tree<U>(model,
                     [&](const Path& at, const auto& w) { return prunable(at, w.shape()) ? U::ones(w.shape()) : U{}; });
}

namespace detail {

/// x where the mask keeps, zero elsewhere.
template <Value V>
V kept(const Tensor<std::uint8_t>& mask, const V& x) {
  return dispatch(Where<Cpu>{mask, mask.shape(), mask.shape()}, Values<V, 2>{x, V{}})[0];
}

}  // namespace detail

/// θ where the mask keeps, zero where it prunes; leaves without a mask as they are. On any value type: the derivative
/// by θ is the mask. A pruned weight has no influence whatever it is, a NaN included.
///   Throws ShapeError where a mask has another shape than its leaf.
template <Tree M, MaskTree K>
M masked(const M& model, const K& mask) {
  using V = leaf_t<M>;
  return map_tree<V>(
      model,
      [](const Path& at, const V& w, const Tensor<std::uint8_t>& keep) {
        if (!keep.defined()) return w;
        expect(w.shape() == keep.shape(), "mask: ", at.str(), " is ", w.shape(), ", its mask ", keep.shape());
        return detail::kept(keep, w);
      },
      mask);
}

/// Writes zeros where the mask prunes, in place: for gradients, moments and weights. Undefined leaves stay so.
template <Tree M, MaskTree K>
void zero_pruned_(M& tree, const K& mask) {
  for_each_leaf(
      [](const Path& at, const Tensor<std::uint8_t>& keep, auto& w) {
        if (!w.defined()) return;
        expect(w.shape() == keep.shape(), "mask: ", at.str(), " is ", w.shape(), ", its mask ", keep.shape());
        auto* to = w.data();
        using D = device_t<leaf_t<M>>;
        if constexpr (HostDevice<D>) {
          for (std::int64_t i = 0; i < keep.size(); ++i)
            if (!keep(i)) to[i] = 0;
        } else {
          const auto zeroed = detail::kept(keep, w);
          copy_elements(D{}, w.size(), zeroed.data(), to);
        }
      },
      mask, tree);
}

/// How many weights are kept, of a leaf or of all.
struct Density {
  std::string leaf;  // empty: of all
  std::int64_t kept = 0, total = 0;

  double density() const { return double(kept) / double(total); }  // NaN of none
  double sparsity() const { return 1 - density(); }
};

/// Outputs of a layer that are read. A classifier of a thousand classes of which ten are read is sparse by its head
/// alone, whatever was pruned; rows that nobody reads count neither as kept nor as pruned.
struct ReadRows {
  std::string leaf;                // the path of a weight (out, …); empty: all of the model is read
  std::vector<std::int64_t> rows;  // each once
};

/// The density of every leaf that has a mask, in the tree's order.
///   Throws ValueError for rows of a leaf that has no mask, or beyond its end.
template <MaskTree K>
std::vector<Density> densities(const K& mask, const ReadRows& read = {}) {
  std::vector<Density> out;
  bool found = read.leaf.empty();
  for_each_leaf(
      [&](const Path& at, const Tensor<std::uint8_t>& m) {
        Density d{.leaf = at.str()};
        const auto count = [&](std::int64_t begin, std::int64_t end) {
          d.total += end - begin;
          for (std::int64_t i = begin; i < end; ++i) d.kept += m(i) != 0;
        };
        if (!read.leaf.empty() && d.leaf == read.leaf) {
          found = true;
          const std::int64_t rows = m.shape()[0], width = m.shape().inner(0);
          for (const std::int64_t r : read.rows) {
            require(0 <= r && r < rows, "mask: row ", r, " of ", d.leaf, ", which has ", rows);
            count(r * width, (r + 1) * width);
          }
        } else {
          count(0, m.size());
        }
        out.push_back(std::move(d));
      },
      mask);
  require(found, "mask: no leaf ", printable(read.leaf), " that could be read in part");
  return out;
}

/// The density of all leaves together.
template <MaskTree K>
Density density(const K& mask, const ReadRows& read = {}) {
  Density all;
  for (const Density& d : densities(mask, read)) {
    all.kept += d.kept;
    all.total += d.total;
  }
  return all;
}

/// The overlap |a ∧ b| / |a ∨ b| of what two masks keep, in [0, 1]; one where both keep nothing.
///   Throws ShapeError where they are of different models.
template <MaskTree K>
double jaccard(const K& a, const K& b) {
  std::int64_t both = 0, either = 0, of_a = 0, of_b = 0;
  for_each_leaf(
      [&](const Path& at, const Tensor<std::uint8_t>& x, const Tensor<std::uint8_t>& y) {
        ++of_a;
        expect(y.defined() && x.shape() == y.shape(), "jaccard: ", at.str(), " is ", x.shape(), " and ", y.shape());
        for (std::int64_t i = 0; i < x.size(); ++i) {
          both += x(i) && y(i);
          either += x(i) || y(i);
        }
      },
      a, b);
  for_each_leaf([&](const Path&, const Tensor<std::uint8_t>&) { ++of_b; }, b);
  expect(of_a == of_b, "jaccard: masks of ", of_a, " and of ", of_b, " leaves");
  return either == 0 ? 1 : double(both) / double(either);
}

/// Throws ValueError with the name of the first layer of which nothing is left: no signal passes it.
template <MaskTree K>
void require_every_layer(std::string_view what, const K& mask) {
  for (const Density& d : densities(mask))
    require(d.kept > 0 || d.total == 0, what, ": no weight of ", d.leaf, " is left");
}

}  // namespace tenzo::prune
