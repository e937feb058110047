// Scoring the candidate answers of text examples with a causal language model, and the losses that train it.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "tenzo/core/compiled.hpp"
#include "tenzo/io/task.hpp"
#include "tenzo/io/tokenizer.hpp"
#include "tenzo/models/packed.hpp"
#include "tenzo/ops/cross_entropy.hpp"
#include "tenzo/ops/index.hpp"
#include "tenzo/ops/matmul.hpp"

namespace tenzo {

/// A text example as tokens.
struct EncodedExample {
  std::vector<int> prompt;
  std::vector<std::vector<int>> full;       // prompt and candidate, tokenised together
  std::vector<std::int64_t> option_length;  // tokens of each candidate: those of `full` beyond the prompt's number
  int label = 0;

  /// Whether each candidate is one token behind the same prompt: then one forward pass of the prompt scores them all.
  bool single_token() const {
    for (std::size_t c = 0; c < full.size(); ++c)
      if (option_length[c] != 1 || !std::equal(prompt.begin(), prompt.end(), full[c].begin())) return false;
    return true;
  }
};

/// Tokenises an example; what is too long for the context loses its beginning.
///   Throws ValueError where a candidate adds no token, or fills the context alone.
TENZO_COMPILED EncodedExample encode(const Tokenizer& tokenizer, const TextExample& e, std::int64_t context);

#if TENZO_DEFINES(tasks)
TENZO_COMPILED EncodedExample encode(const Tokenizer& tokenizer, const TextExample& e, std::int64_t context) {
  EncodedExample out;
  out.label = e.label;
  out.prompt = tokenizer.encode(e.prompt, true);
  std::int64_t longest = 0;
  for (const std::string& c : e.candidates) {
    out.full.push_back(tokenizer.encode(e.prompt + c, true));
    out.option_length.push_back(std::int64_t(out.full.back().size()) - std::int64_t(out.prompt.size()));
    require(out.option_length.back() > 0, "the answer '", c, "' adds no token to the prompt '", e.prompt, "'");
    require(out.option_length.back() < context, "the answer '", c, "' is longer than the context of ", context,
            " tokens");
    longest = std::max(longest, std::int64_t(out.full.back().size()));
  }
  if (longest > context) {
    const auto cut = std::ptrdiff_t(longest - context);
    out.prompt.erase(out.prompt.begin(),
                     out.prompt.begin() + std::min<std::ptrdiff_t>(cut, std::ptrdiff_t(out.prompt.size()) - 1));
    for (auto& f : out.full) f.erase(f.begin(), f.begin() + cut);
  }
  return out;
}
#endif

/// Examples ready to be scored by a model: which sequences go through it, and which of its rows are read.
template <class Batch>
struct ScoringBatch {
  Batch batch;
  Indices rows;                     // of the hidden states, whose next token is scored
  Indices targets;                  // the tokens scored there; for single-token candidates, those tokens once
  std::vector<std::int64_t> owner;  // candidate (example · candidates + c) that a row belongs to
  Indices labels;                   // (examples)
  std::int64_t candidates = 0;
  bool single = false;
};

/// The batch of some examples, for a model that gives a `Batch` from packed tokens.
template <class Model>
ScoringBatch<typename Model::Batch> scoring_batch(const Model& model, std::span<const EncodedExample* const> examples) {
  using Batch = typename Model::Batch;
  require(!examples.empty(), "scoring: no examples");
  const auto n = std::int64_t(examples.size()), candidates = std::int64_t(examples[0]->full.size());
  bool single = true;
  for (const EncodedExample* e : examples) {
    require(std::int64_t(e->full.size()) == candidates, "scoring: examples with different numbers of candidates");
    single = single && e->single_token();
    for (std::size_t c = 0; single && c < e->full.size(); ++c)
      single = e->full[c].back() == examples[0]->full[c].back();
  }
  PackedTokens packed;
  std::vector<std::int64_t> rows, targets, owner, labels;
  for (const EncodedExample* e : examples) {
    labels.push_back(e->label);
    if (single) packed.append(e->prompt);
    else
      for (const auto& f : e->full) packed.append(f);
  }
  Batch batch = model.batch(std::move(packed));
  if (single) {
    for (std::int64_t s = 0; s < n; ++s) rows.push_back(batch.ends[std::size_t(s)] - 1);
    for (const auto& f : examples[0]->full) targets.push_back(f.back());
  } else {
    for (std::int64_t i = 0; i < n; ++i)
      for (std::int64_t c = 0; c < candidates; ++c) {
        const auto& e = *examples[std::size_t(i)];
        const auto& f = e.full[std::size_t(c)];
        const std::int64_t s = i * candidates + c, end = batch.ends[std::size_t(s)],
                           o = e.option_length[std::size_t(c)];
        for (std::int64_t k = std::max<std::int64_t>(0, o + 1 - std::int64_t(f.size())); k < o; ++k) {
          rows.push_back(end - o + k - 1);
          targets.push_back(f[f.size() - std::size_t(o) + std::size_t(k)]);
          owner.push_back(s);
        }
      }
  }
  const auto indices = [](const std::vector<std::int64_t>& v) {
    return Indices::from(Shape{std::int64_t(v.size())}, v);
  };
  return ScoringBatch<Batch>{std::move(batch), indices(rows), indices(targets), std::move(owner), indices(labels),
                             candidates,       single};
}

/// Scores of the candidates from the hidden states behind the last block: (tokens, hidden) → (examples, candidates).
///   The score of a candidate is the mean log-probability of its tokens. Of single-token candidates it is given up to a
///   constant of the example: the logit, for the normaliser is the same for all of them.
template <class Model, Value V, class Batch>
V candidate_scores(const Model& model, const V& hidden, const ScoringBatch<Batch>& b) {
  const V h = model.finish(index_select(hidden, 0, b.rows));
  const std::int64_t n = b.labels.size();
  if (b.single) return linear(h, embedding(model.head(), b.targets));
  const V losses = cross_entropy(linear(h, model.head()), b.targets, {.reduction = Reduction::none});  // (rows)
  using T = scalar_t<V>;
  std::vector<T> count(std::size_t(n * b.candidates), T(0));
  for (const std::int64_t o : b.owner) count[std::size_t(o)] += T(1);
  Tensor<T> mean = Tensor<T>::zeros(Shape{n * b.candidates, b.rows.size()});
  for (std::int64_t r = 0; r < b.rows.size(); ++r) {
    const std::int64_t o = b.owner[std::size_t(r)];
    mean(o, r) = T(-1) / count[std::size_t(o)];
  }
  return reshape(matmul(lift<V>(mean.template to<device_t<V>>()), reshape(losses, Shape{b.rows.size(), 1})),
                 Shape{n, b.candidates});
}

/// The training loss of a batch, from the hidden states `x` before block `from`; a scalar.
///   classification: mean cross entropy of softmax(scores) against the labels. option: mean negative log-likelihood of
///   the tokens of the right candidates, long ones weighing more.
template <class Model, Value V, class Batch>
V scoring_loss(const Model& model, V x, std::size_t from, const ScoringBatch<Batch>& b, TaskLoss kind) {
  const V hidden = model.blocks(std::move(x), b.batch, from, model.depth());
  if (kind == TaskLoss::classification || b.single) return cross_entropy(candidate_scores(model, hidden, b), b.labels);
  std::vector<std::int64_t> rows, targets;
  for (std::int64_t r = 0; r < b.rows.size(); ++r) {
    const std::int64_t o = b.owner[std::size_t(r)];
    if (o % b.candidates != b.labels(o / b.candidates)) continue;
    rows.push_back(b.rows(r));
    targets.push_back(b.targets(r));
  }
  const auto indices = [](const std::vector<std::int64_t>& v) {
    return Indices::from(Shape{std::int64_t(v.size())}, v);
  };
  return cross_entropy(linear(model.finish(index_select(hidden, 0, indices(rows))), model.head()), indices(targets));
}
template <class Model, class Batch>
auto scoring_loss(const Model& model, const ScoringBatch<Batch>& b, TaskLoss kind) -> decltype(model.embed(b.batch)) {
  return scoring_loss(model, model.embed(b.batch), 0, b, kind);
}

/// How well scores separate the labels.
struct ScoreSummary {
  std::int64_t examples = 0;
  double accuracy = 0;             // share whose label has the highest score
  double calibrated_accuracy = 0;  // two candidates: with the median of the score difference as the threshold
  double auc = 0;                  // two candidates: area under the ROC curve of the score difference; ties count half
  double loss = 0;                 // mean cross entropy of softmax(scores)
};

/// From scores (examples, candidates), row-major. With other than two candidates the calibrated accuracy is the
/// accuracy and the area 0.5. An example with a score that is not finite counts as wrong, and as undecided where scores
/// are ranked.
TENZO_COMPILED ScoreSummary summarise_scores(std::span<const double> scores, std::span<const int> labels,
                                             std::int64_t candidates);

#if TENZO_DEFINES(tasks)
TENZO_COMPILED ScoreSummary summarise_scores(std::span<const double> scores, std::span<const int> labels,
                                             std::int64_t candidates) {
  ScoreSummary s;
  s.examples = std::int64_t(labels.size());
  const double n = double(std::max<std::int64_t>(1, s.examples));
  std::vector<double> margin;
  std::int64_t right = 0;
  for (std::int64_t i = 0; i < s.examples; ++i) {
    const auto row = scores.subspan(std::size_t(i * candidates), std::size_t(candidates));
    const auto best = std::max_element(row.begin(), row.end());
    double total = 0;
    for (const double x : row) total += std::exp(x - *best);
    s.loss += (std::log(total) + *best - row[std::size_t(labels[std::size_t(i)])]) / n;
    const bool finite = std::all_of(row.begin(), row.end(), [](double x) { return std::isfinite(x); });
    right += finite && best - row.begin() == labels[std::size_t(i)];
    if (candidates == 2) margin.push_back(finite ? row[1] - row[0] : 0);
  }
  s.accuracy = double(right) / n;
  s.calibrated_accuracy = s.accuracy;
  s.auc = 0.5;
  if (candidates != 2 || s.examples == 0) return s;
  std::vector<std::size_t> order(margin.size());
  std::iota(order.begin(), order.end(), std::size_t(0));
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return margin[a] < margin[b]; });
  const double median = 0.5 * (margin[order[(order.size() - 1) / 2]] + margin[order[order.size() / 2]]);
  right = 0;
  double rank_sum = 0, positives = 0;
  for (std::size_t i = 0; i < order.size();) {
    std::size_t end = i;
    while (end < order.size() && margin[order[end]] == margin[order[i]]) ++end;
    for (std::size_t k = i; k < end; ++k) {
      const bool positive = labels[order[k]] == 1;
      if (positive) rank_sum += 0.5 * double(i + end + 1);
      positives += positive;
      right += (margin[order[k]] > median) == positive;
    }
    i = end;
  }
  s.calibrated_accuracy = double(right) / n;
  if (positives > 0 && positives < double(s.examples))
    s.auc = (rank_sum - positives * (positives + 1) / 2) / (positives * (double(s.examples) - positives));
  return s;
}
#endif

}  // namespace tenzo
