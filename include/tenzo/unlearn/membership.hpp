// Membership inference: how well an attacker tells from a model's scores what it was trained on.
//   Source  Song, Mittal 2021 (modified entropy); Carlini et al. 2022 (logit-scaled confidence).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "tenzo/core/tensor.hpp"
#include "tenzo/unlearn/svm.hpp"

namespace tenzo::unlearn {

/// What the attacker sees of a sample with label y and probabilities p = softmax(scores).
enum class Feature {
  confidence,         // p_y
  correctness,        // 1 where the largest score is y's, of equal ones the first; else 0
  entropy,            // −Σ pⱼ log pⱼ
  modified_entropy,   // −(1 − p_y) log p_y − Σ_{j ≠ y} pⱼ log(1 − pⱼ)
  probabilities,      // all of p: a feature a class
  scaled_confidence,  // log p_y / (1 − p_y), which does not saturate
};
inline constexpr Feature all_features[] = {Feature::confidence,    Feature::correctness,
                                           Feature::entropy,       Feature::modified_entropy,
                                           Feature::probabilities, Feature::scaled_confidence};

constexpr std::string_view name_of(Feature f) {
  switch (f) {
    case Feature::confidence: return "confidence";
    case Feature::correctness: return "correctness";
    case Feature::entropy: return "entropy";
    case Feature::modified_entropy: return "modified-entropy";
    case Feature::probabilities: return "probabilities";
    case Feature::scaled_confidence: return "scaled-confidence";
  }
  return "";
}

namespace detail {

/// log Σ eˢ over a row without element `out`; over all where that is −1.
inline double log_sum(const std::vector<double>& s, std::int64_t out = -1) {
  double top = -std::numeric_limits<double>::infinity(), sum = 0;
  for (std::size_t j = 0; j < s.size(); ++j)
    if (std::int64_t(j) != out) top = std::max(top, s[j]);
  for (std::size_t j = 0; j < s.size(); ++j)
    if (std::int64_t(j) != out) sum += std::exp(s[j] - top);
  return top + std::log(sum);
}

}  // namespace detail

/// Features of all samples, in double: (n, 1), or (n, classes) of `probabilities`.
///   scores (n, classes), labels (n)
///   Stable  all are finite: log p and log(1 − p) are taken from the scores. A sample whose scores are not all finite,
///   as
///           a model that has diverged gives them, has the features of scores that are all alike.
///   Throws  ValueError where there are fewer than two classes, or a label is outside them.
template <Real T>
Tensor<double> membership_features(const Tensor<T>& scores, const Tensor<std::int64_t>& labels, Feature feature) {
  expect(scores.rank() == 2 && labels.rank() == 1 && scores.shape()[0] == labels.size(), "membership: scores are ",
         scores.shape(), ", labels ", labels.shape(), "; want (n, classes) and (n)");
  const std::int64_t n = labels.size(), k = scores.shape()[1];
  require(k >= 2, "membership: scores of ", k, " classes; want two or more");
  Tensor<double> out(Shape{n, feature == Feature::probabilities ? k : 1});
  std::vector<double> s(static_cast<std::size_t>(k));
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t y = labels(i);
    require(y >= 0 && y < k, "membership: label ", y, " of ", k, " classes");
    std::copy_n(scores.data() + i * k, k, s.begin());
    if (!std::all_of(s.begin(), s.end(), [](double v) { return std::isfinite(v); })) std::fill(s.begin(), s.end(), 0.0);
    const auto at = [&](std::int64_t j) { return s[std::size_t(j)]; };
    const double all = detail::log_sum(s);
    // Of p above one half, 1 − p has lost its digits.
    const auto log_rest = [&](std::int64_t j) {
      const double log_p = at(j) - all;
      return log_p > -0.69 ? detail::log_sum(s, j) - all : std::log1p(-std::exp(log_p));
    };
    double f = 0;
    switch (feature) {
      case Feature::confidence: f = std::exp(at(y) - all); break;
      case Feature::correctness: f = std::max_element(s.begin(), s.end()) - s.begin() == y; break;
      case Feature::entropy:
        for (const double v : s) f -= std::exp(v - all) * (v - all);
        break;
      case Feature::modified_entropy:
        for (std::int64_t j = 0; j < k; ++j)
          f -= j == y ? std::exp(log_rest(y)) * (at(y) - all) : std::exp(at(j) - all) * log_rest(j);
        break;
      case Feature::probabilities:
        for (std::int64_t j = 0; j < k; ++j) out(i, j) = std::exp(at(j) - all);
        continue;
      case Feature::scaled_confidence: f = at(y) - detail::log_sum(s, y); break;
    }
    out(i) = f;
  }
  return out;
}

/// A cut of one feature: members lie on one side of it.
struct Threshold {
  double at = -std::numeric_limits<double>::infinity();
  bool members_above = true;
  double accuracy = 0.5;  // balanced, on the samples that it was found with

  bool member(double feature) const { return members_above ? feature > at : feature <= at; }
};

/// The cut of best balanced accuracy, ½ P(member | member) + ½ P(other | other), between the values that occur; of
/// equal ones the lowest, members above. Where none is better than chance everything is a member.
///   Throws  ValueError where a class is absent.   Cost  O(n log n).
inline Threshold best_threshold(const Tensor<double>& members, const Tensor<double>& others) {
  require(members.size() > 0 && others.size() > 0, "threshold: samples of one class alone");
  std::vector<std::pair<double, bool>> all;
  for (const double f : members.values()) all.emplace_back(f, true);
  for (const double f : others.values()) all.emplace_back(f, false);
  for (const auto& [f, member] : all) require(!std::isnan(f), "threshold: a feature that is not a number");
  std::sort(all.begin(), all.end());
  const double nm = double(members.size()), no = double(others.size());
  Threshold best;
  double members_below = 0, others_below = 0;
  for (std::size_t i = 0; i + 1 < all.size(); ++i) {
    (all[i].second ? members_below : others_below) += 1;
    const double here = all[i].first, next = all[i + 1].first;
    if (here == next) continue;
    const double above = (1 - members_below / nm + others_below / no) / 2;  // accuracy with members above
    const double middle = here + (next - here) / 2, cut = middle < next ? middle : here;
    if (above > best.accuracy + 1e-12) best = {cut, true, above};
    if (1 - above > best.accuracy + 1e-12) best = {cut, false, 1 - above};
  }
  return best;
}

enum class Attacker { svm, threshold };

constexpr std::string_view name_of(Attacker a) { return a == Attacker::svm ? "svm" : "threshold"; }

/// Efficacy of unlearning in the eyes of an attacker: the share of `targets` that are called non-members, in percent.
///   members, others, targets   features (n, d); the attacker learns from the first two
///   svm         Gaussian kernel; a decision of zero is a member, so that features that say nothing give 0
///   threshold   the best cut of one feature, or 0 where none is better than chance
///   Throws  ValueError where one of the three is empty; ShapeError for a threshold of more than one feature.
inline double membership_attack(const Tensor<double>& members, const Tensor<double>& others,
                                const Tensor<double>& targets, Attacker attacker = Attacker::svm,
                                const SvmOptions& o = {}) {
  for (const auto* set : {&members, &others, &targets})
    expect(set->rank() == 2 && set->shape()[1] == members.shape()[1], "membership attack: features ", set->shape(),
           " beside ", members.shape());
  const std::int64_t d = members.shape()[1], n = targets.shape()[0];
  require(members.size() > 0 && others.size() > 0 && n > 0, "membership attack: ", members.shape()[0], " members, ",
          others.shape()[0], " others, ", n, " targets; want some of each");
  std::int64_t strangers = 0;
  if (attacker == Attacker::threshold) {
    expect(d == 1, "membership attack: a threshold of ", d, " features; want one");
    const Threshold cut = best_threshold(members, others);
    for (const double f : targets.values()) strangers += !cut.member(f);
  } else {
    Tensor<double> x(Shape{members.shape()[0] + others.shape()[0], d});
    std::copy_n(others.data(), others.size(), std::copy_n(members.data(), members.size(), x.data()));
    std::vector<int> y(static_cast<std::size_t>(x.shape()[0]), -1);
    std::fill_n(y.begin(), members.shape()[0], 1);
    const Svm machine = train_svm(x, y, o);
    for (std::int64_t i = 0; i < n; ++i) strangers += machine({targets.data() + i * d, std::size_t(d)}) < 0;
  }
  return 100 * double(strangers) / double(n);
}

}  // namespace tenzo::unlearn
