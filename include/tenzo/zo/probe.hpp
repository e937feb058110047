// Probe: a value type that evaluates a model at two perturbed points at once, reading its weights through the
// perturbation. The weights are never written: they may be read-only, memory-mapped or quantised.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "tenzo/ops/index.hpp"
#include "tenzo/ops/matmul.hpp"
#include "tenzo/tree/stored.hpp"
#include "tenzo/zo/cpu/weights.hpp"
#include "tenzo/zo/perturbation.hpp"

namespace tenzo::zo {

/// A value of a forward pass at the sides of a probe: a weight that is still to be read, or what was computed, once for
/// all sides or once for each.
template <Real T, class D = Cpu>
class Probe {
 public:
  using Plain = Tensor<T, D>;
  using Stored = stored_t<D>;

  Probe() = default;
  /// The same on all sides.
  explicit Probe(Plain same) : side_{std::move(same), {}}, sides_(1) {}
  Probe(Plain first, Plain second) : side_{std::move(first), std::move(second)}, sides_(2) {}

  /// The weight of a number in a model's order, as the perturbation says; it outlives the probe.
  static Probe weight(Stored w, std::uint32_t leaf, const Perturbation* how) {
    Probe p;
    p.weight_ = std::move(w);
    p.leaf_ = leaf;
    if (how && how->covers(leaf)) p.how_ = how;
    p.sides_ = p.how_ ? p.how_->sides : 1;
    return p;
  }

  bool defined() const { return sides_ > 0; }
  const Shape& shape() const { return weight_.defined() ? weight_.shape() : side_[0].shape(); }
  int sides() const { return sides_; }
  bool is_weight() const { return weight_.defined(); }
  const Stored& stored() const { return weight_; }
  std::uint32_t leaf() const { return leaf_; }
  const Perturbation* perturbation() const { return how_; }

  /// The tensor of a side; a weight is read here, through its perturbation.
  Plain read(int side) const {
    if (!defined()) return {};
    if (!is_weight()) return side_[std::size_t(std::min(side, sides_ - 1))];
    if (!how_ && weight_.dtype() == dtype_of<T>) return weight_.template borrow<T>();
    Plain out(weight_.shape());
    read_weight(D{}, weight_, leaf_, how_, side, out.data());
    return out;
  }

  /// The tensors of all sides; both of a weight are read in one visit to it.
  std::array<Plain, 2> read_sides() const {
    std::array<Plain, 2> out;
    if (!is_weight() || !how_ || how_->sides == 1) {
      for (int s = 0; s < sides_; ++s) out[std::size_t(s)] = read(s);
      return out;
    }
    std::array<T*, 2> to{};
    for (std::size_t s = 0; s < 2; ++s) {
      out[s] = Plain(weight_.shape());
      to[s] = out[s].data();
    }
    read_weight_sides(D{}, weight_, leaf_, how_, std::span<T* const>(to.data(), 2));
    return out;
  }

  /// Takes out the tensor of a side of what was computed.
  Plain take(int side) { return std::move(side_[std::size_t(side)]); }

 private:
  std::array<Plain, 2> side_;
  int sides_ = 0;
  Stored weight_;
  std::uint32_t leaf_ = 0;
  const Perturbation* how_ = nullptr;
};

namespace detail {

/// A probe of what was computed on one or two sides.
template <class T, class D>
Probe<T, D> probe_of(std::array<Tensor<T, D>, 2>& y, int sides) {
  return sides == 1 ? Probe<T, D>(std::move(y[0])) : Probe<T, D>(std::move(y[0]), std::move(y[1]));
}

/// y = x Wᵀ + b on the sides of a probe.
template <class D>
Probe<float, D> probe_affine(const Values<Probe<float, D>, 3>& v) {
  const Probe<float, D>&in = v[0], &w = v[1], &b = v[2];
  const int sides = std::max({in.sides(), w.sides(), b.sides()});
  std::array<Tensor<float, D>, 2> x, bias, y;
  std::array<AffineSide, 2> products;
  for (std::size_t s = 0; s < std::size_t(sides); ++s) {
    x[s] = in.read(int(s));
    bias[s] = b.read(int(s));
    y[s] = Tensor<float, D>(Shape{in.shape()[0], w.shape()[0]});
    products[s] = {std::as_const(x[s]).data(), std::as_const(bias[s]).data(), y[s].data()};
  }
  multiply_weight(D{}, in.shape()[0], w.stored(), w.leaf(), w.perturbation(),
                  std::span<const AffineSide>(products.data(), std::size_t(sides)));
  return probe_of(y, sides);
}

/// Rows of a table.
template <class T, class D>
Probe<T, D> probe_rows(const IndexSelect<Cpu>& f, const Probe<T, D>& table) {
  std::array<Tensor<T, D>, 2> y;
  std::array<T*, 2> to{};
  for (std::size_t s = 0; s < std::size_t(table.sides()); ++s) {
    y[s] = Tensor<T, D>(f.out);
    to[s] = y[s].data();
  }
  read_weight_rows(D{}, table.stored(), table.leaf(), table.perturbation(), f.index,
                   std::span<T* const>(to.data(), std::size_t(table.sides())));
  return probe_of(y, table.sides());
}

}  // namespace detail

}  // namespace tenzo::zo

namespace tenzo {

template <class T, class D>
struct Level<zo::Probe<T, D>> {
  using Probe = zo::Probe<T, D>;
  static constexpr int depth = 1;
  using scalar = T;
  using plain = Tensor<T, D>;

  static Probe lift(const Tensor<T, D>& u) { return Probe(u); }

  template <class P, std::size_t N>
  static Values<Probe, P::outputs> apply(const P& p, const Values<Probe, N>& x) {
    if constexpr (std::is_same_v<P, Affine> && std::is_same_v<T, float>) {
      if (x[1].is_weight() && !p.in_out) return {zo::detail::probe_affine(x)};
    }
    if constexpr (std::is_same_v<P, LinearMap<IndexSelect<Cpu>>>) {
      if (x[0].is_weight() && p.f.axis == 0 && p.f.in.rank() == 2) return {zo::detail::probe_rows(p.f, x[0])};
    }
    int sides = 1;
    for (const auto& v : x) sides = std::max(sides, v.sides());
    // Vectors, of a norm say, are read once for both sides; matrices a side at a time, since two may not fit.
    std::array<std::array<Tensor<T, D>, 2>, N> vectors;
    for (std::size_t i = 0; i < N; ++i)
      if (x[i].is_weight() && x[i].shape().rank() <= 1) vectors[i] = x[i].read_sides();
    std::array<Values<Tensor<T, D>, P::outputs>, 2> y;
    for (int s = 0; s < sides; ++s) {
      Values<Tensor<T, D>, N> in;
      for (std::size_t i = 0; i < N; ++i)
        in[i] = vectors[i][0].defined() ? vectors[i][std::size_t(std::min(s, x[i].sides() - 1))] : x[i].read(s);
      y[std::size_t(s)] = p.eval(in);
    }
    Values<Probe, P::outputs> out;
    for (std::size_t k = 0; k < P::outputs; ++k)
      out[k] = sides == 1 ? Probe(std::move(y[0][k])) : Probe(std::move(y[0][k]), std::move(y[1][k]));
    return out;
  }
  /// p(x, y), written over the sides of x that nobody else holds.
  template <class P>
  static Probe apply_over(const P& p, Probe x, const Probe& y) {
    if (x.is_weight() || x.sides() < y.sides()) return apply(p, Values<Probe, 2>{x, y})[0];
    std::array<Tensor<T, D>, 2> out;
    for (int s = 0; s < x.sides(); ++s) out[std::size_t(s)] = Level<Tensor<T, D>>::apply_over(p, x.take(s), y.read(s));
    return x.sides() == 1 ? Probe(std::move(out[0])) : Probe(std::move(out[0]), std::move(out[1]));
  }
};

}  // namespace tenzo

#include "tenzo/zo/extern.hpp"
