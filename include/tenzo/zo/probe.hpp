// Probe: a value type that evaluates a model at two perturbed points at once, reading its weights through the
// perturbation. The weights are never written: they may be read-only, memory-mapped or quantised.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "tenzo/core/gemm_rows.hpp"
#include "tenzo/ops/index.hpp"
#include "tenzo/ops/matmul.hpp"
#include "tenzo/tree/stored.hpp"
#include "tenzo/zo/direction.hpp"

namespace tenzo::zo {

/// How far to go along a direction on each side of a probe.
struct ProbeTerm {
  Direction direction;
  std::array<double, 2> factor{};
};

/// The points θ + Σ factor[s] u of one or two sides s. Leaves whose entry in `trained` is zero are not perturbed.
struct Perturbation {
  int sides = 1;
  std::vector<ProbeTerm> terms;
  std::vector<std::uint8_t> trained;  // by leaf number; empty: all are

  bool covers(std::uint32_t leaf) const {
    if (!trained.empty() && !(leaf < trained.size() && trained[leaf])) return false;
    return std::any_of(terms.begin(), terms.end(), [&](const ProbeTerm& t) { return t.direction.covers(leaf); });
  }
};

/// A value of a forward pass at the sides of a probe: a weight that is still to be read, or what was computed, once for
/// all sides or once for each.
template <Real T>
class Probe {
 public:
  Probe() = default;
  /// The same on all sides.
  explicit Probe(Tensor<T> same) : side_{std::move(same), {}}, sides_(1) {}
  Probe(Tensor<T> first, Tensor<T> second) : side_{std::move(first), std::move(second)}, sides_(2) {}

  /// The weight of a number in a model's order, as the perturbation says; it outlives the probe.
  static Probe weight(StoredTensor w, std::uint32_t leaf, const Perturbation* how) {
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
  const StoredTensor& stored() const { return weight_; }
  std::uint32_t leaf() const { return leaf_; }
  const Perturbation* perturbation() const { return how_; }

  /// The tensor of a side; a weight is read here, through its perturbation.
  Tensor<T> read(int side) const {
    if (!defined()) return {};
    if (!is_weight()) return side_[std::size_t(std::min(side, sides_ - 1))];
    if (!how_ && weight_.dtype() == dtype_of<T>)
      return Tensor<T>::borrow(reinterpret_cast<T*>(const_cast<std::byte*>(weight_.row(0))), weight_.shape(),
                               std::make_shared<StoredTensor>(weight_));
    Tensor<T> out(weight_.shape());
    read_rows(side, 0, weight_.rows(), out.data());
    return out;
  }

  /// Takes out the tensor of a side of what was computed.
  Tensor<T> take(int side) { return std::move(side_[std::size_t(side)]); }

  /// Rows [begin, end) of a weight as a matrix, on the calling thread.
  void read_rows(int side, std::int64_t begin, std::int64_t end, T* to) const {
    const std::int64_t rows = weight_.rows(), cols = weight_.cols();
    std::vector<Step> steps;
    if (how_)
      for (const ProbeTerm& t : how_->terms) steps.push_back({t.direction, t.factor[std::size_t(side)]});
    for (std::int64_t r = begin; r < end; ++r, to += cols) {
      decode_row(r, to);
      detail::add_steps_to_row_(to, steps, leaf_, rows, cols, r, 0, cols);
    }
  }

 private:
  void decode_row(std::int64_t r, T* to) const {
    const std::int64_t cols = weight_.cols();
    if (weight_.dtype() == dtype_of<T>) std::memcpy(to, weight_.row(r), std::size_t(cols) * sizeof(T));
    else if constexpr (std::is_same_v<T, float>) weight_.decode(r, 1, 0, cols, to, cols);
    else {
      std::vector<float> values(static_cast<std::size_t>(cols));
      weight_.decode(r, 1, 0, cols, values.data(), cols);
      std::copy(values.begin(), values.end(), to);
    }
  }

  std::array<Tensor<T>, 2> side_;
  int sides_ = 0;
  StoredTensor weight_;
  std::uint32_t leaf_ = 0;
  const Perturbation* how_ = nullptr;
};

namespace detail {

/// A stored weight as the packing of a product reads it.
struct WeightRows {
  const StoredTensor* w;
  std::int64_t rows() const { return w->rows(); }
  std::int64_t cols() const { return w->cols(); }
  void tile(std::int64_t row, std::int64_t nrows, std::int64_t col, std::int64_t ncols, float* to,
            std::int64_t ld) const {
    w->decode(row, nrows, col, ncols, to, ld);
  }
};

/// A direction on one leaf, of any structure.
struct DirectionRows {
  const Direction* d;
  std::uint32_t leaf;
  std::int64_t n, k;
  std::int64_t rows() const { return n; }
  std::int64_t cols() const { return k; }
  void tile(std::int64_t row, std::int64_t nrows, std::int64_t col, std::int64_t ncols, float* to,
            std::int64_t ld) const {
    direction_tile(*d, leaf, n, k, row, nrows, col, ncols, to, ld);
  }
};

/// Both sides of a product whose weight moves along one direction.
inline void pair_product(const WeightRows& w, std::uint32_t leaf, const Direction& d, const ProbeSide& first,
                         const ProbeSide& second) {
  const auto with = [&]<Law::Kind kind>(std::integral_constant<Law::Kind, kind>) {
    gemm_pair(w, Noise<kind>(noise_key(d, leaf), w.rows(), w.cols()), first, second);
  };
  if (!is_plain(d, leaf, w.rows())) gemm_pair(w, DirectionRows{&d, leaf, w.rows(), w.cols()}, first, second);
  else if (d.law == DirectionLaw::rademacher) with(std::integral_constant<Law::Kind, Law::rademacher>());
  else with(std::integral_constant<Law::Kind, Law::normal>());
}

/// y = x Wᵀ + b on the sides of a probe, W read tile by tile.
inline Values<Probe<float>, 1> probe_affine(const Values<Probe<float>, 3>& x) {
  using View = MatrixView<const float>;
  const Probe<float>&in = x[0], &w = x[1], &b = x[2];
  const std::int64_t n = in.shape()[0], k = in.shape()[1], m = w.shape()[0];
  const int sides = std::max({in.sides(), w.sides(), b.sides()});
  std::array<Tensor<float>, 2> xs, bs, ys;
  for (int s = 0; s < sides; ++s) {
    xs[std::size_t(s)] = in.read(s);
    bs[std::size_t(s)] = b.read(s);
    ys[std::size_t(s)] = Tensor<float>(Shape{n, m});
  }
  const auto view_x = [&](int s) { return View::row_major(std::as_const(xs[std::size_t(s)]).data(), n, k); };
  const auto view_y = [&](int s) { return MatrixView<float>::row_major(ys[std::size_t(s)].data(), n, m); };
  const auto options = [&](int s) {
    return GemmOptions<float>{.accumulate = false, .bias = std::as_const(bs[std::size_t(s)]).data()};
  };
  const WeightRows rows{&w.stored()};
  const Perturbation* how = w.perturbation();
  if (how && how->terms.size() == 1 && sides == 2) {
    const ProbeTerm& t = how->terms[0];
    pair_product(rows, w.leaf(), t.direction, {view_x(0), float(t.factor[0]), view_y(0), options(0)},
                 {view_x(1), float(t.factor[1]), view_y(1), options(1)});
  } else {
    for (int s = 0; s < sides; ++s) {
      std::vector<ScaledRows<DirectionRows>> terms;
      if (how)
        for (const ProbeTerm& t : how->terms)
          if (t.direction.covers(w.leaf()))
            terms.push_back({{&t.direction, w.leaf(), m, k}, float(t.factor[std::size_t(s)])});
      if (terms.empty()) gemm_rows(view_x(s), rows, view_y(s), options(s));
      else gemm_rows(view_x(s), PerturbedRows<WeightRows, DirectionRows>(rows, terms), view_y(s), options(s));
    }
  }
  if (sides == 1) return {Probe<float>(std::move(ys[0]))};
  return {Probe<float>(std::move(ys[0]), std::move(ys[1]))};
}

/// Rows of a table: only those are read, and only their noise is drawn.
template <class T>
Values<Probe<T>, 1> probe_rows(const IndexSelect<Cpu>& f, const Probe<T>& table) {
  std::array<Tensor<T>, 2> y;
  const std::int64_t cols = table.stored().cols();
  for (int s = 0; s < table.sides(); ++s) {
    y[std::size_t(s)] = Tensor<T>(f.out);
    T* to = y[std::size_t(s)].data();
    parallel_for(f.index.size(), std::max<std::int64_t>(1, 4096 / std::max<std::int64_t>(1, cols)),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i)
                     table.read_rows(s, f.index(i), f.index(i) + 1, to + i * cols);
                 });
  }
  if (table.sides() == 1) return {Probe<T>(std::move(y[0]))};
  return {Probe<T>(std::move(y[0]), std::move(y[1]))};
}

}  // namespace detail

}  // namespace tenzo::zo

namespace tenzo {

template <class T>
struct Level<zo::Probe<T>> {
  static constexpr int depth = 1;
  using scalar = T;
  using plain = Tensor<T>;

  static zo::Probe<T> lift(const Tensor<T>& u) { return zo::Probe<T>(u); }

  template <class P, std::size_t N>
  static Values<zo::Probe<T>, P::outputs> apply(const P& p, const Values<zo::Probe<T>, N>& x) {
    if constexpr (std::is_same_v<P, Affine> && std::is_same_v<T, float>) {
      if (x[1].is_weight() && !p.in_out) return zo::detail::probe_affine(x);
    }
    if constexpr (std::is_same_v<P, LinearMap<IndexSelect<Cpu>>>) {
      if (x[0].is_weight() && p.f.axis == 0 && p.f.in.rank() == 2) return zo::detail::probe_rows(p.f, x[0]);
    }
    int sides = 1;
    for (const auto& v : x) sides = std::max(sides, v.sides());
    std::array<Values<Tensor<T>, P::outputs>, 2> y;
    for (int s = 0; s < sides; ++s) {
      Values<Tensor<T>, N> in;
      for (std::size_t i = 0; i < N; ++i) in[i] = x[i].read(s);
      y[std::size_t(s)] = p.eval(in);
    }
    Values<zo::Probe<T>, P::outputs> out;
    for (std::size_t k = 0; k < P::outputs; ++k)
      out[k] = sides == 1 ? zo::Probe<T>(std::move(y[0][k])) : zo::Probe<T>(std::move(y[0][k]), std::move(y[1][k]));
    return out;
  }
  /// p(x, y), written over the sides of x that nobody else holds.
  template <class P>
  static zo::Probe<T> apply_over(const P& p, zo::Probe<T> x, const zo::Probe<T>& y) {
    if (x.is_weight() || x.sides() < y.sides()) return apply(p, Values<zo::Probe<T>, 2>{x, y})[0];
    std::array<Tensor<T>, 2> out;
    for (int s = 0; s < x.sides(); ++s) out[std::size_t(s)] = Level<Tensor<T>>::apply_over(p, x.take(s), y.read(s));
    return x.sides() == 1 ? zo::Probe<T>(std::move(out[0])) : zo::Probe<T>(std::move(out[0]), std::move(out[1]));
  }
};

}  // namespace tenzo
