// Real models against tests/golden/real, from their own files. A model that is not there is skipped with a message.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "../io/real_models.hpp"
#include "tenzo/io/safetensors.hpp"
#include "tenzo/io/tokenizer/folder.hpp"
#include "tenzo/models/adapters.hpp"
#include "tenzo/models/bert.hpp"
#include "tenzo/models/configs.hpp"
#include "tenzo/models/language_model.hpp"

using namespace tenzo;

#if !defined(__SANITIZE_ADDRESS__)  // minutes there, and only numbers are asked
TEST_CASE("real: SmolLM2's log-probabilities and likeliest tokens, from its quantised file") {
  const std::string path = model_file("TENZO_SMOLLM2", "smollm2/SmolLM2-135M-Instruct.Q4_1.gguf");
  const auto expected = golden("smollm2.json");
  if (path.empty()) return;
  const double tolerance = expected["tolerance"]["log_probability"];
  const LanguageModel m = load_language_model(path, WeightFormat::file);
  const auto probes = detail::as_probes(m.model);
  double worst = 0;
  int scored = 0;
  for (const auto& text : expected["texts"]) {
    if (!text.contains("token_log_probabilities")) continue;  // its ids are all that is known
    ++scored;
    const auto ids = text["ids"].get<std::vector<int>>();
    PackedTokens tokens;
    tokens.append(ids);
    const Tensor<float> logits = probes.logits(probes.batch(std::move(tokens))).read(0);
    const std::int64_t vocabulary = logits.dim(1);
    const auto log_probability = [&](std::size_t row, int id) {
      const float* z = logits.data() + std::int64_t(row) * vocabulary;
      double total = 0;
      for (std::int64_t i = 0; i < vocabulary; ++i) total += std::exp(double(z[i]));
      return double(z[id]) - std::log(total);
    };
    const auto want = text["token_log_probabilities"].get<std::vector<double>>();
    REQUIRE(want.size() + 1 == ids.size());
    for (std::size_t i = 0; i < want.size(); ++i)
      worst = std::max(worst, std::abs(log_probability(i, ids[i + 1]) - want[i]));
    for (const auto& top : text["next_top5"])
      worst = std::max(worst, std::abs(log_probability(ids.size() - 1, top[0].get<int>()) - top[1].get<double>()));
  }
  CHECK(worst <= tolerance);
  CHECK(scored >= 8);
}
#endif

TEST_CASE("real: MiniLM's sentence embeddings, from its folder") {
  const std::string path = model_file("TENZO_MINILM", "minilm");
  const auto expected = golden("minilm.json");
  if (path.empty()) return;
  const double least = expected["tolerance"]["embedding_cosine"];
  const auto file = SafetensorsFile::open(path + "/model.safetensors");
  const auto m = load_tree<Bert>(
      bert_spec(bert_config(JsonObject::open(path + "/config.json"))),
      [&](const std::string& leaf) { return file.tensors().find(leaf); }, path);
  const auto t = map_tree<Tensor<float>>(m, [](const StoredTensor& w) { return w.to<float>(); });
  for (const auto& text : expected["texts"]) {
    PackedTokens tokens;
    tokens.append(text["ids"].get<std::vector<int>>());
    const auto batch = t.batch(std::move(tokens));
    const Tensor<float> e = mean_pool_normalized(t(batch), batch);
    const auto want = text["embedding"].get<std::vector<double>>();
    REQUIRE(std::size_t(e.size()) == want.size());
    double dot = 0, norm = 0;
    for (std::size_t i = 0; i < want.size(); ++i) {
      dot += want[i] * double(e(std::int64_t(i)));
      norm += want[i] * want[i];
    }
    CHECK(dot / std::sqrt(norm) >= least);
  }
}
