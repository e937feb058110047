#include "run.hpp"

namespace zo_llm {

using namespace tenzo;

Tensor<float> HiddenCache::states(const Model& model, const Batch& examples, const ScoringBatch<LlamaBatch>& batch) {
  const auto compute = [&](const ScoringBatch<LlamaBatch>& b) {
    const auto probes = detail::as_probes(model);
    return probes.blocks(probes.embed(b.batch), b.batch, 0, from_).read(0);
  };
  if (!keep_) return compute(batch);
  std::vector<Tensor<float>> rows;
  for (const EncodedExample* e : examples) {
    Tensor<float>& h = kept_[e];
    if (!h.defined()) h = compute(scoring_batch(model, Batch{e}));
    rows.push_back(h);
  }
  Tensor<float> all = concat(rows, 0);
  // An example alone may be cut into other sequences than the batch is: then it is computed as the batch wants it.
  return all.dim(0) == batch.batch.ends.back() ? all : compute(batch);
}

}  // namespace zo_llm
