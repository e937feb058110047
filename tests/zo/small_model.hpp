// What the tests of zeroth-order optimization share: a small model of every kind of leaf, and its losses.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "tenzo/core/parallel.hpp"
#include "tenzo/core/random.hpp"
#include "tenzo/nn/embedding.hpp"
#include "tenzo/nn/linear.hpp"
#include "tenzo/nn/norm.hpp"
#include "tenzo/ops/cross_entropy.hpp"
#include "tenzo/ops/elementwise.hpp"
#include "tenzo/tree/algebra.hpp"
#include "tenzo/zo/estimators.hpp"

namespace tenzo::test {

/// Rows are no multiples of the noise's blocks where the formats allow it; 32 is a block of the quantised ones.
template <class V>
struct SmallModel {
  Embedding<V> table;  // (23, 32)
  Linear<V> hidden;    // (37, 32)
  LayerNorm<V> norm;   // (37)
  Linear<V> out;       // (5, 37), tables of plain formats only

  static void visit(auto&& f, auto&... self) {
    f("table", self.table...);
    f("hidden", self.hidden...);
    f("norm", self.norm...);
    f("out", self.out...);
  }

  V logits(const Indices& ids) const { return out(norm(gelu(hidden(table(ids))))); }  // (n) -> (n, 5)
};

inline const Indices ids = Indices::from({6}, {3, 22, 0, 3, 17, 9});
inline const Indices labels = Indices::from({6}, {0, 4, 2, 1, 1, 3});

/// The mean cross entropy of the model on a small batch.
inline constexpr auto loss = [](const auto& m) { return cross_entropy(m.logits(ids), labels); };

inline Tensor<float> noise(const Shape& shape, std::uint32_t number, float size) {
  Tensor<float> t(shape);
  fill_matrix(Law::normal, NoiseKey{.seed = 5, .tensor = number}, t.matrix_rows(), t.matrix_cols(), t.data());
  scale_(t, size);
  return t;
}

inline StoredTensor stored(const Tensor<float>& values, DType type) {
  StoredTensor t(type, values.shape());
  t.encode(values.data());
  return t;
}

/// Weights as they come from a file: matrices of the given format (f32 where its blocks do not fit), vectors of float.
inline SmallModel<StoredTensor> small_model(DType matrices = DType::f32) {
  const auto wide = is_quantized(matrices) ? DType::f32 : matrices;
  Tensor<float> gain = noise({37}, 5, 0.1f);
  for (float& x : gain.values()) x += 1;
  SmallModel<StoredTensor> m;
  m.table.weight = stored(noise({23, 32}, 1, 0.5f), matrices);
  m.hidden.weight = stored(noise({37, 32}, 2, 0.3f), matrices);
  m.hidden.bias = stored(noise({37}, 3, 0.1f), DType::f32);
  m.norm.weight = stored(gain, DType::f32);
  m.norm.bias = stored(noise({37}, 6, 0.1f), DType::f32);
  m.out.weight = stored(noise({5, 37}, 4, 0.3f), wide);
  return m;
}

/// The weights as tensors of float of their own.
template <template <class> class M>
M<Tensor<float>> decoded(const M<StoredTensor>& m) {
  return map_tree<Tensor<float>>(m, [](const StoredTensor& w) {
    Tensor<float> t(w.shape());
    w.decode(t.data());
    return t;
  });
}

template <class A>
std::string bits_of(const A& tree) {
  std::string all;
  for_each_leaf(
      [&](const Path&, const auto& x) {
        if constexpr (requires { x.bytes(); })
          all.append(reinterpret_cast<const char*>(x.bytes().data()), x.bytes().size());
        else all.append(reinterpret_cast<const char*>(x.data()), std::size_t(x.size()) * sizeof(*x.data()));
      },
      tree);
  return all;
}

/// Runs with a number of threads, and puts the old one back.
class Threads {
 public:
  explicit Threads(int n) : before_(threads()) { set_threads(n); }
  ~Threads() { set_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

}  // namespace tenzo::test
