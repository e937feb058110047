// Parameter-efficient fine-tuning: what is added to a LLaMA model, and which leaves are trained.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tenzo/core/compiled.hpp"
#include "tenzo/core/random.hpp"
#include "tenzo/models/llama.hpp"
#include "tenzo/tree/stored.hpp"
#include "tenzo/zo/probe.hpp"

namespace tenzo {

/// Fine-tuning schemes.
///   full    all weights
///   lora    low-rank adapters on the query and value projections: r = 8, α = 16, A Kaiming-uniform, B zero
///   prefix  5 keys and values before each sequence in every layer, at first those of 5 random tokens
///   prompt  10 embeddings before each sequence, at first those of 10 random tokens
///   head    the output vectors; of a tied model a copy, so that the input embedding stays
/// Source  Zhang et al. 2024 (ZO-LLM), section 4 and its code; Hu et al. 2021; Li, Liang 2021; Lester et al. 2021.
enum class Scheme { full, lora, prefix, prompt, head };

inline Scheme scheme_named(std::string_view name) {
  if (name == "full") return Scheme::full;
  if (name == "lora") return Scheme::lora;
  if (name == "prefix") return Scheme::prefix;
  if (name == "prompt") return Scheme::prompt;
  require(name == "head", "unknown scheme '", name, "'; want full, lora, prefix, prompt or head");
  return Scheme::head;
}

struct AdapterOptions {
  Scheme scheme = Scheme::full;
  std::size_t first_layer = 0, last_layer = SIZE_MAX;  // blocks [first, last) are adapted
  std::int64_t rank = 8, prefix = 5, prompt = 10;
  double alpha = 16;
  std::uint64_t seed = 0;
};

namespace detail {

/// Numbers of tensors that initialise adapters, apart from those of directions by their purpose.
inline NoiseKey adapter_key(std::uint64_t seed, std::uint32_t number) {
  return NoiseKey{.seed = seed, .step = 0, .query = 0, .tensor = number}.of(Purpose::initialisation);
}

/// `n` token ids, uniform over the vocabulary.
inline std::vector<int> random_tokens(std::uint64_t seed, std::uint32_t number, std::int64_t n,
                                      std::int64_t vocabulary) {
  std::vector<float> u(static_cast<std::size_t>(n));
  fill_uniform<float>(adapter_key(seed, number), 1, n, 0.f, 1.f, u.data());
  std::vector<int> ids;
  for (const float x : u)
    ids.push_back(int(std::min<double>(double(vocabulary) - 1, std::floor(double(x) * double(vocabulary)))));
  return ids;
}

inline StoredTensor stored(Tensor<float> t) { return StoredTensor::from(std::move(t)); }

/// Weights as a forward pass reads them, where they are.
template <class Stored>
Llama<zo::Probe<float, typename Stored::device>> as_probes(const Llama<Stored>& m) {
  using V = zo::Probe<float, typename Stored::device>;
  std::uint32_t leaf = 0;
  return map_tree<V>(m, [&](const Path&, const Stored& w) { return V::weight(w, leaf++, nullptr); });
}

}  // namespace detail

/// Adds the leaves that a scheme trains. Throws ValueError for a rank, length or range of layers that can not be.
TENZO_COMPILED void add_adapters(Llama<StoredTensor>& m, const AdapterOptions& o);

#if TENZO_DEFINES(models)
TENZO_COMPILED void add_adapters(Llama<StoredTensor>& m, const AdapterOptions& o) {
  const std::size_t first = o.first_layer, last = std::min(o.last_layer, m.depth());
  require(first < last, "layers ", o.first_layer, ":", o.last_layer, " of a model with ", m.depth());
  const LlamaConfig& c = m.config;
  switch (o.scheme) {
    case Scheme::full: break;
    case Scheme::head: {
      const StoredTensor& from = m.head();
      StoredTensor head(DType::f32, from.shape());
      head.assign(from);
      m.lm_head = head;
      break;
    }
    case Scheme::lora: {
      require(o.rank > 0 && o.rank <= c.hidden_size, "lora: rank ", o.rank, " for ", c.hidden_size, " features");
      for (std::size_t i = first; i < last; ++i) {
        std::uint32_t number = std::uint32_t(2 * i);
        for (Linear<StoredTensor>* l : {&m.model.layers[i].self_attn.q_proj, &m.model.layers[i].self_attn.v_proj}) {
          const std::int64_t out = l->weight.shape()[0], in = l->weight.shape()[1];
          Tensor<float> a(Shape{o.rank, in});
          const float bound = float(1 / std::sqrt(double(in)));  // Kaiming-uniform with a = √5
          fill_uniform<float>(detail::adapter_key(o.seed, number++), o.rank, in, -bound, bound, a.data());
          l->lora_a = detail::stored(a);
          l->lora_b = detail::stored(Tensor<float>::zeros(Shape{out, o.rank}));
          l->lora_scale = o.alpha / double(o.rank);
        }
      }
      break;
    }
    case Scheme::prompt: {
      require(o.prompt > 0 && o.prompt < c.max_position_embeddings, "prompt: ", o.prompt, " virtual tokens");
      const auto ids = detail::random_tokens(o.seed, 0x10000, o.prompt, c.vocab_size);
      const StoredTensor& table = m.model.embed_tokens.weight;
      Tensor<float> p(Shape{o.prompt, c.hidden_size});
      for (std::int64_t i = 0; i < o.prompt; ++i)
        table.decode(ids[std::size_t(i)], 1, 0, c.hidden_size, p.data() + i * c.hidden_size, c.hidden_size);
      m.model.prompt = detail::stored(p);
      break;
    }
    case Scheme::prefix: {
      require(o.prefix > 0 && o.prefix < c.max_position_embeddings, "prefix: ", o.prefix, " positions");
      PackedTokens tokens;
      tokens.append(detail::random_tokens(o.seed, 0x10001, o.prefix, c.vocab_size));
      const auto probes = detail::as_probes(m);
      const auto batch = probes.batch(std::move(tokens));
      auto x = probes.embed(batch);
      for (std::size_t i = 0; i < last; ++i) {
        const auto& block = probes.model.layers[i];
        const auto h = block.input_layernorm(x);
        if (i >= first) {
          m.model.layers[i].self_attn.prefix_key =
              detail::stored(rope(block.self_attn.k_proj(h), batch.rope).read(0).clone());
          m.model.layers[i].self_attn.prefix_value = detail::stored(block.self_attn.v_proj(h).read(0).clone());
        }
        x = block(x, batch);
      }
      break;
    }
  }
}
#endif

/// Which leaves a scheme trains, by their number; all others are frozen.
template <class V>
std::vector<std::uint8_t> trained_leaves(const Llama<V>& m, const AdapterOptions& o) {
  std::vector<std::uint8_t> out;
  const bool all_layers = o.first_layer == 0 && o.last_layer >= m.depth();
  for_each_leaf(
      [&](const Path& at, const V&) {
        const std::string name = at.str();
        bool in_range = all_layers;
        constexpr std::string_view layers = "model.layers.";
        if (name.starts_with(layers)) {
          const std::size_t i = std::strtoul(name.c_str() + layers.size(), nullptr, 10);
          in_range = o.first_layer <= i && i < o.last_layer;
        }
        const auto holds = [&](std::string_view part) { return name.find(part) != std::string::npos; };
        switch (o.scheme) {
          case Scheme::full: out.push_back(in_range); break;
          case Scheme::lora: out.push_back(holds(".lora_")); break;
          case Scheme::prefix: out.push_back(holds(".prefix_")); break;
          case Scheme::prompt: out.push_back(name == "model.prompt"); break;
          case Scheme::head: out.push_back(name == "lm_head.weight"); break;
        }
      },
      m);
  return out;
}

/// The first block whose output depends on a trained leaf: what comes before it is the same at all steps. The number of
/// blocks where only the head is trained.
template <class V>
std::size_t first_trained_block(const Llama<V>& m, const AdapterOptions& o) {
  switch (o.scheme) {
    case Scheme::head: return m.depth();
    case Scheme::prompt: return 0;
    default: return std::min(o.first_layer, m.depth());
  }
}

/// Folds low-rank adapters into the weights: W ← W + s B A, computed and kept in float.
TENZO_COMPILED void merge_adapters(Llama<StoredTensor>& m);

#if TENZO_DEFINES(models)
TENZO_COMPILED void merge_adapters(Llama<StoredTensor>& m) {
  for (LlamaBlock<StoredTensor>& block : m.model.layers)
    for (Linear<StoredTensor>* l : {&block.self_attn.q_proj, &block.self_attn.v_proj}) {
      if (!l->lora_a.defined()) continue;
      Tensor<float> w(l->weight.shape()), a(l->lora_a.shape()), b(l->lora_b.shape());
      l->weight.decode(w.data());
      l->lora_a.decode(a.data());
      l->lora_b.decode(b.data());
      add_to(w, scale(matmul(b, a), l->lora_scale));
      l->weight = detail::stored(w);
      l->lora_a = l->lora_b = StoredTensor();
    }
}
#endif

}  // namespace tenzo
