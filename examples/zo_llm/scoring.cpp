#include "scoring.hpp"

namespace zo_llm {

using namespace tenzo;

Scores score_examples(const Model& model, const std::vector<EncodedExample>& examples,
                      const std::function<void(std::int64_t)>& watch) {
  constexpr std::int64_t tokens_at_once = 512;
  Scores out;
  const auto probes = detail::as_probes(model);
  std::vector<const EncodedExample*> chunk;
  std::int64_t tokens = 0;
  const auto flush = [&] {
    if (chunk.empty()) return;
    const auto b = scoring_batch(model, chunk);
    const auto hidden = probes.blocks(probes.embed(b.batch), b.batch, 0, probes.depth());
    const Tensor<float> s = candidate_scores(probes, hidden, b).read(0);
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
