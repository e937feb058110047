// What is launched for a step on a LLaMA of N sequences of equal length: by our code, and by the usual program in
// PyTorch.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "costs.hpp"
#include "tenzo/models/llama.hpp"

namespace tenzo::roofline {

/// Launches alike.
struct Launch {
  std::string what;    // in our sequences the kernel's name
  std::string detail;  // sizes
  std::int64_t count;
  Cost cost;  // of one
};

struct Sequence {
  std::vector<Launch> launches;

  void add(std::string what, std::string detail, std::int64_t count, const Cost& cost) {
    if (count > 0) launches.push_back({std::move(what), std::move(detail), count, cost});
  }
  std::int64_t count() const {
    std::int64_t n = 0;
    for (const Launch& l : launches) n += l.count;
    return n;
  }
  Sequence then(const Sequence& next) const {
    Sequence all = *this;
    all.launches.insert(all.launches.end(), next.launches.begin(), next.launches.end());
    return all;
  }
};

/// The loss of benchmarks/language_model.cpp: of each sequence the last token's scores of `choices` words.
struct Task {
  LlamaConfig config;
  std::int64_t sequences, length, choices = 2;
  int weight_bytes = 4;  // of matrices; norms are float

  std::int64_t tokens() const { return sequences * length; }
  AttentionProblem attention() const {
    AttentionProblem p;
    p.heads = config.num_attention_heads, p.kv_heads = config.num_key_value_heads, p.head_dim = config.head_dim;
    p.causal = true, p.window = config.sliding_window;
    for (std::int64_t s = 0; s < sequences; ++s) p.sequences.push_back({s * length, length, s * length, length});
    return p;
  }
  RopeShape rope(std::int64_t heads) const {
    const std::int64_t d = config.head_dim;
    return {tokens(), heads, d, d / 2, config.rope_layout, false, {heads * d, d}, {heads * d, d}};
  }
};

/// SmolLM2-135M, 16 sequences of 32 tokens.
inline Task smollm2(int weight_bytes) {
  LlamaConfig c;
  c.vocab_size = 49152;
  c.hidden_size = 576;
  c.intermediate_size = 1536;
  c.num_hidden_layers = 30;
  c.num_attention_heads = 9;
  c.num_key_value_heads = 3;
  c.head_dim = 64;
  c.tie_word_embeddings = true;
  c.rope_layout = RopeLayout::interleaved;
  return {c, 16, 32, 2, weight_bytes};
}

/// Sizes of a layer's products, and how many there are of each; `joined`, those of the same x in one.
struct LayerProduct {
  const char* what;
  std::int64_t count, n, k;
};
inline std::vector<LayerProduct> layer_products(const LlamaConfig& c, bool joined = false) {
  const std::int64_t h = c.hidden_size, q = c.num_attention_heads * c.head_dim, kv = c.num_key_value_heads * c.head_dim;
  if (joined)
    return {{"q k v", 1, q + 2 * kv, h},
            {"o", 1, h, q},
            {"gate up", 1, 2 * c.intermediate_size, h},
            {"down", 1, h, c.intermediate_size}};
  return {{"q", 1, q, h},
          {"k, v", 2, kv, h},
          {"o", 1, h, q},
          {"gate, up", 2, c.intermediate_size, h},
          {"down", 1, h, c.intermediate_size}};
}

inline std::string sizes(std::int64_t m, std::int64_t k, std::int64_t n) {
  return std::to_string(m) + " x " + std::to_string(k) + " · " + std::to_string(k) + " x " + std::to_string(n);
}

// ── ours ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/// How the products of a forward pass are made.
enum class Products {
  perturbed,  // both sides of a probe in one pass, their noise drawn in the product
  stored,     // our product, without noise
  library     // cuBLAS in float
};

/// What could be otherwise, to see what it would bring.
struct Changes {
  std::span<const ProductTile> tiles = {};  // from which `better` chooses; else as it is
  std::function<bool(const Cost&, const Cost&)> better = {};
  bool joined = false;          // products of the same x in one launch
  bool through_memory = false;  // a weight of both sides is written once, and multiplied by a library

  Cost product(const Task& t, int sides, bool noisy, std::int64_t n, std::int64_t k) const {
    Cost best = roofline::product(sides, noisy, t.tokens(), n, k, t.weight_bytes);
    for (const ProductTile& tile : tiles) {
      const Cost c = roofline::product(tile, sides, noisy, t.tokens(), n, k, t.weight_bytes);
      if (better(c, best)) best = c;
    }
    return best;
  }
};

/// Both sides of a probe, or one plain forward pass.
inline Sequence forward(const Task& t, Products products, const Changes& changes = {}) {
  const LlamaConfig& c = t.config;
  const bool probe = products == Products::perturbed;
  const std::int64_t sides = probe ? 2 : 1, m = t.tokens(), h = c.hidden_size, layers = c.num_hidden_layers;
  const int terms = probe ? 1 : 0;
  Sequence s;
  const auto rows = [&](const char* what, std::int64_t n) {
    const auto cost = perturbed_rows(n, h, int(sides), terms, t.weight_bytes, true);
    s.add("PerturbedRowsKernel", what, 1, cost);
  };
  const auto norms = [&](std::int64_t of_rows, std::int64_t count) {
    if (probe) s.add("PerturbedRowsKernel", "weight of a norm", count, perturbed_rows(1, h, 2, 1, 4, false));
    s.add("RmsNormKernel", std::to_string(of_rows) + " x " + std::to_string(h), sides * count, rms_norm(of_rows, h));
  };
  rows("embedding", m);
  norms(m, 2 * layers);
  for (const LayerProduct& p : layer_products(c, changes.joined)) {
    const std::string what = std::string(p.what) + ": " + sizes(m, p.k, p.n);
    const bool written = probe && changes.through_memory;
    if (written)
      s.add("PerturbedRowsKernel", what, layers * p.count, perturbed_rows(p.n, p.k, 2, terms, t.weight_bytes, false));
    if (written || products == Products::library)
      s.add("cublasSgemm", what, sides * layers * p.count, library_product(m, p.n, p.k));
    else s.add("ProductKernel", what, layers * p.count, changes.product(t, int(sides), probe, p.n, p.k));
  }
  s.add("RopeKernel", "queries", sides * layers, rope(t.rope(c.num_attention_heads)));
  s.add("RopeKernel", "keys", sides * layers, rope(t.rope(c.num_key_value_heads)));
  s.add("AttentionForwardKernel", "", sides * layers, attention(t.attention()));
  s.add("MapKernel", "residual", 2 * sides * layers, map(m * h, 2));
  s.add("GatedKernel", "", sides * layers, gated(m * c.intermediate_size));
  s.add("SelectRowsKernel", "last tokens", sides, select_rows(t.sequences, h));
  norms(t.sequences, 1);
  rows("words", t.choices);
  s.add("cublasSgemm", "scores", sides, library_product(t.sequences, t.choices, h));
  s.add("CrossEntropyKernel", "", sides, cross_entropy(t.sequences, t.choices));
  s.add("SumRowKernel", "", sides, sum_rows(1, t.sequences));
  s.add("MapKernel", "mean", sides, map(1, 1, 1, false));
  return s;
}

/// f(leaf's shape, how many such leaves there are) in the order of their names.
template <class F>
void for_each_leaf_shape(const LlamaConfig& c, F&& f) {
  std::vector<std::pair<Shape, std::int64_t>> all;
  const Llama<Expected> spec = llama_spec(c);
  for_each_leaf(
      [&](const Path&, const Expected& leaf) {
        for (auto& [shape, count] : all)
          if (shape == leaf.shape()) {
            ++count;
            return;
          }
        all.emplace_back(leaf.shape(), 1);
      },
      spec);
  for (const auto& [shape, count] : all) f(shape, count);
}

/// The update of all leaves along one direction: a launch for each type of weight.
inline Sequence update(const Task& t) {
  std::vector<LeafSize> matrices, others;
  const Llama<Expected> spec = llama_spec(t.config);
  for_each_leaf(
      [&](const Path&, const Expected& leaf) {
        const Shape& shape = leaf.shape();
        const std::int64_t cols = shape.dim(-1);
        const bool norm = shape.rank() == 1 && t.weight_bytes != 4;
        (norm ? others : matrices).push_back({shape.numel() / cols, cols});
      },
      spec);
  Sequence s;
  const auto add = [&](const char* what, const std::vector<LeafSize>& leaves, int bytes) {
    if (!leaves.empty()) s.add("DescendKernel", what, 1, descend_all(leaves, 1, bytes));
  };
  add(t.weight_bytes == 4 ? "all leaves" : "matrices", matrices, t.weight_bytes);
  add("norms", others, 4);
  return s;
}

// ── the usual program in PyTorch ─────────────────────────────────────────────────────────────────────────────────────

/// An element-wise operation: what it reads and writes of weights and of what was just made, in numbers of `bytes`.
inline Cost torch_operation(double weights, double others, int bytes) {
  Cost c;
  c.weights = bytes * weights;
  c.activations = bytes * others;
  c.loaded = c.weights + c.activations;
  return c;
}

/// How the published code perturbs, or the least that separate operations can do.
enum class Perturbing { published, least };

/// MeZO on transformers' LlamaForCausalLM in eager mode: three perturbations, two forwards, and the update.
///   Source  princeton-nlp/MeZO, large_models/trainer.py; transformers, models/llama/modeling_llama.py with attention
///   by
///           scaled_dot_product_attention, without padding.
inline Sequence torch_step(const Task& t, Perturbing how) {
  const LlamaConfig& c = t.config;
  const int bytes = t.weight_bytes;
  const bool half = bytes == 2;
  const double m = double(t.tokens()), h = double(c.hidden_size), d = double(c.head_dim),
               i = double(c.intermediate_size);
  const double q = double(c.num_attention_heads) * d, kv = double(c.num_key_value_heads) * d;
  const std::int64_t forwards = 2, of_layers = forwards * c.num_hidden_layers;
  Sequence s;
  const auto op = [&](const char* what, std::int64_t count, double numbers) {
    s.add(what, "", count, torch_operation(0, numbers, bytes));
  };

  for_each_leaf_shape(c, [&](const Shape& shape, std::int64_t leaves) {
    const double n = double(shape.numel());
    const std::int64_t decays = shape.rank() > 1;
    const auto each = [&](const char* what, std::int64_t count, double weights, double others) {
      s.add(what, "", count * leaves, torch_operation(weights * n, others * n, bytes));
    };
    // θ = θ + scale z ε, three times; θ = θ − lr (g z + decay θ), without decay for norms
    each("normal", 4, 0, 1);
    if (how == Perturbing::published) {
      each("scale * z", 3, 0, 2);
      each("… * eps", 3, 0, 2);
      each("weight + …", 3, 2, 1);
      each("g * z", 1, 0, 2);
      each("decay * weight", decays, 1, 1);
      each("… + …", decays, 0, 3);
      each("lr * …", 1, 0, 2);
      each("weight - …", 1, 2, 1);
    } else {
      each("scale * z", 4, 0, 2);
      each("weight + …", 4, 2, 1);
    }
  });

  s.add("embedding", "", forwards, torch_operation(m * h, m * h, bytes));
  op("angles: product, cat, cos, sin, scale", 6 * forwards, m * d);
  const std::int64_t norms = 2 * of_layers;
  if (half) op("norm: to float, and back", 2 * norms, 1.5 * m * h);
  op("norm: square", norms, 2 * m * h);
  op("norm: mean", norms, m * h);
  op("norm: + eps, rsqrt", 2 * norms, 2 * m);
  op("norm: x * …, weight * …", 2 * norms, 2 * m * h);
  for (const LayerProduct& p : layer_products(c))
    s.add("product", std::string(p.what) + ": " + sizes(t.tokens(), p.k, p.n), of_layers * p.count,
          library_product(t.tokens(), p.n, p.k, bytes, half));
  for (const double heads : {q, kv}) {
    op("rotary: x * cos, rotated * sin", 2 * of_layers, 2 * m * heads);
    op("rotary: negative", of_layers, m * heads);
    op("rotary: cat", of_layers, 2 * m * heads);
    op("rotary: +", of_layers, 3 * m * heads);
  }
  op("keys and values of a group, repeated", 2 * of_layers, m * (kv + q));
  Cost attend = torch_operation(0, 4 * m * q, bytes);
  (half ? attend.tensor_fmas : attend.float_operations) = m * double(t.length) * q;  // half of the square, twice
  s.add("attention", "", of_layers, attend);
  op("heads to rows", of_layers, 2 * m * q);
  op("residual", 2 * of_layers, 3 * m * h);
  op("silu", of_layers, 2 * m * i);
  op("gate * up", of_layers, 3 * m * i);
  op("head: last tokens, norm, words, scores, log_softmax, gather, mean", 14 * forwards, double(t.sequences) * h);
  return s;
}

}  // namespace tenzo::roofline
