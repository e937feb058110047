// Models whose weights are sparse matrices, for inference on the CPU. Sparse weights are a value type, so that any
// model runs on them as it is: linear layers and convolutions multiply only what is kept, all other operations are the
// plain ones.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "tenzo/ops/conv.hpp"
#include "tenzo/ops/matmul.hpp"
#include "tenzo/prune/mask.hpp"
#include "tenzo/prune/sparse_conv.hpp"

namespace tenzo {

namespace prune {

/// A tensor, or a weight of which only what is not zero is held.
template <Real T>
struct Sparse {
  struct Weight {
    Shape shape;          // (out, in), (out, in / groups, kh, kw)
    CsrMatrix<T> matrix;  // (out, all others)
  };

  Tensor<T> value;  // undefined of a sparse weight
  std::shared_ptr<const Weight> weight = {};

  bool defined() const { return weight || value.defined(); }
  const Shape& shape() const { return weight ? weight->shape : value.shape(); }
  operator const Tensor<T>&() const { return value; }
};

}  // namespace prune

template <class T>
struct Level<prune::Sparse<T>> {
  using V = prune::Sparse<T>;
  static constexpr int depth = 1;
  using scalar = T;
  using plain = Tensor<T>;
  static const plain& core(const V& v) { return v.value; }

  template <Value U>
  static V lift(const U& u) {
    return {u};
  }

  template <class P, std::size_t N>
  static Values<V, P::outputs> apply(const P& p, const Values<V, N>& x) {
    if constexpr (std::is_same_v<P, Affine>) {
      if (x[1].weight && !p.in_out) return {linear(x)};
    } else if constexpr (std::is_same_v<P, ConvMap<ConvSlot::y>>) {
      if (x[1].weight) return {convolution(p.g, x)};
    }
    Values<plain, N> value;
    for (std::size_t i = 0; i < N; ++i) {
      require(!x[i].weight, "sparse: ", P::name, " reads a sparse weight; want linear layers and convolutions");
      value[i] = x[i].value;
    }
    Values<plain, P::outputs> y = dispatch<P, plain>(p, value);
    Values<V, P::outputs> out;
    for (std::size_t k = 0; k < P::outputs; ++k) out[k].value = std::move(y[k]);
    return out;
  }

 private:
  static const T* bias(const V& v) { return v.value.defined() ? v.value.data() : nullptr; }

  static V linear(const Values<V, 3>& x) {
    const prune::CsrMatrix<T>& a = x[1].weight->matrix;
    plain y(Shape{x[0].shape()[0], a.rows});
    prune::multiply_transposed(a, y.shape()[0], x[0].value.data(), bias(x[2]), y.data());
    return {y};
  }
  static V convolution(const ConvGeometry& g, const Values<V, 3>& x) {
    plain y(Shape{g.batch, g.out, g.out_size.h, g.out_size.w});
    prune::sparse_conv2d(g, x[1].weight->matrix, x[0].value.data(), bias(x[2]), y.data());
    return {y};
  }
};

namespace prune {

/// The model with its masked leaves as sparse matrices of what the mask keeps and is not zero.
///   Equal   to the masked model's outputs: linear layers to the bit, convolutions up to the order of their sums.
///   Masked leaves have to be weights of linear layers (out, in) and convolutions; another use says so when it is met.
template <Tree M, MaskTree K>
auto sparse_model(const M& model, const K& mask) {
  using T = scalar_t<leaf_t<M>>;
  return map_tree<Sparse<T>>(
      model,
      [](const Path& at, const Tensor<T>& w, const Tensor<std::uint8_t>& m) {
        if (!m.defined()) return Sparse<T>{w};
        const Tensor<T> kept = masked(w, m);
        expect(w.rank() >= 2, "sparse: ", at.str(), " is ", w.shape(), "; want a weight (out, in, …)");
        const std::int64_t rows = w.shape()[0], cols = w.shape().inner(0);
        auto weight = std::make_shared<typename Sparse<T>::Weight>();
        weight->shape = w.shape();
        weight->matrix = CsrMatrix<T>::from(kept.data(), rows, cols, cols);
        Sparse<T> s;
        s.weight = std::move(weight);
        return s;
      },
      mask);
}

}  // namespace prune
}  // namespace tenzo
