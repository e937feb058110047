// Adapters: what they add, what they train, and that they begin where the model was.
#include "tenzo/models/adapters.hpp"

#include <doctest/doctest.h>

#include "tiny_llama.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

const std::vector<std::vector<int>> texts{{3, 17, 5, 39}, {7, 8}};

std::vector<float> scores(const Llama<StoredTensor>& m) {
  const auto t = as_tensors<float>(m);
  const auto y = t.logits(t.batch(packed(texts)));
  return rows_of(y, 0, y.dim(0));
}

std::vector<std::string> trained_names(const Llama<StoredTensor>& m, const AdapterOptions& o) {
  const auto trained = trained_leaves(m, o);
  std::vector<std::string> names;
  std::size_t n = 0;
  for_each_leaf(
      [&](const Path& at, const StoredTensor&) {
        if (trained[n++]) names.push_back(at.str());
      },
      m);
  CHECK(n == trained.size());
  return names;
}

Llama<StoredTensor> adapted(const AdapterOptions& o, LlamaConfig c = tiny_config()) {
  Llama<StoredTensor> m = random_llama(c);
  add_adapters(m, o);
  return m;
}

}  // namespace

TEST_CASE("lora: begins with the bits of the model; A within its bound, B zero") {
  const AdapterOptions o{.scheme = Scheme::lora, .rank = 4, .alpha = 16, .seed = 1};
  const Llama<StoredTensor> m = adapted(o);
  CHECK(scores(m) == scores(random_llama(tiny_config())));
  const auto& q = m.model.layers[1].self_attn.q_proj;
  CHECK(q.lora_a.shape() == Shape{4, 32});
  CHECK(q.lora_b.shape() == Shape{32, 4});
  CHECK(m.model.layers[1].self_attn.v_proj.lora_b.shape() == Shape{16, 4});
  CHECK_FALSE(m.model.layers[1].self_attn.k_proj.lora_a.defined());
  CHECK(q.lora_scale == 4);
  double largest = 0;
  for (const float x : q.lora_a.to<float>().values()) largest = std::max(largest, double(std::abs(x)));
  CHECK(largest <= 1 / std::sqrt(32.0));
  CHECK(largest > 0.9 / std::sqrt(32.0));  // of 128 uniform numbers one is in the last tenth, but once in 700,000 seeds
  CHECK(trained_names(m, o).size() == 3 * 4);
  CHECK(trained_names(m, o).front() == "model.layers.0.self_attn.q_proj.lora_A.weight");
  for (const float x : q.lora_b.to<float>().values()) CHECK(x == 0);
}

TEST_CASE("lora: seeds and layers have numbers of their own") {
  const auto a_of = [](std::uint64_t seed, std::size_t layer) {
    const auto m = adapted({.scheme = Scheme::lora, .seed = seed});
    const auto t = m.model.layers[layer].self_attn.q_proj.lora_a.to<float>();
    return std::vector<float>(t.values().begin(), t.values().end());
  };
  CHECK(a_of(1, 0) == a_of(1, 0));
  CHECK(a_of(1, 0) != a_of(2, 0));
  CHECK(a_of(1, 0) != a_of(1, 1));
}

TEST_CASE("lora: merged into the weights it computes the same") {
  const AdapterOptions o{.scheme = Scheme::lora, .first_layer = 1, .last_layer = 3, .rank = 3};
  Llama<StoredTensor> m = adapted(o);
  CHECK_FALSE(m.model.layers[0].self_attn.q_proj.lora_a.defined());
  for (std::size_t i = 1; i < 3; ++i)
    for (auto* l : {&m.model.layers[i].self_attn.q_proj, &m.model.layers[i].self_attn.v_proj}) {
      auto b = l->lora_b.to<float>();
      fill_matrix(Law::normal, NoiseKey{.seed = 9, .tensor = std::uint32_t(i)}, b.dim(0), b.dim(1), b.data());
      scale_(b, 0.1);
    }
  const auto with = scores(m);
  CHECK(largest_difference(with, scores(random_llama(tiny_config()))) > 0.1);
  merge_adapters(m);
  CHECK_FALSE(m.model.layers[1].self_attn.q_proj.lora_a.defined());
  // In float, products of 32 and 3 terms of order one, in another order of sums, through three layers.
  CHECK(largest_difference(with, scores(m)) < 2e-5);
  const auto again = scores(m);
  merge_adapters(m);
  CHECK(scores(m) == again);
}

TEST_CASE("prefix: keys and values of random tokens; the model as if they stood before the text, at no position") {
  const AdapterOptions o{.scheme = Scheme::prefix, .prefix = 3, .seed = 4};
  const Llama<StoredTensor> m = adapted(o);
  for (const auto& layer : m.model.layers) {
    CHECK(layer.self_attn.prefix_key.shape() == Shape{3, 16});
    CHECK(layer.self_attn.prefix_value.shape() == Shape{3, 16});
  }
  CHECK(trained_names(m, o).size() == 6);

  // The keys of layer 0 are those that the tokens have in a batch of their own.
  const auto base = as_tensors<float>(random_llama(tiny_config()));
  const auto ids = detail::random_tokens(4, 0x10001, 3, 40);
  const auto batch = base.batch(packed({ids}));
  const auto& block = base.model.layers[0];
  const auto h = block.input_layernorm(base.embed(batch));
  const auto key = rope(block.self_attn.k_proj(h), batch.rope), value = block.self_attn.v_proj(h);
  CHECK(rows_of(m.model.layers[0].self_attn.prefix_key.to<float>(), 0, 3) == rows_of(key, 0, 3));
  CHECK(rows_of(m.model.layers[0].self_attn.prefix_value.to<float>(), 0, 3) == rows_of(value, 0, 3));

  const Llama<StoredTensor> last = adapted({.scheme = Scheme::prefix, .first_layer = 2, .prefix = 3, .seed = 4});
  CHECK_FALSE(last.model.layers[1].self_attn.prefix_key.defined());
  CHECK(rows_of(last.model.layers[2].self_attn.prefix_key.to<float>(), 0, 3) ==
        rows_of(m.model.layers[2].self_attn.prefix_key.to<float>(), 0, 3));
}

TEST_CASE("prompt: embeddings of random tokens, as if these stood before each text") {
  const AdapterOptions o{.scheme = Scheme::prompt, .prompt = 4, .seed = 4};
  const Llama<StoredTensor> m = adapted(o);
  CHECK(m.model.prompt.shape() == Shape{4, 32});
  CHECK(trained_names(m, o) == std::vector<std::string>{"model.prompt"});
  const auto ids = detail::random_tokens(4, 0x10000, 4, 40);
  std::vector<std::vector<int>> longer;
  for (const auto& t : texts) {
    longer.push_back(ids);
    longer.back().insert(longer.back().end(), t.begin(), t.end());
  }
  const auto base = as_tensors<float>(random_llama(tiny_config()));
  const auto want = base.logits(base.batch(packed(longer)));
  CHECK(scores(m) == rows_of(want, 0, want.dim(0)));
}

TEST_CASE("head: a copy of the output vectors, apart from a tied embedding") {
  LlamaConfig tied = tiny_config();
  tied.tie_word_embeddings = true;
  const AdapterOptions o{.scheme = Scheme::head};
  for (const LlamaConfig& c : {tiny_config(), tied}) {
    const Llama<StoredTensor> m = adapted(o, c);
    CHECK(scores(m) == scores(random_llama(c)));
    CHECK(m.lm_head.shape() == Shape{40, 32});
    CHECK(m.lm_head.bytes().data() != m.model.embed_tokens.weight.bytes().data());
    CHECK(trained_names(m, o) == std::vector<std::string>{"lm_head.weight"});
  }
}

TEST_CASE("full: all leaves, or those of a range of blocks") {
  const Llama<StoredTensor> m = random_llama(tiny_config());
  CHECK(trained_names(m, {}).size() == 3 + 3 * 9);
  const AdapterOptions last{.first_layer = 2};
  CHECK(trained_names(m, last).size() == 9);
  CHECK(trained_names(m, last).front() == "model.layers.2.input_layernorm.weight");
  CHECK(trained_names(m, {.first_layer = 0, .last_layer = 1}).size() == 9);
}

TEST_CASE("adapters: where the first trained block is, so that what lies before it is computed once") {
  const Llama<StoredTensor> m = random_llama(tiny_config());
  CHECK(first_trained_block(m, {}) == 0);
  CHECK(first_trained_block(m, {.first_layer = 2}) == 2);
  CHECK(first_trained_block(m, {.scheme = Scheme::lora, .first_layer = 1}) == 1);
  CHECK(first_trained_block(m, {.scheme = Scheme::head}) == 3);
  CHECK(first_trained_block(m, {.scheme = Scheme::prompt, .first_layer = 2}) == 0);
}

TEST_CASE("adapters: names, and options that can not be") {
  CHECK(scheme_named("lora") == Scheme::lora);
  CHECK(scheme_named("head") == Scheme::head);
  CHECK_THROWS_WITH_AS(scheme_named("bitfit"), "unknown scheme 'bitfit'; want full, lora, prefix, prompt or head",
                       ValueError);
  CHECK_THROWS_WITH_AS(adapted({.first_layer = 3}), cat("layers 3:", SIZE_MAX, " of a model with 3").c_str(),
                       ValueError);
  CHECK_THROWS_WITH_AS(adapted({.scheme = Scheme::lora, .rank = 0}), "lora: rank 0 for 32 features", ValueError);
  CHECK_THROWS_AS(adapted({.scheme = Scheme::lora, .rank = 33}), ValueError);
  CHECK_THROWS_AS(adapted({.scheme = Scheme::prompt, .prompt = 64}), ValueError);
  CHECK_THROWS_AS(adapted({.scheme = Scheme::prefix, .prefix = 0}), ValueError);
}
