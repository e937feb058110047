// Scoring answers: tokens, batches, scores and losses against plain sums of log-probabilities; summaries by hand.
#include "tenzo/models/scoring.hpp"

#include <doctest/doctest.h>

#include "tenzo/io/tokenizer/lists.hpp"
#include "tiny_llama.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

using M = Llama<Tensor<double>>;

/// Single letters, the space, and the words " no" and " yes", which are one token each.
const Tokenizer& tokenizer() {
  static const Tokenizer made = [] {
    TokenizerLists lists;
    lists.tokens = {"a", "b", "c", "d", "e", "n", "o", "s", "y", "Ġ", "Ġn", "Ġno", "Ġy", "Ġye", "Ġyes"};
    lists.merges = {"Ġ n", "Ġn o", "Ġ y", "Ġy e", "Ġye s"};
    return make_tokenizer(lists);
  }();
  return made;
}

constexpr int no = 11, yes = 14;

const M& model() {
  static const M made = as_tensors<double>(random_llama(tiny_config()));
  return made;
}

/// log P(next | the tokens before it), for all tokens of a sequence but the first.
std::vector<double> log_probabilities(const std::vector<int>& ids) {
  const auto y = model().logits(model().batch(packed({ids})));
  std::vector<double> out;
  for (std::int64_t t = 0; t + 1 < y.dim(0); ++t) {
    double total = 0;
    for (std::int64_t v = 0; v < y.dim(1); ++v) total += std::exp(y(t, v));
    out.push_back(y(t, ids[std::size_t(t + 1)]) - std::log(total));
  }
  return out;
}

/// Mean log-probability of the last n tokens.
double option_score(const std::vector<int>& ids, std::int64_t n) {
  const auto all = log_probabilities(ids);
  double s = 0;
  for (std::int64_t i = 0; i < n; ++i) s += all[all.size() - 1 - std::size_t(i)];
  return s / double(n);
}

struct Scored {
  Tensor<double> scores;
  double loss;
};

Scored scored(const std::vector<EncodedExample>& examples, TaskLoss kind) {
  std::vector<const EncodedExample*> all;
  for (const auto& e : examples) all.push_back(&e);
  const auto batch = scoring_batch(model(), std::span<const EncodedExample* const>(all));
  const auto hidden = model().blocks(model().embed(batch.batch), batch.batch, 0, model().depth());
  return {candidate_scores(model(), hidden, batch), scoring_loss(model(), batch, kind).item()};
}

EncodedExample encoded(const std::string& prompt, std::vector<std::string> answers, int label,
                       std::int64_t context = 64) {
  return encode(tokenizer(), {prompt, std::move(answers), label, ""}, context);
}

/// −log softmax(scores)[label].
double cross_entropy_of(const std::vector<double>& s, int label) {
  double total = 0;
  for (const double x : s) total += std::exp(x);
  return std::log(total) - s[std::size_t(label)];
}

}  // namespace

TEST_CASE("encode: prompt, candidates, and how many tokens each adds") {
  const EncodedExample e = encoded("abc", {" no", " yes", "bad"}, 1);
  CHECK(e.prompt == std::vector<int>{0, 1, 2});
  CHECK(e.full[0] == std::vector<int>{0, 1, 2, no});
  CHECK(e.full[1] == std::vector<int>{0, 1, 2, yes});
  CHECK(e.full[2] == std::vector<int>{0, 1, 2, 1, 0, 3});
  CHECK(e.option_length == std::vector<std::int64_t>{1, 1, 3});
  CHECK(e.label == 1);
  CHECK_FALSE(e.single_token());
  CHECK(encoded("abc", {" no", " yes"}, 0).single_token());
  // A prompt whose last token melts with the answer: one more token, but not behind the prompt's.
  const EncodedExample melted = encoded("ab ", {"nod"}, 0);
  CHECK(melted.full[0] == std::vector<int>{0, 1, no, 3});
  CHECK(melted.option_length[0] == 1);
  CHECK_FALSE(melted.single_token());
  CHECK_THROWS_AS(encoded("ab ", {"no"}, 0), ValueError);
}

TEST_CASE("encode: what is too long loses its beginning, never an answer") {
  const EncodedExample e = encoded("abcde", {" no", "bad"}, 0, 5);
  CHECK(e.full[1] == std::vector<int>{3, 4, 1, 0, 3});
  CHECK(e.full[0] == std::vector<int>{3, 4, no});
  CHECK(e.prompt == std::vector<int>{3, 4});
  CHECK(e.option_length == std::vector<std::int64_t>{1, 3});
  const EncodedExample tight = encoded("abcde", {" no", "bad"}, 0, 4);
  CHECK(tight.full[1] == std::vector<int>{4, 1, 0, 3});
  CHECK(tight.full[0] == std::vector<int>{4, no});
  CHECK_THROWS_WITH_AS(encoded("abcde", {"bad"}, 0, 3), "the answer 'bad' is longer than the context of 3 tokens",
                       ValueError);
  CHECK_THROWS_WITH_AS(encoded("abc", {""}, 0), "the answer '' adds no token to the prompt 'abc'", ValueError);
  CHECK(encoded("abcde", {" no"}, 0, 6).full[0].size() == 6);
}

TEST_CASE("scores: one-token answers are read off the prompt, up to a constant of the example") {
  const std::vector<EncodedExample> examples{encoded("abc", {" no", " yes"}, 0), encoded("ddda", {" no", " yes"}, 1)};
  const Scored got = scored(examples, TaskLoss::classification);
  REQUIRE(got.scores.shape() == Shape{2, 2});
  double loss = 0;
  for (std::size_t i = 0; i < 2; ++i) {
    const auto& e = examples[i];
    const double a = option_score(e.full[0], 1), b = option_score(e.full[1], 1);
    const auto row = std::int64_t(i);
    CHECK(got.scores(row, 1) - got.scores(row, 0) == doctest::Approx(b - a).epsilon(1e-10));
    loss += cross_entropy_of({a, b}, e.label) / 2;
  }
  CHECK(got.loss == doctest::Approx(loss).epsilon(1e-10));
}

TEST_CASE("scores: longer answers by the mean log-probability of their tokens") {
  const std::vector<EncodedExample> examples{encoded("abc", {"bad", " no", "e"}, 2),
                                             encoded("d", {"cab", "aaaa", " yes"}, 0)};
  const Scored got = scored(examples, TaskLoss::classification);
  double loss = 0, likelihood = 0, tokens = 0;
  for (std::size_t i = 0; i < 2; ++i) {
    std::vector<double> want;
    for (std::size_t c = 0; c < 3; ++c) {
      want.push_back(option_score(examples[i].full[c], examples[i].option_length[c]));
      CHECK(got.scores(std::int64_t(i), std::int64_t(c)) == doctest::Approx(want.back()).epsilon(1e-10));
    }
    loss += cross_entropy_of(want, examples[i].label) / 2;
    const auto n = double(examples[i].option_length[std::size_t(examples[i].label)]);
    likelihood -= n * want[std::size_t(examples[i].label)];
    tokens += n;
  }
  CHECK(got.loss == doctest::Approx(loss).epsilon(1e-10));
  // The likelihood of the right answers, every token of the batch weighing the same.
  CHECK(scored(examples, TaskLoss::option).loss == doctest::Approx(likelihood / tokens).epsilon(1e-10));
}

TEST_CASE("scores: from hidden states behind a block, the same loss") {
  const std::vector<EncodedExample> examples{encoded("abc", {" no", " yes"}, 0)};
  const EncodedExample* all[] = {&examples[0]};
  const auto batch = scoring_batch(model(), std::span<const EncodedExample* const>(all));
  const double whole = scoring_loss(model(), batch, TaskLoss::classification).item();
  for (std::size_t from = 0; from <= 3; ++from) {
    const auto x = model().blocks(model().embed(batch.batch), batch.batch, 0, from);
    CHECK(scoring_loss(model(), x, from, batch, TaskLoss::classification).item() == whole);
  }
}

TEST_CASE("scores: batches that can not be") {
  const std::vector<const EncodedExample*> none;
  CHECK_THROWS_WITH_AS(scoring_batch(model(), std::span<const EncodedExample* const>(none)), "scoring: no examples",
                       ValueError);
  const EncodedExample two = encoded("abc", {" no", " yes"}, 0), three = encoded("abc", {"a", "b", "c"}, 0);
  const EncodedExample* mixed[] = {&two, &three};
  CHECK_THROWS_WITH_AS(scoring_batch(model(), std::span<const EncodedExample* const>(mixed)),
                       "scoring: examples with different numbers of candidates", ValueError);
}

TEST_CASE("summary: accuracy, calibrated accuracy, area and loss by hand") {
  // Differences 1, −1, 3, −2 with labels 1, 0, 1, 1: right are the first three. The median is 0: the same three.
  // Pairs of a one and the zero: (1, −1) and (3, −1) in order, (−2, −1) not: 2 of 3.
  const std::vector<double> scores{0, 1, 2, 1, -1, 2, 1, -1};
  const std::vector<int> labels{1, 0, 1, 1};
  const ScoreSummary s = summarise_scores(scores, labels, 2);
  CHECK(s.examples == 4);
  CHECK(s.accuracy == 0.75);
  CHECK(s.calibrated_accuracy == 0.75);
  CHECK(s.auc == doctest::Approx(2.0 / 3).epsilon(1e-15));
  const auto softplus = [](double x) { return std::log1p(std::exp(x)); };
  CHECK(s.loss == doctest::Approx((softplus(-1) + softplus(-1) + softplus(-3) + softplus(2)) / 4).epsilon(1e-14));
}

TEST_CASE("summary: a constant bias costs accuracy, not calibrated accuracy or area; ties count half") {
  // All differences are positive, larger for the ones.
  const std::vector<double> biased{0, 1, 0, 2, 0, 5, 0, 6};
  const std::vector<int> labels{0, 0, 1, 1};
  const ScoreSummary b = summarise_scores(biased, labels, 2);
  CHECK(b.accuracy == 0.5);
  CHECK(b.calibrated_accuracy == 1);
  CHECK(b.auc == 1);

  // Differences 1, 1, 1, 2, labels 0, 1, 0, 1: pairs of a one and a zero are two ties and two in order: 3 of 4.
  const std::vector<double> tied{0, 1, 0, 1, 0, 1, 0, 2};
  const std::vector<int> others{0, 1, 0, 1};
  const ScoreSummary t = summarise_scores(tied, others, 2);
  CHECK(t.auc == 0.75);
  CHECK(t.calibrated_accuracy == 0.75);  // above the median 1: the last alone
  const std::vector<double> all_equal(8, 0.5);
  CHECK(summarise_scores(all_equal, others, 2).auc == 0.5);
  CHECK(summarise_scores(all_equal, others, 2).accuracy == 0.5);  // of equal scores the first is taken
  CHECK(summarise_scores(all_equal, others, 2).loss == doctest::Approx(std::log(2.0)).epsilon(1e-15));
}

TEST_CASE("summary: three candidates, one class, nothing, and scores that are no numbers") {
  const std::vector<double> three{0, 2, 1, 3, 1, 2};
  const std::vector<int> labels{1, 2};
  const ScoreSummary s = summarise_scores(three, labels, 3);
  CHECK(s.accuracy == 0.5);
  CHECK(s.calibrated_accuracy == 0.5);
  CHECK(s.auc == 0.5);
  const std::vector<int> ones{1, 1, 1};
  const std::vector<double> six{0, 1, 0, -1, 0, 2};
  CHECK(summarise_scores(six, ones, 2).auc == 0.5);
  CHECK(summarise_scores({}, {}, 2).examples == 0);

  std::vector<double> broken(400, NAN);
  std::vector<int> many(200, 1);
  for (std::size_t i = 0; i < 200; i += 3) {
    many[i] = 0;
    broken[2 * i] = 1;
    broken[2 * i + 1] = double(i % 7);
  }
  const ScoreSummary n = summarise_scores(broken, many, 2);
  CHECK(std::isnan(n.loss));
  CHECK(n.accuracy >= 0);
  CHECK(n.accuracy <= 67 / 200.0);  // examples without numbers are never right
  CHECK(n.auc >= 0);
  CHECK(n.auc <= 1);
}
