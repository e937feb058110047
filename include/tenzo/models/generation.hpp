// Text generation: greedy, or sampled by temperature, top-k and top-p.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "tenzo/core/compiled.hpp"
#include "tenzo/core/philox.hpp"
#include "tenzo/models/llama.hpp"

namespace tenzo {

struct SamplingOptions {
  double temperature = 0;  // 0: the most likely token
  std::int64_t top_k = 0;  // keep the k most likely; 0: all
  double top_p = 1;        // keep the most likely that together have this probability
  std::uint64_t seed = 1;  // step i draws from counter i: the same seed gives the same text
};

/// A token drawn from scores (vocab).  Source  top-p: Holtzman et al. 2020.
TENZO_COMPILED int sample_token(std::span<const float> logits, const SamplingOptions& o, std::uint32_t step);

#if TENZO_DEFINES(models)
TENZO_COMPILED int sample_token(std::span<const float> logits, const SamplingOptions& o, std::uint32_t step) {
  require(o.temperature >= 0 && o.top_p > 0 && o.top_p <= 1 && o.top_k >= 0, "sampling: temperature ", o.temperature,
          ", top_k ", o.top_k, ", top_p ", o.top_p);
  const auto best = std::max_element(logits.begin(), logits.end());
  if (o.temperature == 0) return int(best - logits.begin());
  std::vector<int> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return logits[std::size_t(a)] > logits[std::size_t(b)]; });
  if (o.top_k > 0) order.resize(std::min(order.size(), std::size_t(o.top_k)));
  std::vector<double> p;
  double total = 0;
  for (const int i : order)
    total += p.emplace_back(std::exp((double(logits[std::size_t(i)]) - double(*best)) / o.temperature));
  double kept = 0;
  std::size_t n = 0;
  while (n < p.size() && (n == 0 || kept < o.top_p * total)) kept += p[n++];
  const auto words = philox4x32({step, 0, 0, 0}, o.seed);
  double u = (double(words[0]) * 0x1p-32 + double(words[1]) * 0x1p-64) * kept;
  for (std::size_t i = 0; i < n; ++i)
    if ((u -= p[i]) < 0) return order[i];
  return order[n - 1];
}
#endif

/// Continues a sequence of tokens; `emit(token)` is called for each new one and ends the text by returning false.
///   `scores(y)` gives the (1, vocab) of a model's value as a plain tensor. The context's end ends the text, too.
template <template <class> class M, class V, class Scores, class Emit>
void generate(const M<V>& model, const std::vector<int>& prompt, std::int64_t most, const SamplingOptions& o,
              Scores&& scores, Emit&& emit) {
  require(!prompt.empty(), "generation: an empty prompt");
  KeyValueCache<V> cache;
  PackedTokens next;
  next.append(prompt);
  for (std::int64_t i = 0; i < most && cache.tokens + next.tokens() <= model.config.max_position_embeddings; ++i) {
    const auto logits = scores(model.next_logits(std::move(next), cache));
    const int token = sample_token(logits.values(), o, std::uint32_t(i));
    if (!emit(token)) return;
    next = PackedTokens();
    next.append(std::span<const int>(&token, 1), cache.tokens);
  }
}

}  // namespace tenzo
