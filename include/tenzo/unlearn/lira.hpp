// LiRA: membership inference sample by sample, from what shadow models say of a sample with and without it.
//   Source  Carlini et al. 2022, "Membership inference attacks from first principles".
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include "tenzo/core/permutation.hpp"
#include "tenzo/train/classifier.hpp"
#include "tenzo/unlearn/membership.hpp"

namespace tenzo::unlearn {

/// What K shadow models say of n samples: φ = log p_y / (1 − p_y), which is nearly normal over models, and which of the
/// samples each was trained on.
struct Shadows {
  Tensor<double> confidence;     // (K, n)
  Tensor<std::uint8_t> trained;  // (K, n); not 0: the model has seen the sample
};

/// K models trained on a random half of the samples each; models 2k and 2k + 1 on halves that complement each other, so
/// that every sample is in K/2 of them.
///   fresh(seed)   a model before training
///   Cost    K trainings on n/2 samples, and K passes over all.
///   Bits    a function of the seed, the options, the samples and `fresh`.
///   Throws  ValueError unless K is even and above 0, and there are two samples.
template <Tree M, Real T>
Shadows train_shadows(const std::function<M(std::uint64_t)>& fresh, const Samples<T>& s, TrainOptions train,
                      std::int64_t models, std::uint64_t seed) {
  const std::int64_t n = s.size();
  require(models > 0 && models % 2 == 0, "shadow models: ", models, "; want an even number, at least 2");
  require(n >= 2, "shadow models: of ", n, " samples; want at least 2");
  Shadows out{Tensor<double>(Shape{models, n}), Tensor<std::uint8_t>::zeros(Shape{models, n})};
  Rows order;
  for (std::int64_t k = 0; k < models; ++k) {
    if (k % 2 == 0)
      order = permutation(n, NoiseKey{.seed = seed, .step = std::uint32_t(k), .query = 4}.of(Purpose::data_order));
    const auto half = order.begin() + std::ptrdiff_t(n / 2);
    const Rows rows = k % 2 == 0 ? Rows(order.begin(), half) : Rows(half, order.end());
    for (const std::int64_t row : rows) out.trained(k, row) = 1;
    train.seed = seed + std::uint64_t(k) * 7919;
    M m = clone(fresh(train.seed));
    train_(m, s.at(rows), train);
    const Tensor<double> phi = membership_features(scores(m, s.x), s.labels, Feature::scaled_confidence);
    std::copy_n(phi.data(), n, out.confidence.data() + k * n);
  }
  return out;
}

struct LiraOptions {
  /// online    log N(φ; μ_in, σ_in²) − log N(φ; μ_out, σ_out²): above 0 the sample was more likely trained on
  /// offline   (φ − μ_out) / σ_out, a monotone function of the one-sided test's P(Z ≤ φ): needs no model that has seen
  ///           the sample
  bool online = true;
  /// One σ_in and one σ_out for all samples: the root of the mean variance about each sample's own means. With fewer
  /// than some 64 models the variances of single samples are worse.
  bool fixed_variance = true;
  double least_deviation = 1e-6;  // of a σ: models that agree to the last digit say nothing of the spread
};

/// The score of each sample under a model that says φ of it: (n). Larger: more likely a member.
///   confidence   φ of the model that is attacked, (n)
///   Throws  ValueError where a sample has not two models on each side (one with a fixed variance; without `online` on
///           the other side alone), where all have one and the variance is thus unknown, or where a φ is NaN.
inline Tensor<double> lira_scores(const Shadows& shadows, const Tensor<double>& confidence, const LiraOptions& o = {}) {
  const auto& phi = shadows.confidence;
  expect(phi.rank() == 2 && shadows.trained.shape() == phi.shape() && confidence.size() == phi.shape()[1],
         "lira: shadows say ", phi.shape(), " of samples trained on as ", shadows.trained.shape(), ", the model ",
         confidence.shape(), "; want (models, n) twice and (n)");
  const std::int64_t models = phi.shape()[0], n = phi.shape()[1];
  struct Side {
    std::vector<double> mean, squares;  // of each sample; squares about the mean
    std::vector<std::int64_t> count;
    double pooled = 0;  // the variance of all
  };
  Side sides[2];  // out, in
  for (int in = o.online ? 1 : 0; in >= 0; --in) {
    Side& side = sides[in];
    side.mean.assign(std::size_t(n), 0), side.squares.assign(std::size_t(n), 0), side.count.assign(std::size_t(n), 0);
    double squares = 0, freedom = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const auto at = std::size_t(i);
      for (std::int64_t k = 0; k < models; ++k) {
        require(!std::isnan(phi(k, i)), "lira: shadow model ", k, " says no number of sample ", i);
        if ((shadows.trained(k, i) != 0) == (in == 1)) side.mean[at] += phi(k, i), ++side.count[at];
      }
      require(side.count[at] >= (o.fixed_variance ? 1 : 2), "lira: ", side.count[at], " shadow models ",
              in ? "trained on" : "not trained on", " sample ", i, "; want at least ", o.fixed_variance ? 1 : 2);
      side.mean[at] /= double(side.count[at]);
      for (std::int64_t k = 0; k < models; ++k)
        if ((shadows.trained(k, i) != 0) == (in == 1))
          side.squares[at] += (phi(k, i) - side.mean[at]) * (phi(k, i) - side.mean[at]);
      squares += side.squares[at], freedom += double(side.count[at] - 1);
    }
    require(!o.fixed_variance || freedom > 0, "lira: one shadow model a sample has no variance");
    side.pooled = squares / std::max(freedom, 1.0);
  }
  Tensor<double> out(Shape{n});
  for (std::int64_t i = 0; i < n; ++i) {
    const auto at = std::size_t(i);
    require(!std::isnan(confidence(i)), "lira: the model says no number of sample ", i);
    const auto sigma = [&](const Side& s) {
      const double variance = o.fixed_variance ? s.pooled : s.squares[at] / double(s.count[at] - 1);
      return std::max(std::sqrt(variance), o.least_deviation);
    };
    const double out_z = (confidence(i) - sides[0].mean[at]) / sigma(sides[0]);
    if (!o.online) {
      out(i) = out_z;
      continue;
    }
    const double in_z = (confidence(i) - sides[1].mean[at]) / sigma(sides[1]);
    out(i) = (out_z * out_z - in_z * in_z) / 2 + std::log(sigma(sides[0]) / sigma(sides[1]));
  }
  return out;
}

namespace detail {

inline void check_attack(const std::vector<double>& members, const std::vector<double>& others) {
  require(!members.empty() && !others.empty(), "attack: ", members.size(), " members and ", others.size(),
          " others; want some of each");
  for (const auto* all : {&members, &others})
    for (const double v : *all) require(!std::isnan(v), "attack: a score that is not a number");
}

}  // namespace detail

/// How well scores tell members from others: the area under the ROC curve, P(member's > other's) + ½ P(equal); ½ is
/// chance.
///   Throws  ValueError where one of them is empty, or a score is NaN.   Cost  O(n log n).
inline double attack_auc(const std::vector<double>& members, const std::vector<double>& others) {
  detail::check_attack(members, others);
  std::vector<double> sorted = others;
  std::sort(sorted.begin(), sorted.end());
  double pairs = 0;
  for (const double v : members) {
    const auto [below, above] = std::equal_range(sorted.begin(), sorted.end(), v);
    pairs += double(below - sorted.begin()) + double(above - below) / 2;
  }
  return pairs / (double(members.size()) * double(others.size()));
}

/// The largest share of members above a cut that a share of at most `false_positives` of the others is above: the
/// figure that the paper judges attacks by, at 0.1 or 1 %.
///   Throws  ValueError as `attack_auc`, or for a rate outside [0, 1].
inline double true_positives_at(double false_positives, const std::vector<double>& members,
                                const std::vector<double>& others) {
  require(false_positives >= 0 && false_positives <= 1, "attack: a rate of ", false_positives);
  detail::check_attack(members, others);
  std::vector<double> sorted = others;
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  const auto allowed = std::size_t(std::floor(false_positives * double(sorted.size()) * (1 + 1e-12)));
  if (allowed >= sorted.size()) return 1;
  const double cut = sorted[allowed];  // scores have to be above it
  return double(std::count_if(members.begin(), members.end(), [&](double v) { return v > cut; })) /
         double(members.size());
}

}  // namespace tenzo::unlearn
