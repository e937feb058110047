// config.json: what a model can not be made of is refused before anything is made.
#include "tenzo/models/configs.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "tenzo/models/llama_config.hpp"

using namespace tenzo;
using Json = nlohmann::json;

namespace {

/// What the reader says of a configuration with some keys changed.
template <class Read>
std::string complaint(Json config, const Json& changes, Read&& read) {
  config.update(changes);
  try {
    read(JsonObject(config, "c"));
  } catch (const FileError& e) {
    return std::string(e.what()).substr(3);
  }
  return "nothing";
}

const Json t5{{"feed_forward_proj", "gated-gelu"},
              {"vocab_size", 48},
              {"d_model", 32},
              {"d_kv", 8},
              {"d_ff", 64},
              {"num_layers", 2},
              {"num_heads", 4}};
const Json bert{{"model_type", "roberta"},  {"hidden_act", "gelu"},         {"vocab_size", 48},
                {"hidden_size", 32},        {"intermediate_size", 64},      {"num_hidden_layers", 2},
                {"num_attention_heads", 4}, {"max_position_embeddings", 20}};
const Json opt{{"activation_function", "relu"}, {"vocab_size", 48},        {"hidden_size", 32}, {"ffn_dim", 64},
               {"num_hidden_layers", 2},        {"num_attention_heads", 4}};
const Json gpt2{{"activation_function", "gelu_new"}, {"vocab_size", 48}, {"n_embd", 32}, {"n_layer", 2}, {"n_head", 4}};
const Json llama{{"model_type", "llama"},   {"vocab_size", 48},       {"hidden_size", 32},
                 {"intermediate_size", 64}, {"num_hidden_layers", 2}, {"num_attention_heads", 4}};

}  // namespace

TEST_CASE("configs: as few keys as needed are enough") {
  CHECK(complaint(t5, Json::object(), t5_config) == "nothing");
  CHECK(complaint(bert, Json::object(), bert_config) == "nothing");
  CHECK(complaint(opt, Json::object(), opt_config) == "nothing");
  CHECK(complaint(gpt2, Json::object(), gpt2_config) == "nothing");
  CHECK(complaint(llama, Json::object(), llama_config) == "nothing");
  CHECK(bert_config(JsonObject(bert, "c")).first_position == 2);
}

TEST_CASE("configs: numbers of layers are bounded, since a tree is made of them") {
  const std::int64_t many = 2'000'000'000;
  CHECK(complaint(t5, {{"num_layers", many}}, t5_config) == "configuration: num_layers is 2000000000; at most 4096");
  CHECK(complaint(t5, {{"num_decoder_layers", many}}, t5_config) ==
        "configuration: num_decoder_layers is 2000000000; at most 4096");
  CHECK(complaint(bert, {{"num_hidden_layers", many}}, bert_config) ==
        "configuration: num_hidden_layers is 2000000000; at most 4096");
  CHECK(complaint(opt, {{"num_hidden_layers", many}}, opt_config) ==
        "configuration: num_hidden_layers is 2000000000; at most 4096");
  CHECK(complaint(gpt2, {{"n_layer", many}}, gpt2_config) == "configuration: n_layer is 2000000000; at most 4096");
  CHECK(complaint(llama, {{"num_hidden_layers", many}}, llama_config) ==
        "configuration: num_hidden_layers is 2000000000");
}

TEST_CASE("configs: tokens, positions and buckets are those that there are") {
  const std::int64_t last = std::numeric_limits<std::int64_t>::max();
  CHECK(complaint(bert, {{"pad_token_id", last}}, bert_config) ==
        "configuration: pad_token_id is 9223372036854775807; there are 48 tokens");
  CHECK(complaint(bert, {{"pad_token_id", -3}}, bert_config) ==
        "configuration: pad_token_id is -3; there are 48 tokens");
  CHECK(complaint(bert, {{"pad_token_id", 19}}, bert_config) == "configuration: positions begin at 20; there are 20");
  CHECK(complaint(t5, {{"decoder_start_token_id", 48}}, t5_config) ==
        "configuration: decoder_start_token_id is 48; there are 48 tokens");
  // log(max_distance / exact) would be zero, or exact itself.
  for (const auto& [buckets, distance] : {std::pair{32, 16}, {2, 128}, {1, 1}})
    CHECK(complaint(t5, {{"relative_attention_num_buckets", buckets}, {"relative_attention_max_distance", distance}},
                    t5_config) == cat("configuration: ", buckets, " buckets for distances up to ", distance,
                                      "; want 4 or more buckets, and at least as many distances"));
  CHECK(complaint(gpt2, {{"layer_norm_epsilon", -1.0}}, gpt2_config) == "configuration: layer_norm_epsilon is -1");
}

TEST_CASE("configs: texts of a file are quoted in one line") {
  CHECK(complaint(llama, {{"hidden_act", "a\nb"}}, llama_config) == "hidden_act is 'a\\x0ab'; want silu");
  CHECK(complaint(opt, {{"activation_function", "a\nb"}}, opt_config) == "activation_function is 'a\\x0ab'; want relu");
}
