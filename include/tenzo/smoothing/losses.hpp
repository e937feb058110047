// What classifiers are trained by that are to be smoothed. All are functions of the scores of m noisy copies of a
// batch, of any value type.
//   scores  (m, n, classes), copy by copy;  labels (n)
//   F       softmax of the scores of one copy, F̂ the mean of the m
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tenzo/ops/cross_entropy.hpp"
#include "tenzo/ops/normal_quantile.hpp"
#include "tenzo/ops/softmax.hpp"

namespace tenzo::smoothing {

namespace detail {

template <Value V>
void expect_copies(const char* loss, const V& scores, const Indices& labels) {
  expect(scores.shape().rank() == 3 && scores.shape()[0] > 0 && scores.shape()[1] == labels.size(), loss,
         ": scores are ", scores.shape(), ", labels ", labels.shape(), "; want (copies, n, classes) and (n)");
}

/// The labels once for each copy: (m, n).
inline Indices repeated(const Indices& labels, std::int64_t copies) {
  Indices all(Shape{copies, labels.size()});
  for (std::int64_t i = 0; i < copies; ++i) std::copy_n(labels.data(), labels.size(), all.data() + i * labels.size());
  return all;
}

}  // namespace detail

/// log F̂ = log( 1/m Σ softmax(β scores) ): (n, classes); stable.
template <Value V>
V log_mean_probabilities(const V& scores, double beta = 1) {
  const V each = log_softmax(beta == 1 ? scores : scale(scores, beta), -1);
  return logsumexp(each, 0) - std::log(double(scores.shape()[0]));
}

/// Cross entropy of all copies, their mean: training with Gaussian noise, and on adversarial inputs with theirs.
///   Source  Cohen, Rosenfeld, Kolter 2019, section 3.3; Salman et al. 2019, equation 5.
template <Value V>
V copies_loss(const V& scores, const Indices& labels) {
  detail::expect_copies("copies_loss", scores, labels);
  return cross_entropy(scores, detail::repeated(labels, scores.shape()[0]));
}

/// −log F̂_y of each sample: (n). What an attack on the smoothed classifier climbs.
///   Source  Salman et al. 2019, equation 6.
template <Value V>
V smoothed_losses(const V& scores, const Indices& labels) {
  detail::expect_copies("smoothed_losses", scores, labels);
  return neg(squeeze(gather(log_mean_probabilities(scores), 1, labels.reshaped(Shape{labels.size(), 1})), 1));
}

/// CE(F(x), y) + λ H(F(x), F(x + η)), H(p, q) = −Σ p log q, the mean over samples and copies.
///   clean  scores at x without noise, (n, classes)
///   Source  Li et al. 2019, "Certified adversarial robustness with additive noise", section 5.
template <Value V>
V stability_loss(const V& clean, const V& scores, const Indices& labels, double lambda = 2) {
  detail::expect_copies("stability_loss", scores, labels);
  expect(clean.shape() == scores.shape().without(0), "stability_loss: clean scores are ", clean.shape(), ", noisy ",
         scores.shape());
  const V p = unsqueeze(softmax(clean, -1), 0);
  const double count = double(scores.shape()[0] * scores.shape()[1]);
  return add(cross_entropy(clean, labels), scale(sum(mul(p, log_softmax(scores, -1))), -lambda / count));
}

/// CE + λ/m Σᵢ KL(F̂ ‖ F(x + ηᵢ)) + μ H(F̂), means over samples.
///   Source  Jeong, Shin 2020, "Consistency regularization for certified robustness", equation 9.
template <Value V>
V consistency_loss(const V& scores, const Indices& labels, double lambda = 10, double mu = 0.5) {
  detail::expect_copies("consistency_loss", scores, labels);
  const double n = double(scores.shape()[1]), m = double(scores.shape()[0]);
  const V log_mean = log_mean_probabilities(scores), mean = exp(log_mean);
  const V entropy = scale(sum(mul(mean, log_mean)), -1 / n);
  // 1/m Σ KL(F̂ ‖ Fᵢ) = −H(F̂) − 1/m Σᵢ Σ F̂ log Fᵢ
  const V crossed = scale(sum(mul(unsqueeze(mean, 0), log_softmax(scores, -1))), -1 / (n * m));
  return add(copies_loss(scores, labels), add(scale(sub(crossed, entropy), lambda), scale(entropy, mu)));
}

struct MacerOptions {
  double sigma = 0.25;
  double lambda = 12;  // weight of the radius
  double gamma = 8;    // radii beyond are not pressed further
  double beta = 16;    // inverse temperature of the soft votes that the radius is of
};

/// −log z_y + λ σ/2 max(γ − ξ, 0), ξ = Φ⁻¹(ẑ_y) − Φ⁻¹(max_{c≠y} ẑ_c), meaned over all samples; the second term only of
/// samples whose ẑ is largest at y and whose ξ is finite and at most γ. z = mean softmax(scores), ẑ = mean
/// softmax(β scores).
///   Source  Zhai et al. 2020 (MACER), equation 11, and its code for the terms left out and the 1e-10 in the logarithm.
template <Value V>
V macer_loss(const V& scores, const Indices& labels, const MacerOptions& o = {}) {
  detail::expect_copies("macer_loss", scores, labels);
  const std::int64_t n = scores.shape()[1], classes = scores.shape()[2];
  expect(classes > 1, "macer_loss: ", classes, " classes; want two at least");
  const Indices column = labels.reshaped(Shape{n, 1});
  const V z = mean(softmax(scores, -1), 0);
  const V classification = scale(sum(log(gather(z, 1, column) + 1e-10)), -1.0 / double(n));
  if (o.lambda == 0) return classification;
  const V soft = mean(softmax(scale(scores, o.beta), -1), 0);
  std::vector<std::int64_t> rows, first, second;
  for (std::int64_t i = 0; i < n; ++i) {
    const auto* p = plain(soft).data() + i * classes;
    const std::int64_t y = labels(i);
    std::int64_t other = y == 0 ? 1 : 0;
    for (std::int64_t c = 0; c < classes; ++c)
      if (c != y && p[c] > p[other]) other = c;
    if (!(p[y] > p[other]) || !(p[y] < 1) || !(p[other] > 0)) continue;
    const double xi = tenzo::normal_quantile(double(p[y])) - tenzo::normal_quantile(double(p[other]));
    if (!(xi <= o.gamma)) continue;
    rows.push_back(i), first.push_back(y), second.push_back(other);
  }
  if (rows.empty()) return classification;
  const auto count = std::int64_t(rows.size());
  const V kept = index_select(soft, 0, Indices::from(Shape{count}, rows));
  const V xi = sub(normal_quantile(gather(kept, 1, Indices::from(Shape{count, 1}, first))),
                   normal_quantile(gather(kept, 1, Indices::from(Shape{count, 1}, second))));
  return add(classification, scale(sum(o.gamma - xi), 0.5 * o.lambda * o.sigma / double(n)));
}

}  // namespace tenzo::smoothing
