// Membership inference and the measures of unlearning: closed forms, perfect and clueless attackers, degenerate sets.
#include "tenzo/unlearn/membership.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tenzo/nn/init.hpp"
#include "tenzo/unlearn/evaluation.hpp"

using namespace tenzo;
using namespace tenzo::unlearn;

namespace {

using Labels = Tensor<std::int64_t>;

Tensor<double> column(const std::vector<double>& v) {
  return Tensor<double>::from(Shape{std::int64_t(v.size()), 1}, std::span<const double>(v));
}
Tensor<double> noise(std::int64_t n, std::uint32_t number, double shift = 0) {
  Tensor<double> x = random_normal<double>(Shape{n, 1}, initial_key(3, number));
  for (double& v : x.values()) v += shift;
  return x;
}

/// Its scores are its inputs.
template <class V>
struct Echo {
  V weight;
  static void visit(auto&& f, auto&... self) { f("weight", self.weight...); }
  template <Value X>
  auto operator()(const X& x) const {
    return mul(x, weight);
  }
};

/// n samples of two classes; `right` of them are scored right, with margin `margin` in favour of the largest.
Samples<double> scored(std::int64_t n, std::int64_t right, double margin) {
  Samples<double> s{Tensor<double>(Shape{n, 2}), Labels(Shape{n}), 2};
  for (std::int64_t i = 0; i < n; ++i) {
    s.labels(i) = i % 2;
    const bool hit = i < right;
    s.x(i, i % 2) = hit ? margin : 0;
    s.x(i, 1 - i % 2) = hit ? 0 : margin;
  }
  return s;
}

}  // namespace

TEST_CASE("membership: features in closed form") {
  // p = (1/2, 1/4, 1/4)
  const Tensor<double> z = Tensor<double>::from({2, 3}, {std::log(2.0), 0, 0, std::log(2.0), 0, 0});
  const Labels y = Labels::from({2}, {0, 2});
  const auto of = [&](Feature f) { return membership_features(z, y, f); };
  CHECK(of(Feature::confidence)(0) == doctest::Approx(0.5).epsilon(1e-14));
  CHECK(of(Feature::confidence)(1) == doctest::Approx(0.25).epsilon(1e-14));
  CHECK(of(Feature::correctness)(0) == 1);
  CHECK(of(Feature::correctness)(1) == 0);
  CHECK(of(Feature::entropy)(0) == doctest::Approx(1.5 * std::log(2.0)).epsilon(1e-14));
  const double q = std::log(0.75);  // of 1 − 1/4
  CHECK(of(Feature::modified_entropy)(0) == doctest::Approx(-0.5 * std::log(0.5) - 2 * 0.25 * q).epsilon(1e-14));
  CHECK(of(Feature::modified_entropy)(1) ==
        doctest::Approx(-0.75 * std::log(0.25) - 0.5 * std::log(0.5) - 0.25 * q).epsilon(1e-14));
  CHECK(of(Feature::scaled_confidence)(0) == doctest::Approx(0).epsilon(1e-14));
  CHECK(of(Feature::scaled_confidence)(1) == doctest::Approx(std::log(1.0 / 3)).epsilon(1e-14));
  const auto p = of(Feature::probabilities);
  CHECK(p.shape() == Shape{2, 3});
  CHECK(p(1, 0) == doctest::Approx(0.5).epsilon(1e-14));
}

TEST_CASE("membership: a model that has diverged tells nothing, and can be attacked") {
  const float none = std::numeric_limits<float>::quiet_NaN(), most = std::numeric_limits<float>::infinity();
  const Tensor<float> z = Tensor<float>::from({3, 3}, {none, 1, 2, 0, most, 0, 4, 4, 4});
  const Labels y = Labels::from({3}, {0, 1, 2});
  for (const Feature f : all_features) {
    if (f == Feature::correctness) continue;
    const auto x = membership_features(z, y, f);
    const std::int64_t width = x.shape()[1];
    for (std::int64_t i = 0; i < 2; ++i)
      for (std::int64_t j = 0; j < width; ++j) CHECK(x(i, j) == doctest::Approx(x(2, j)));
    CHECK(std::isfinite(membership_attack(x, x, x)));
  }
}

TEST_CASE("membership: features are finite and keep their order where probabilities saturate") {
  const Tensor<float> z = Tensor<float>::from({3, 2}, {900, 0, 950, 0, 0, 900});
  const Labels y = Labels::from({3}, {0, 0, 0});
  for (const Feature f : all_features)
    for (const double v : membership_features(z, y, f).values()) CHECK(std::isfinite(v));
  const auto phi = membership_features(z, y, Feature::scaled_confidence);
  CHECK(phi(0) == 900);
  CHECK(phi(1) == 950);
  CHECK(phi(2) == -900);
  CHECK(membership_features(z, y, Feature::modified_entropy)(2) == doctest::Approx(1800));
  CHECK(membership_features(Tensor<float>(Shape{0, 2}), Labels(Shape{0}), Feature::entropy).shape() == Shape{0, 1});
}

TEST_CASE("threshold: the best cut, either way round, by balanced accuracy") {
  const Threshold up = best_threshold(column({3, 4, 5, 1}), column({0, 2, 1}));
  CHECK(up.at == 2.5);
  CHECK(up.members_above);
  CHECK(up.accuracy == doctest::Approx(0.875));
  const Threshold down = best_threshold(column({0, 1}), column({7, 9, 1, 8, 8}));
  CHECK(down.at == 4);
  CHECK_FALSE(down.members_above);
  CHECK(down.accuracy == doctest::Approx(0.9));
  CHECK(down.member(1));
  const Threshold none = best_threshold(column({1, 1}), column({1}));
  CHECK(none.accuracy == 0.5);
  CHECK(none.member(-1e300));
  CHECK_THROWS_AS(best_threshold(column({}), column({1})), ValueError);
  CHECK_THROWS_AS(best_threshold(column({NAN}), column({1})), ValueError);
}

TEST_CASE("membership: an attacker who sees everything, and one who sees nothing") {
  const Tensor<double> members = noise(80, 1, 20), others = noise(80, 2);
  for (const Attacker a : {Attacker::svm, Attacker::threshold}) {
    CAPTURE(name_of(a));
    CHECK(membership_attack(members, others, members, a) == 0);
    CHECK(membership_attack(members, others, others, a) == 100);
    // The same numbers for both: no better than chance, all are members.
    const Tensor<double> equal = Tensor<double>::full({50, 1}, 0.7);
    CHECK(membership_attack(equal, equal, equal, a) == 0);
    // One law for both and 2,000 fresh targets. The attacker calls some share of that law members whatever it does;
    // the share of targets from the law is near that of others from it: 6 deviations of two means are 6 √(1/4 / 2000)
    // √2.
    const Tensor<double> m = noise(150, 3), o = noise(150, 4);
    const double one = membership_attack(m, o, noise(2000, 5), a), two = membership_attack(m, o, noise(2000, 6), a);
    CHECK(std::abs(one - two) < 9.5);
  }
}

TEST_CASE("membership: on one feature of two laws the machine agrees with the cut") {
  const Tensor<double> members = noise(200, 7, 3), others = noise(200, 8), targets = noise(400, 9, 1.5);
  const double svm = membership_attack(members, others, targets, Attacker::svm);
  const double cut = membership_attack(members, others, targets, Attacker::threshold);
  CHECK(std::abs(svm - cut) < 15);  // both near 1.5, where the targets' density is 0.4: ±0.2 of the cut is 16 points
  CHECK(std::abs(svm - 50) < 15);
}

TEST_CASE("evaluation: accuracies are counted, in percent") {
  const Echo<Tensor<double>> model{Tensor<double>::ones({1, 2})};
  const auto forget = scored(10, 7, 1), retain = scored(40, 40, 5), test = scored(20, 13, 1);
  const Evaluation e = evaluate(model, forget, retain, test, {.all_attacks = true});
  CHECK(e.ua == doctest::Approx(30));
  CHECK(e.ra == 100);
  CHECK(e.ta == doctest::Approx(65));
  // Members have confidence σ(5), others σ(±1): those of the forget set are others to the last.
  CHECK(e.mia == 100);
  CHECK(e.attacks.size() == 11);
  for (const AttackResult& a : e.attacks) {
    CAPTURE(name_of(a.feature));
    // Correctness calls strangers those who are wrong, three of ten; the others see the margin.
    CHECK(a.efficacy == doctest::Approx(a.feature == Feature::correctness ? 30 : 100));
  }
  // With a shadow set that looks like the members nothing can be told: everything is a member.
  CHECK(evaluate(model, retain, retain, test, {}, &retain).mia == 0);
}

TEST_CASE("evaluation: the gap is a mean of four distances") {
  const Evaluation a{.ua = 5, .ra = 100, .ta = 90, .mia = 20, .attacks = {}};
  const Evaluation b{.ua = 7, .ra = 99, .ta = 94, .mia = 5, .attacks = {}};
  CHECK(average_gap(a, b) == doctest::Approx((2 + 1 + 4 + 15) / 4.0));
  CHECK(average_gap(b, a) == average_gap(a, b));
  CHECK(average_gap(a, a) == 0);
}

TEST_CASE("membership: what has no answer is a sentence") {
  const Tensor<double> one = column({1, 2}), two(Shape{2, 2}), none(Shape{0, 1});
  CHECK_THROWS_WITH_AS(membership_attack(one, one, none),
                       "membership attack: 2 members, 2 others, 0 targets; want some of each", ValueError);
  CHECK_THROWS_AS(membership_attack(one, none, one), ValueError);
  CHECK_THROWS_AS(membership_attack(one, one, two), ShapeError);
  CHECK_THROWS_AS(membership_attack(two, two, two, Attacker::threshold), ShapeError);
  CHECK_THROWS_WITH_AS(membership_features(one, Labels::from({2}, {0, 0}), Feature::confidence),
                       "membership: scores of 1 classes; want two or more", ValueError);
  CHECK_THROWS_AS(membership_features(two, Labels::from({2}, {0, 2}), Feature::confidence), ValueError);
  CHECK_THROWS_AS(membership_features(two, Labels::from({1}, {0}), Feature::confidence), ShapeError);
  const Echo<Tensor<double>> model{Tensor<double>::ones({1, 2})};
  const auto some = scored(4, 4, 1), empty = scored(0, 0, 1);
  CHECK_THROWS_WITH_AS(
      evaluate(model, empty, some, some),
      "evaluate: 0 samples to forget, 4 to retain, 4 for the test, 4 for the attacker; want some of each", ValueError);
  CHECK_THROWS_AS(evaluate(model, some, empty, some), ValueError);
  CHECK_THROWS_AS(evaluate(model, some, some, some, {}, &empty), ValueError);
}
