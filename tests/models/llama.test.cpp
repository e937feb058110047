// The LLaMA family: packing, caching, prefixes and prompts change what is computed together, never what is computed.
#include "tenzo/models/llama.hpp"

#include <doctest/doctest.h>

#include "tiny_llama.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

using M = Llama<Tensor<double>>;

const std::vector<int> text{3, 17, 5, 5, 39, 0, 21, 8, 8, 30, 2};

std::vector<LlamaConfig> kinds() {
  LlamaConfig llama = tiny_config(), mistral = llama, qwen = llama, gguf = llama, all_heads = llama;
  mistral.sliding_window = 4;
  qwen.qkv_bias = true;
  qwen.tie_word_embeddings = true;
  gguf.rope_layout = RopeLayout::interleaved;
  all_heads.num_key_value_heads = 4;
  all_heads.head_dim = 6;  // not hidden / heads
  all_heads.output_bias = all_heads.mlp_bias = true;
  return {llama, mistral, qwen, gguf, all_heads};
}

/// The scores behind each token, by the whole sequence at once.
std::vector<double> whole(const M& m, const std::vector<int>& ids) {
  const auto y = m.logits(m.batch(packed({ids})));
  return rows_of(y, 0, y.dim(0));
}

/// Sums of at most 48 products of numbers of order one in double, through three layers.
constexpr double rounding = 1e-12;

}  // namespace

TEST_CASE("llama: a packed batch has the bits of its sequences alone") {
  for (const LlamaConfig& c : kinds()) {
    const auto stored = random_llama(c);
    const Llama<Tensor<float>> m = as_tensors<float>(stored);
    const std::vector<std::vector<int>> sequences{text, {7}, {1, 2, 3, 4, 5, 6}, {9, 9}};
    const auto together = m.logits(m.batch(packed(sequences)));
    CHECK(together.shape() == Shape{20, c.vocab_size});
    std::int64_t row = 0;
    for (const auto& s : sequences) {
      const auto alone = m.logits(m.batch(packed({s})));
      const auto n = std::int64_t(s.size());
      CHECK(rows_of(together, row, row + n) == rows_of(alone, 0, n));
      row += n;
    }
  }
}

TEST_CASE("llama: no token sees the ones behind it, nor beyond the window") {
  const LlamaConfig c = tiny_config();
  const M m = as_tensors<double>(random_llama(c));
  std::vector<int> other = text;
  other[8] = 1;
  const auto a = whole(m, text), b = whole(m, other);
  const std::size_t cut = 8 * std::size_t(c.vocab_size);
  CHECK(std::equal(a.begin(), a.begin() + cut, b.begin()));
  CHECK_FALSE(std::equal(a.begin() + cut, a.end(), b.begin() + cut));

  // Three layers of a window of 4 reach 9 tokens back: the last of 11 does not see the first.
  LlamaConfig windowed = c;
  windowed.sliding_window = 4;
  const M w = as_tensors<double>(random_llama(windowed));
  other = text;
  other[0] = 1;
  const auto p = whole(w, text), q = whole(w, other);
  const auto row = [&](const std::vector<double>& y, std::size_t i) {
    return std::vector<double>(y.begin() + i * c.vocab_size, y.begin() + (i + 1) * c.vocab_size);
  };
  CHECK(row(p, 10) == row(q, 10));
  CHECK(row(p, 9) != row(q, 9));
}

TEST_CASE("llama: tokens one by one or in pieces through the cache give the scores of the whole") {
  for (const LlamaConfig& c : kinds()) {
    const M m = as_tensors<double>(random_llama(c));
    const auto want = whole(m, text);
    for (const std::size_t piece : {1u, 2u, 5u, 11u}) {
      KeyValueCache<Tensor<double>> cache;
      for (std::size_t at = 0; at < text.size(); at += piece) {
        const std::size_t n = std::min(piece, text.size() - at);
        PackedTokens next;
        next.append(std::span(text).subspan(at, n), cache.tokens);
        const auto y = m.next_logits(std::move(next), cache);
        REQUIRE(y.shape() == Shape{1, c.vocab_size});
        const std::vector<double> row(want.begin() + (at + n - 1) * c.vocab_size,
                                      want.begin() + (at + n) * c.vocab_size);
        CHECK(largest_difference(rows_of(y, 0, 1), row) < rounding);
      }
      CHECK(cache.tokens == std::int64_t(text.size()));
    }
  }
}

TEST_CASE("llama: a prompt of embeddings is as good as the tokens that they are of") {
  const LlamaConfig c = tiny_config();
  const M m = as_tensors<double>(random_llama(c));
  M prompted = m;
  prompted.model.prompt = Tensor<double>(Shape{2, c.hidden_size});
  for (std::int64_t j = 0; j < c.hidden_size; ++j) {
    prompted.model.prompt(0, j) = m.model.embed_tokens.weight(13, j);
    prompted.model.prompt(1, j) = m.model.embed_tokens.weight(4, j);
  }
  const auto b = prompted.batch(packed({{3, 17, 5}, {8}}));
  CHECK(b.ends == std::vector<std::int64_t>{5, 8});
  const auto y = prompted.logits(b);
  CHECK(y.shape() == Shape{8, c.vocab_size});
  CHECK(largest_difference(rows_of(y, 0, 5), whole(m, {13, 4, 3, 17, 5})) < rounding);
  CHECK(largest_difference(rows_of(y, 5, 8), whole(m, {13, 4, 8})) < rounding);
}

TEST_CASE("llama: a prefix of keys and values is seen by all, takes no position, and the cache begins with it") {
  const LlamaConfig c = tiny_config();
  const M m = as_tensors<double>(random_llama(c));
  M prefixed = m;
  std::uint32_t number = 900;
  for (auto& layer : prefixed.model.layers)
    for (Tensor<double>* t : {&layer.self_attn.prefix_key, &layer.self_attn.prefix_value}) {
      *t = Tensor<double>(Shape{5, c.num_key_value_heads * c.head_dim});
      fill_matrix(Law::normal, NoiseKey{.seed = 3, .tensor = number++}, 5, t->dim(1), t->data());
    }
  const auto b = prefixed.batch(packed({text, {7, 8}}));
  CHECK(b.ends == std::vector<std::int64_t>{11, 13});
  const auto y = prefixed.logits(b);
  const auto one = prefixed.logits(prefixed.batch(packed({{7, 8}})));
  CHECK(largest_difference(rows_of(y, 11, 13), rows_of(one, 0, 2)) == 0);
  CHECK(largest_difference(rows_of(y, 0, 11), whole(m, text)) > 1e-3);

  KeyValueCache<Tensor<double>> cache;
  for (std::size_t at = 0; at < text.size(); ++at) {
    PackedTokens next;
    next.append(std::span(text).subspan(at, 1), cache.tokens);
    const auto logits = prefixed.next_logits(std::move(next), cache);
    const auto row = std::int64_t(at);
    CHECK(largest_difference(rows_of(logits, 0, 1), rows_of(y, row, row + 1)) < rounding);
  }
  CHECK(cache.tokens == 11);
  CHECK(cache.layers[0].key.dim(0) == 16);
}

TEST_CASE("llama: leaves have the ecosystem's names, and are those that the configuration asks for") {
  const auto names = [](const LlamaConfig& c) {
    std::vector<std::string> all;
    const Llama<Expected> spec = llama_spec(c);
    for_each_leaf([&](const Path& at, const Expected&) { all.push_back(at.str()); }, spec);
    return all;
  };
  LlamaConfig c = tiny_config();
  const auto all = names(c);
  CHECK(all.size() == 3 + 3 * 9);
  CHECK(all.front() == "model.embed_tokens.weight");
  CHECK(all[1] == "model.layers.0.input_layernorm.weight");
  CHECK(all[2] == "model.layers.0.self_attn.q_proj.weight");
  CHECK(all.back() == "lm_head.weight");
  c.tie_word_embeddings = c.qkv_bias = true;
  CHECK(names(c).size() == 2 + 3 * 12);
  CHECK(names(c)[3] == "model.layers.0.self_attn.q_proj.bias");
}

TEST_CASE("llama: a configuration that can not be says why") {
  LlamaConfig c = tiny_config();
  check_config(c, "config.json");
  c.num_key_value_heads = 3;
  CHECK_THROWS_WITH_AS(check_config(c, "config.json"),
                       "config.json: configuration: 4 heads are no multiple of 3 key/value heads", FileError);
  c = tiny_config();
  c.hidden_size = 0;
  CHECK_THROWS_WITH_AS(check_config(c, "config.json"), "config.json: configuration: hidden_size is 0", FileError);
  c = tiny_config();
  c.head_dim = 7;
  CHECK_THROWS_AS(check_config(c, "config.json"), FileError);
  c = tiny_config();
  c.vocab_size = std::int64_t(1) << 40;
  CHECK_THROWS_AS(check_config(c, "config.json"), FileError);
}
