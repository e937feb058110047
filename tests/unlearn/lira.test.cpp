// LiRA: scores in closed form, a synthetic oracle whose best accuracy is known, and models that learn by heart.
#include "tenzo/unlearn/lira.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "clusters.hpp"

using namespace tenzo;
using namespace tenzo::test;
using namespace tenzo::unlearn;

namespace {

/// n samples that are hard by far different degrees: φ ~ N(μ_i + gap · seen, s²), μ_i ~ N(0, 5²). Of K shadow models
/// and a target, half have seen each sample. The best attacker is right with probability Φ(gap / 2 s).
struct Oracle {
  std::int64_t models, n;
  Shadows shadows;
  Tensor<double> target;
  std::vector<bool> member;

  Oracle(std::int64_t models_, std::int64_t n_, double gap, double spread) : models(models_), n(n_) {
    const auto hardness = random_normal<double>(Shape{n}, initial_key(41, 0), 5);
    const auto noise = random_normal<double>(Shape{models + 1, n}, initial_key(41, 1), spread);
    shadows = {Tensor<double>(Shape{models, n}), Tensor<std::uint8_t>::zeros(Shape{models, n})};
    target = Tensor<double>(Shape{n});
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t k = 0; k < models; ++k) {
        shadows.trained(k, i) = (k + i) % 2 == 0;
        shadows.confidence(k, i) = hardness(i) + gap * shadows.trained(k, i) + noise(k, i);
      }
      member.push_back(i % 4 < 2);
      target(i) = hardness(i) + gap * member.back() + noise(models, i);
    }
  }

  std::pair<std::vector<double>, std::vector<double>> apart(const Tensor<double>& score) const {
    std::pair<std::vector<double>, std::vector<double>> out;
    for (std::int64_t i = 0; i < n; ++i) (member[std::size_t(i)] ? out.first : out.second).push_back(score(i));
    return out;
  }
  double auc(const LiraOptions& o) const {
    const auto [m, others] = apart(lira_scores(shadows, target, o));
    return attack_auc(m, others);
  }
  double accuracy(const LiraOptions& o) const {
    const auto score = lira_scores(shadows, target, o);
    double right = 0;
    for (std::int64_t i = 0; i < n; ++i) right += (score(i) > 0) == member[std::size_t(i)];
    return right / double(n);
  }
};

double normal_distribution(double x) { return std::erfc(-x / std::sqrt(2.0)) / 2; }

}  // namespace

TEST_CASE("lira: scores in closed form") {
  // in: 3, 5 (mean 4, variance 2); out: 0, 1 (mean ½, variance ½)
  const Shadows s{Tensor<double>::from({4, 1}, {3, 5, 0, 1}), Tensor<std::uint8_t>::from({4, 1}, {1, 1, 0, 0})};
  for (const double phi : {2.0, 4.0, -1.0}) {
    const auto target = Tensor<double>::full({1}, phi);
    const double want =
        -(phi - 4) * (phi - 4) / 4 - 0.5 * std::log(2.0) + (phi - 0.5) * (phi - 0.5) + 0.5 * std::log(0.5);
    CHECK(lira_scores(s, target, {.fixed_variance = false})(0) == doctest::Approx(want).epsilon(1e-13));
    CHECK(lira_scores(s, target)(0) == doctest::Approx(want).epsilon(1e-13));  // pooled over one sample: the same
    CHECK(lira_scores(s, target, {.online = false})(0) == doctest::Approx((phi - 0.5) / std::sqrt(0.5)).epsilon(1e-13));
  }
  // two samples, one of no spread: a fixed variance is the mean of both, about their own means
  const Shadows two{Tensor<double>::from({4, 2}, {3, 9, 5, 9, 0, 2, 1, 2}),
                    Tensor<std::uint8_t>::from({4, 2}, {1, 1, 1, 1, 0, 0, 0, 0})};
  const auto score = lira_scores(two, Tensor<double>::from({2}, {4, 9}));
  CHECK(score(0) == doctest::Approx((4 - 0.5) * (4 - 0.5) / 2 / 0.25 + 0.5 * std::log(0.25 / 1)).epsilon(1e-13));
  CHECK(score(1) == doctest::Approx(49 / 2. / 0.25 + 0.5 * std::log(0.25)).epsilon(1e-13));
  const auto own =
      lira_scores(two, Tensor<double>::from({2}, {4, 9}), {.fixed_variance = false, .least_deviation = 0.1});
  CHECK(own(1) == doctest::Approx(49 / 2. / 0.01).epsilon(1e-12));
}

TEST_CASE("lira: with many models it is as good as the best attacker; a threshold for all samples is not") {
  const Oracle o(64, 4000, 2, 1);
  const double best = normal_distribution(1);  // 0.841
  // of 4000 draws a share deviates by √(p (1 − p) / 4000) = 0.006
  CHECK(std::abs(o.accuracy({}) - best) < 0.03);
  CHECK(std::abs(o.accuracy({.fixed_variance = false}) - best) < 0.04);
  CHECK(std::abs(o.auc({}) - normal_distribution(2 / std::sqrt(2.0))) < 0.03);
  CHECK(o.auc({.online = false}) > o.auc({}) - 0.03);  // equal spreads: as good, but for the cut
  const auto [members, others] = o.apart(o.target);
  const double plain = attack_auc(members, others);
  CHECK(std::abs(plain - normal_distribution(2 / std::sqrt(2 * 26.0))) < 0.03);  // hardness hides what was seen
  CHECK(o.auc({}) > plain + 0.25);
  const auto [in, out] = o.apart(lira_scores(o.shadows, o.target));
  // the best cut at 1 % of the others: Φ(gap / s − 2.326)
  CHECK(std::abs(true_positives_at(0.01, in, out) - normal_distribution(2 - 2.3263)) < 0.09);
  CHECK(true_positives_at(0.01, in, out) > 5 * true_positives_at(0.01, members, others));
}

TEST_CASE("lira: with few models a fixed variance is better") {
  const Oracle o(4, 4000, 2, 1);
  const double fixed = o.accuracy({}), own = o.accuracy({.fixed_variance = false});
  MESSAGE("accuracy with 4 models: ", fixed, " and ", own);
  CHECK(fixed > own + 0.05);
  CHECK(o.auc({}) > 0.8);
}

TEST_CASE("attack figures: closed forms, ties, and degenerate rates") {
  CHECK(attack_auc({1, 2, 3}, {0}) == 1);
  CHECK(attack_auc({0}, {1, 2}) == 0);
  CHECK(attack_auc({1, 1}, {1, 1, 1}) == 0.5);
  CHECK(attack_auc({1, 3}, {2, 3}) == doctest::Approx((0 + 0 + 1 + 0.5) / 4).epsilon(1e-15));
  const double high = std::numeric_limits<double>::infinity();
  CHECK(attack_auc({high}, {-high}) == 1);
  CHECK(true_positives_at(0, {1, 2, 3}, {0, 2}) == doctest::Approx(1. / 3).epsilon(1e-15));
  CHECK(true_positives_at(0.5, {1, 2, 3}, {0, 2}) == 1);
  CHECK(true_positives_at(1, {-5}, {0, 2}) == 1);
  CHECK(true_positives_at(0.1, {2, 2}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 3}) == 1);  // a tenth is one of ten
  CHECK_THROWS_WITH_AS(attack_auc({}, {1}), "attack: 0 members and 1 others; want some of each", ValueError);
  CHECK_THROWS_AS(attack_auc({NAN}, {1}), ValueError);
  CHECK_THROWS_AS(true_positives_at(1.5, {1}, {1}), ValueError);
}

TEST_CASE("shadow models: halves that complement each other, the same bits again") {
  const auto samples = clusters<float>({{0.2, 0.2, 0}, {0.8, 0.2, 1}, {0.2, 0.8, 2}}, 7, 0.1);  // 21: odd
  const std::function fresh = [](std::uint64_t seed) { return mlp<float>(2, 6, 3, seed); };
  const TrainOptions train{.epochs = 2, .batch = 5};
  const Shadows s = train_shadows(fresh, samples, train, 6, 3);
  for (std::int64_t k = 0; k < 6; k += 2) {
    std::int64_t first = 0;
    for (std::int64_t i = 0; i < 21; ++i) {
      CHECK(s.trained(k, i) + s.trained(k + 1, i) == 1);
      first += s.trained(k, i);
    }
    CHECK(first == 10);
  }
  bool other = false;
  for (std::int64_t i = 0; i < 21; ++i) other = other || s.trained(0, i) != s.trained(2, i);
  CHECK(other);
  const int was = threads();
  set_threads(was > 1 ? 1 : 2);
  const Shadows again = train_shadows(fresh, samples, train, 6, 3);
  set_threads(was);
  CHECK(bits(again.confidence) == bits(s.confidence));
  CHECK_THROWS_WITH_AS(train_shadows(fresh, samples, train, 3, 1), "shadow models: 3; want an even number, at least 2",
                       ValueError);
}

TEST_CASE("lira: finds what a network has learnt by heart, and not what it has never seen") {
  // labels without reason in twelve dimensions: a network knows them only where it was trained on them
  Samples<float> s{random_normal<float>(Shape{80, 12}, initial_key(5, 0)), Tensor<std::int64_t>(Shape{80}), 2};
  for (std::int64_t i = 0; i < 80; ++i) s.labels(i) = (i * 7 + i / 9) % 2;
  const std::function fresh = [](std::uint64_t seed) { return mlp<float>(12, 32, 2, seed); };
  const TrainOptions train{.epochs = 60, .batch = 10};
  const Shadows shadows = train_shadows(fresh, s, train, 16, 9);
  Rows half;
  for (std::int64_t i = 0; i < 80; i += 2) half.push_back(i);
  auto m = fresh(77);
  train_(m, s.at(half), train);
  const auto score = lira_scores(
      shadows, reshape(membership_features(scores(m, s.x), s.labels, Feature::scaled_confidence), Shape{80}));
  std::vector<double> members, others;
  for (std::int64_t i = 0; i < 80; ++i) (i % 2 == 0 ? members : others).push_back(score(i));
  const double auc = attack_auc(members, others);
  MESSAGE("auc: ", auc);
  CHECK(auc > 0.85);
  // against a network that has seen none of them: by chance, to which both halves belong alike
  auto strange = fresh(78);
  const Samples<float> elsewhere{random_normal<float>(Shape{80, 12}, initial_key(5, 1)), s.labels, 2};
  train_(strange, elsewhere, train);
  const auto none = lira_scores(
      shadows, reshape(membership_features(scores(strange, s.x), s.labels, Feature::scaled_confidence), Shape{80}));
  double taken = 0;
  for (const double v : none.values()) taken += v > 0;
  MESSAGE("of 80 strangers taken for members: ", taken);
  CHECK(taken < 30);
}

TEST_CASE("lira: what cannot be is said") {
  const Shadows s{Tensor<double>::from({2, 1}, {3, 0}), Tensor<std::uint8_t>::from({2, 1}, {1, 0})};
  const auto one = Tensor<double>::full({1}, 1.);
  CHECK_THROWS_WITH_AS(lira_scores(s, one, {.fixed_variance = false}),
                       "lira: 1 shadow models trained on sample 0; want at least 2", ValueError);
  CHECK_THROWS_WITH_AS(lira_scores(s, one), "lira: one shadow model a sample has no variance", ValueError);
  const Shadows unseen{s.confidence, Tensor<std::uint8_t>::zeros({2, 1})};
  CHECK_THROWS_AS(lira_scores(unseen, one), ValueError);
  CHECK(std::isfinite(lira_scores(unseen, one, {.online = false})(0)));  // offline needs none that has seen it
  CHECK_THROWS_WITH_AS(lira_scores(unseen, Tensor<double>::full({1}, std::nan("")), {.online = false}),
                       "lira: the model says no number of sample 0", ValueError);
  const Shadows damaged{Tensor<double>::full({2, 1}, std::nan("")), unseen.trained};
  CHECK_THROWS_AS(lira_scores(damaged, one, {.online = false}), ValueError);
  CHECK_THROWS_AS(lira_scores(s, Tensor<double>::full({2}, 1.)), ShapeError);
}
