// What is written for other programs: GGUF and safetensors files of the LLaMA family, adapters in peft's layout.
#include <doctest/doctest.h>

#include <cmath>
#include <utility>

#include "../io/files.hpp"
#include "tenzo/io/safetensors.hpp"
#include "tenzo/models/gguf_export.hpp"
#include "tenzo/models/peft_export.hpp"
#include "tiny_llama.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

std::vector<float> scores(const Llama<StoredTensor>& m) {
  const auto t = as_tensors<float>(m);
  const auto y = t.logits(t.batch(packed({{3, 17, 5, 39}, {7, 8}})));
  return rows_of(y, 0, y.dim(0));
}

std::vector<float> values(const StoredTensor& w) {
  std::vector<float> out(static_cast<std::size_t>(w.size()));
  w.decode(out.data());
  return out;
}

GgufFile written(const TestFolder& folder, const Llama<StoredTensor>& m, DType type) {
  write_llama_gguf(folder / "m.gguf", m, llama_gguf_keys(m.config, "tiny", type), type);
  return GgufFile::open(folder / "m.gguf");
}

/// Of n seeded normal numbers, as a stored tensor.
StoredTensor normals(const Shape& shape, std::uint32_t number) {
  Tensor<float> t(shape);
  fill_matrix(Law::normal, NoiseKey{.seed = 9, .tensor = number}, shape[0], shape[1], t.data());
  return StoredTensor::from(t);
}

}  // namespace

TEST_CASE("export: a GGUF file scores as the model, whichever the rotary layout") {
  LlamaConfig mistral = tiny_config(), qwen = mistral, all_heads = mistral;
  mistral.sliding_window = 3;
  qwen.qkv_bias = qwen.tie_word_embeddings = true;
  all_heads.num_key_value_heads = 4;
  all_heads.head_dim = 6;  // not hidden / heads
  for (const LlamaConfig& c : {tiny_config(), mistral, qwen, all_heads}) {
    const TestFolder folder;
    const auto m = random_llama(c);
    const GgufFile file = written(folder, m, DType::f32);
    const auto back = load_llama(file);
    CHECK(back.config.rope_layout == (c.qkv_bias ? RopeLayout::half : RopeLayout::interleaved));
    CHECK(back.config.sliding_window == c.sliding_window);
    CHECK(back.config.head_dim == c.head_dim);
    CHECK(back.config.tie_word_embeddings == c.tie_word_embeddings);
    CHECK(largest_difference(scores(back), scores(m)) < 1e-4);
  }
}

TEST_CASE("export: matrices are rounded to the format asked for, vectors are not") {
  const auto m = random_llama(tiny_config());
  const TestFolder folder;
  const GgufFile file = written(folder, m, DType::q8_0);
  CHECK(file.tensor("blk.1.ffn_up.weight").dtype() == DType::q8_0);
  CHECK(values(file.tensor("blk.1.ffn_norm.weight")) == values(m.model.layers[1].post_attention_layernorm.weight));
  const auto exact = values(m.model.layers[1].mlp.up_proj.weight), near = values(file.tensor("blk.1.ffn_up.weight"));
  for (std::size_t block = 0; block < exact.size(); block += 32) {
    float largest = 0;
    for (std::size_t i = block; i < block + 32; ++i) largest = std::max(largest, std::abs(exact[i]));
    for (std::size_t i = block; i < block + 32; ++i)
      CHECK(std::abs(near[i] - exact[i]) <= largest * (0.5f / 127 + 1e-3f));
  }
}

TEST_CASE("export: what a GGUF file has no place for is refused") {
  const TestFolder folder;
  LlamaConfig biased = tiny_config();
  biased.mlp_bias = true;
  CHECK_THROWS_AS(llama_gguf_keys(biased, "tiny", DType::f32), ValueError);
  auto m = random_llama(tiny_config());
  add_adapters(m, {.scheme = Scheme::lora});
  CHECK_THROWS_AS(written(folder, m, DType::f32), ValueError);
  CHECK(folder.count() == 0);
}

TEST_CASE("export: factors of peft's layout give the merged weights, in halves") {
  for (const RopeLayout layout : {RopeLayout::half, RopeLayout::interleaved}) {
    LlamaConfig c = tiny_config();
    c.rope_layout = layout;
    auto m = random_llama(c);
    const AdapterOptions o{.scheme = Scheme::lora, .first_layer = 1, .rank = 4, .alpha = 8, .seed = 2};
    add_adapters(m, o);
    std::uint32_t number = 0;
    for (std::size_t i = 1; i < m.depth(); ++i)
      for (auto* p : {&m.model.layers[i].self_attn.q_proj, &m.model.layers[i].self_attn.v_proj})
        p->lora_b = normals(p->lora_b.shape(), number++);
    const TestFolder folder;
    write_peft_adapter(folder / "adapter", m, o, "base");
    const auto file = SafetensorsFile::open(folder / "adapter/adapter_model.safetensors");
    CHECK(file.tensors().size() == 2 * 2 * 2);
    auto merged = m;
    merge_adapters(merged);
    for (const std::string name : {"q_proj", "v_proj"}) {
      const auto turned = [&](const StoredTensor& w) {
        return values(layout == RopeLayout::interleaved && name == "q_proj" ? halves_from_interleaved(w, c.head_dim)
                                                                            : w);
      };
      const auto of = [&](const Llama<StoredTensor>& from) {
        const auto& a = from.model.layers[2].self_attn;
        return turned((name == "q_proj" ? a.q_proj : a.v_proj).weight);
      };
      const std::string at = "base_model.model.model.layers.2.self_attn." + name;
      const StoredTensor* a = file.tensors().find(at + ".lora_A.weight");
      const StoredTensor* b = file.tensors().find(at + ".lora_B.weight");
      REQUIRE(a);
      REQUIRE(b);
      const auto va = values(*a), vb = values(*b), before = of(m), after = of(merged);
      const std::size_t out = std::size_t(b->shape()[0]), in = std::size_t(a->shape()[1]);
      for (std::size_t i = 0; i < out; ++i)
        for (std::size_t j = 0; j < in; ++j) {
          double change = 0;
          for (std::size_t k = 0; k < 4; ++k) change += 2.0 * double(vb[i * 4 + k]) * double(va[k * in + j]);
          CHECK(double(after[i * in + j]) == doctest::Approx(double(before[i * in + j]) + change).epsilon(1e-5));
        }
    }
    const auto config = nlohmann::json::parse(read_file(folder / "adapter/adapter_config.json"));
    CHECK(config["r"] == 4);
    CHECK(config["lora_alpha"] == 8);
    CHECK(config["layers_to_transform"] == std::vector<int>{1, 2});
  }
}

TEST_CASE("export: a prefix of peft's layout has its keys turned by its length, its values as they are") {
  LlamaConfig c = tiny_config();
  auto m = random_llama(c);
  const AdapterOptions o{.scheme = Scheme::prefix, .prefix = 3, .seed = 4};
  add_adapters(m, o);
  const TestFolder folder;
  write_peft_adapter(folder / "adapter", m, o, "base");
  const auto file = SafetensorsFile::open(folder / "adapter/adapter_model.safetensors");
  const StoredTensor* all = file.tensors().find("prompt_embeddings");
  REQUIRE(all);
  const std::int64_t kv = c.num_key_value_heads * c.head_dim;
  REQUIRE(all->shape() == Shape{3, c.num_hidden_layers * 2 * kv});
  const auto got = values(*all);
  for (std::int64_t layer = 0; layer < c.num_hidden_layers; ++layer) {
    const auto& a = m.model.layers[std::size_t(layer)].self_attn;
    const auto key = values(a.prefix_key), value = values(a.prefix_value);
    for (std::int64_t i = 0; i < 3; ++i)
      for (std::int64_t head = 0; head < c.num_key_value_heads; ++head)
        for (std::int64_t pair = 0; pair < c.head_dim / 2; ++pair) {
          const double angle = 3 * std::pow(c.rope_theta, -2.0 * double(pair) / double(c.head_dim));
          const auto from = std::size_t(i * kv + head * c.head_dim + pair);
          const auto to = std::size_t(i * c.num_hidden_layers * 2 * kv + layer * 2 * kv + head * c.head_dim + pair);
          const auto half = std::size_t(c.head_dim / 2);
          const double x = double(key[from]), y = double(key[from + half]);
          CHECK(double(got[to]) == doctest::Approx(x * std::cos(angle) - y * std::sin(angle)).epsilon(1e-5));
          CHECK(double(got[to + half]) == doctest::Approx(y * std::cos(angle) + x * std::sin(angle)).epsilon(1e-5));
          CHECK(got[to + std::size_t(kv)] == value[from]);
        }
  }
}
