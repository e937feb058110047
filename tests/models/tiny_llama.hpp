// What the tests of models share: a LLaMA of a few thousand arbitrary weights.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "tenzo/core/random.hpp"
#include "tenzo/models/llama.hpp"
#include "tenzo/tree/algebra.hpp"

namespace tenzo::test {

inline LlamaConfig tiny_config() {
  LlamaConfig c;
  c.vocab_size = 40;
  c.hidden_size = 32;
  c.intermediate_size = 48;
  c.num_hidden_layers = 3;
  c.num_attention_heads = 4;
  c.num_key_value_heads = 2;
  c.head_dim = 8;
  c.max_position_embeddings = 64;
  c.rms_norm_eps = 1e-5;
  return c;
}

/// The model of a configuration with normal weights, of a size that keeps every layer alive.
inline Llama<StoredTensor> random_llama(const LlamaConfig& c) {
  std::uint32_t number = 0;
  return map_tree<StoredTensor>(llama_spec(c), [&](const Path& at, const Expected& want) {
    Tensor<float> t(want.shape());
    fill_matrix(Law::normal, NoiseKey{.seed = 3, .tensor = number++}, t.matrix_rows(), t.matrix_cols(), t.data());
    const bool norm = at.str().find("norm") != std::string::npos;
    for (float& x : t.values()) x = norm ? 1 + 0.2f * x : x * (t.rank() == 2 ? 0.25f : 0.1f);
    return StoredTensor::from(t);
  });
}

template <class T>
Llama<Tensor<T>> as_tensors(const Llama<StoredTensor>& m) {
  return map_tree<Tensor<T>>(m, [](const StoredTensor& w) { return w.to<T>().clone(); });
}

inline PackedTokens packed(const std::vector<std::vector<int>>& sequences) {
  PackedTokens p;
  for (const auto& s : sequences) p.append(s);
  return p;
}

/// Rows [begin, end) of t as a plain list.
template <class T>
std::vector<T> rows_of(const Tensor<T>& t, std::int64_t begin, std::int64_t end) {
  const auto part = t.rows(begin, end);
  return {part.values().begin(), part.values().end()};
}

template <class T>
double largest_difference(const std::vector<T>& a, const std::vector<T>& b) {
  if (a.size() != b.size()) return INFINITY;
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(double(a[i]) - double(b[i])));
  return worst;
}

}  // namespace tenzo::test
