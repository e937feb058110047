#include "scoring.hpp"

namespace zo_llm {

using namespace tenzo;

Tensor<float> HiddenCache::states(const Placed& model, std::span<const EncodedExample* const> examples,
                                  const ScoringBatch<LlamaBatch>& batch) {
  const auto compute = [&](const ScoringBatch<LlamaBatch>& b) {
    return model.visit([&](const auto& m) {
      const auto probes = detail::as_probes(m);
      return probes.blocks(probes.embed(b.batch), b.batch, 0, from_).read(0).template to<Cpu>();
    });
  };
  // An example alone must be cut into the sequences that it has in the batch.
  if (!keep_ || !batch.single) return compute(batch);
  std::vector<const EncodedExample*> missing;
  for (const EncodedExample* e : examples)
    if (!kept_.contains(e)) missing.push_back(e);
  if (!missing.empty()) {
    const auto b = scoring_batch(model.host(), missing);
    const Tensor<float> all = compute(b);
    for (std::size_t i = 0; i < missing.size(); ++i)
      kept_[missing[i]] = all.rows(i == 0 ? 0 : b.batch.ends[i - 1], b.batch.ends[i]).clone();
  }
  std::vector<Tensor<float>> rows;
  for (const EncodedExample* e : examples) rows.push_back(kept_.at(e));
  return concat(rows, 0);
}

Scores score_examples(const Placed& model, const std::vector<EncodedExample>& examples,
                      const std::function<void(std::int64_t)>& watch, HiddenCache* cache) {
  constexpr std::int64_t tokens_at_once = 512;
  Scores out;
  std::vector<const EncodedExample*> chunk;
  std::int64_t tokens = 0;
  const auto flush = [&] {
    if (chunk.empty()) return;
    const auto b = scoring_batch(model.host(), chunk);
    const std::size_t from = cache ? cache->from() : 0;
    const Tensor<float> states = from > 0 ? cache->states(model, chunk, b) : Tensor<float>();
    const Tensor<float> s = model.visit([&](const auto& m) {
      const auto probes = detail::as_probes(m);
      using V = leaf_t<std::remove_cvref_t<decltype(probes)>>;
      auto before = from > 0 ? V(states.to<device_t<V>>()) : probes.embed(b.batch);
      const auto hidden = probes.blocks(std::move(before), b.batch, from, probes.depth());
      return candidate_scores(probes, hidden, b).read(0).template to<Cpu>();
    });
    out.candidates = b.candidates;
    out.values.insert(out.values.end(), s.values().begin(), s.values().end());
    for (const EncodedExample* e : chunk) out.labels.push_back(e->label);
    if (watch) watch(std::int64_t(out.labels.size()));
    chunk.clear();
    tokens = 0;
  };
  // Single-token answers and longer ones are scored differently: a chunk holds one kind.
  for (const EncodedExample& e : examples) {
    const bool single = e.single_token();
    std::int64_t n = 0;
    for (const auto& f : e.full) n += std::int64_t(f.size());
    if (single) n = std::int64_t(e.prompt.size());
    if (!chunk.empty() && (tokens + n > tokens_at_once || chunk.front()->single_token() != single)) flush();
    chunk.push_back(&e);
    tokens += n;
  }
  flush();
  return out;
}

}  // namespace zo_llm
