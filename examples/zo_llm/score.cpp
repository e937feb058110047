#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <numeric>

#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "files.hpp"
#include "tenzo/io/atomic_file.hpp"

namespace zo_llm {

using namespace tenzo;

namespace {

/// log softmax of a row.
std::vector<double> log_probabilities(const float* logits, std::int64_t n) {
  const double top = *std::max_element(logits, logits + n);
  double total = 0;
  for (std::int64_t i = 0; i < n; ++i) total += std::exp(double(logits[i]) - top);
  const double lse = top + std::log(total);
  std::vector<double> out;
  for (std::int64_t i = 0; i < n; ++i) out.push_back(double(logits[i]) - lse);
  return out;
}

}  // namespace

int score(const Score& o) {
  apply_machine_options(o);
  check_outputs({o.model, o.text}, {o.json});
  check_file(o.json);
  LanguageModel m = load_language_model(o.model, weight_format(o.dtype));
  const Placed model(m.model, device_named(o.device));
  if (std::filesystem::is_directory(o.text)) throw FileError(o.text, -1, "is a folder, not a file");
  std::ifstream file(o.text);
  if (!file) throw FileError(o.text, -1, "can not be opened");
  nlohmann::ordered_json out = {{"model", o.model}, {"texts", nlohmann::ordered_json::array()}};
  std::int64_t lines = 0;
  for (std::string line; std::getline(file, line); ++lines) {
    std::vector<int> ids = m.tokenizer.encode(line, true);
    require(std::int64_t(ids.size()) <= m.model.config.max_position_embeddings, "line ", lines + 1, " has ", ids.size(),
            " tokens; the context has ", m.model.config.max_position_embeddings);
    nlohmann::ordered_json entry = {{"text", line}, {"ids", ids}};
    std::vector<double> log_probability;
    std::vector<std::pair<int, double>> top;
    if (!ids.empty()) {
      PackedTokens tokens;
      tokens.append(ids);
      const Tensor<float> logits = model.visit([&](const auto& weights) {
        const auto probes = detail::as_probes(weights);
        return probes.logits(probes.batch(std::move(tokens))).read(0).template to<Cpu>();
      });
      check_finite(o.model, logits.values());
      const std::int64_t vocab = logits.dim(1);
      for (std::size_t i = 0; i < ids.size(); ++i) {
        const auto p = log_probabilities(std::as_const(logits).data() + std::int64_t(i) * vocab, vocab);
        if (i + 1 < ids.size()) {
          log_probability.push_back(p[std::size_t(ids[i + 1])]);
          continue;
        }
        std::vector<int> order(static_cast<std::size_t>(vocab));
        std::iota(order.begin(), order.end(), 0);
        const auto n = std::min<std::ptrdiff_t>(5, std::ptrdiff_t(vocab));
        std::partial_sort(order.begin(), order.begin() + n, order.end(),
                          [&](int a, int b) { return p[std::size_t(a)] > p[std::size_t(b)]; });
        for (std::ptrdiff_t k = 0; k < n; ++k)
          top.emplace_back(order[std::size_t(k)], p[std::size_t(order[std::size_t(k)])]);
      }
    }
    entry["token_log_probabilities"] = log_probability;
    entry["next_top5"] = top;
    std::printf("%zu tokens, mean log-probability %.4f\n", ids.size(),
                log_probability.empty() ? 0.0
                                        : std::accumulate(log_probability.begin(), log_probability.end(), 0.0) /
                                              double(log_probability.size()));
    out["texts"].push_back(std::move(entry));
  }
  if (lines == 0) throw FileError(o.text, 0, "is empty");
  if (!o.json.empty()) write_file(o.json, out.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  return 0;
}

}  // namespace zo_llm
