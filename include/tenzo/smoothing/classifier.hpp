// Smoothed classifiers: the class that a base classifier gives most noisy copies of an input, with certificates.
//   Source  Cohen, Rosenfeld, Kolter 2019, "Certified adversarial robustness via randomized smoothing".
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "tenzo/smoothing/radius.hpp"
#include "tenzo/smoothing/sampling.hpp"
#include "tenzo/stats/bounds.hpp"
#include "tenzo/stats/sequential.hpp"

namespace tenzo::smoothing {

/// The label of an input that nothing is said about.
inline constexpr std::int64_t abstain = -1;

struct CertifyOptions {
  std::int64_t selection = 100;  // samples that choose the class, n0
  std::int64_t samples = 1000;   // samples that bound its probability, n
  double alpha = 1e-3;           // probability that a certificate is wrong, for each input
  std::int64_t batch = 400;      // copies at once; changes no result
  std::uint64_t seed = 1;

  void check() const {
    require(selection > 0 && samples > 0 && batch > 0, "certify: ", selection, " and ", samples,
            " samples in batches of ", batch);
    check_level(alpha);
  }
};

/// What is known of one input, and what it follows from.
struct Certificate {
  std::int64_t label = abstain;
  double radius = 0;                 // in the norm of the noise; no perturbation below it changes the label
  std::int64_t candidate = -1;       // the class that selection chose
  std::int64_t hits = 0, draws = 0;  // its votes among fresh samples
  double lower = 0;                  // bound of its probability

  bool operator==(const Certificate&) const = default;
};

/// g(x) = argmax_c P[f(x + η) = c], of a base classifier f whose scores of a batch are f(inputs (b, …)) → (b, classes).
///   Results are functions of the input, its number `image`, the seed and the counts: not of batches and threads, where
///   f's rows are not. A NaN among a sample's scores is a vote for no class, which keeps certificates sound.
template <class F, class N = AdditiveNoise>
class SmoothedClassifier {
 public:
  SmoothedClassifier(F scores, N noise) : scores_(std::move(scores)), noise_(std::move(noise)) {}

  const N& noise() const { return noise_; }

  /// The class, or `abstain`: with probability 1 − α a class that is given is g(x). Of the two classes with most votes
  /// by the two-sided binomial test.
  template <Real T>
  std::int64_t predict(const Tensor<T>& x, std::int64_t image, const CertifyOptions& o) const {
    o.check();
    const Votes v = votes(x, {o.seed, image, Phase::prediction}, o.samples, o.batch);
    const std::int64_t c = v.winner(), first = v.of(c);
    return c >= 0 && binomial_test(first, first + v.runner_up(c)) <= o.alpha ? c : abstain;
  }

  /// The class and a radius: with probability 1 − α, g is that class within it. Abstains where the bound of its
  /// probability is below one half.
  template <Real T>
  Certificate certify(const Tensor<T>& x, std::int64_t image, const CertifyOptions& o) const {
    o.check();
    Certificate c;
    c.candidate = select(x, image, o);
    const Votes v = votes(x, {o.seed, image, Phase::estimation}, o.samples, o.batch);
    c.hits = v.of(c.candidate);
    c.draws = v.draws;
    c.lower = clopper_pearson_lower(c.hits, c.draws, o.alpha);
    return judged(c, 0.5);
  }

  /// The same with bounds of all classes, each at α / classes: a larger radius where what the first class leaves is
  /// spread over several others. Abstains where a second class may be as probable.
  template <Real T>
  Certificate certify_two_bounds(const Tensor<T>& x, std::int64_t image, const CertifyOptions& o) const {
    o.check();
    Certificate c;
    c.candidate = select(x, image, o);
    const Votes v = votes(x, {o.seed, image, Phase::estimation}, o.samples, o.batch);
    c.hits = v.of(c.candidate);
    c.draws = v.draws;
    const double level = o.alpha / double(std::max<std::size_t>(1, v.counts.size()));
    c.lower = clopper_pearson_lower(c.hits, c.draws, level);
    // all other classes together have 1 − lower
    const double upper = std::min(1 - c.lower, clopper_pearson_upper(v.runner_up(c.candidate), c.draws, level));
    if (c.candidate >= 0 && c.lower >= upper) {
      c.label = c.candidate;
      c.radius = certified_radius(noise_, c.lower, upper);
    }
    return c;
  }

  /// Whether the radius is `target` at least, with as few samples as that takes: draws stop as soon as the evidence
  /// reaches 1/α for it or against it, after `samples` at the latest. Where it is certified the radius is what the
  /// anytime bound gives, `target` or more; else the input is abstained from, which says nothing.
  ///   Looks at fixed numbers of draws, each 5 % more than the last, so that batches do not matter.
  template <Real T>
  Certificate certify_at_least(const Tensor<T>& x, std::int64_t image, double target, const CertifyOptions& o) const {
    o.check();
    require(target >= 0, "certify: a radius of ", target);
    const double wanted = probability_for(target), enough = -std::log(o.alpha);
    Certificate c;
    c.candidate = select(x, image, o);
    if (c.candidate < 0 || wanted >= 1) return c;
    std::int64_t look = 1;
    for_noisy_outputs(scores_, noise_, x, {o.seed, image, Phase::estimation}, 0, o.samples,
                      std::min(o.batch, o.samples), [&](std::int64_t, const Tensor<T>& scores) {
                        const std::int64_t classes = scores.shape()[1];
                        for (std::int64_t i = 0; i < scores.shape()[0]; ++i) {
                          c.hits += vote_of(scores.data() + i * classes, classes) == c.candidate;
                          if (++c.draws < look && c.draws < o.samples) continue;
                          look = std::max(look + 1, look + look / 20);
                          if (log_evidence_above(c.hits, c.draws, wanted) >= enough) {
                            c.lower = std::max(wanted, anytime_lower(c.hits, c.draws, o.alpha));
                            return false;
                          }
                          if (log_evidence_below(c.hits, c.draws, wanted) >= enough) return false;
                        }
                        return true;
                      });
    if (c.lower >= wanted) {
      c.label = c.candidate;
      c.radius = std::max(target, certified_radius(noise_, c.lower));
    }
    return c;
  }

  /// A certificate of mean probabilities instead of votes: F̂ = E softmax(β f(x + η)), bounded by the empirical
  /// Bernstein inequality. It holds for argmax F̂, the soft smoothed classifier; `hits` stays 0.
  ///   Source  Zhai et al. 2020 (MACER), appendix.
  template <Real T>
  Certificate certify_soft(const Tensor<T>& x, std::int64_t image, const CertifyOptions& o, double beta = 1) const {
    o.check();
    require(o.samples > 1 && beta > 0, "certify: ", o.samples, " soft samples, beta ", beta);
    Certificate c;
    std::vector<RunningMean> chosen = soft_means(x, {o.seed, image, Phase::selection}, o.selection, o.batch, beta);
    for (std::size_t k = 0; k < chosen.size(); ++k)
      if (c.candidate < 0 || chosen[k].mean > chosen[std::size_t(c.candidate)].mean) c.candidate = std::int64_t(k);
    const auto means = soft_means(x, {o.seed, image, Phase::estimation}, o.samples, o.batch, beta);
    c.draws = o.samples;
    if (c.candidate < 0) return c;
    const RunningMean& m = means[std::size_t(c.candidate)];
    if (!(m.variance() >= 0)) return c;  // NaN scores
    c.lower = std::max(0.0, empirical_bernstein_lower(m.mean, m.variance(), m.count, o.alpha));
    return judged(c, 0.5);
  }

  /// Whether certifying again gives the same certificate: it was made of this input, network and seed.
  template <Real T>
  bool audit(const Certificate& c, const Tensor<T>& x, std::int64_t image, const CertifyOptions& o) const {
    return certify(x, image, o) == c;
  }

  /// The votes of a stream.
  template <Real T>
  Votes votes(const Tensor<T>& x, const Stream& stream, std::int64_t n, std::int64_t batch) const {
    return count_votes(scores_, noise_, x, stream, n, batch);
  }

 private:
  template <Real T>
  std::int64_t select(const Tensor<T>& x, std::int64_t image, const CertifyOptions& o) const {
    return votes(x, {o.seed, image, Phase::selection}, o.selection, o.batch).winner();
  }

  Certificate judged(Certificate c, double least) const {
    if (c.candidate >= 0 && c.lower >= least) {
      c.label = c.candidate;
      c.radius = certified_radius(noise_, c.lower);
    }
    return c;
  }

  /// The smallest probability whose radius is `target`; 1 where there is none.
  double probability_for(double target) const {
    double low = 0.5, high = 1;
    if (certified_radius(noise_, std::nextafter(1.0, 0.0)) < target) return 1;
    for (int i = 0; i < 100; ++i) {
      const double p = 0.5 * (low + high);
      if (p == low || p == high) break;
      (certified_radius(noise_, p) >= target ? high : low) = p;
    }
    return target == 0 ? 0.5 : high;
  }

  template <Real T>
  std::vector<RunningMean> soft_means(const Tensor<T>& x, const Stream& stream, std::int64_t n, std::int64_t batch,
                                      double beta) const {
    std::vector<RunningMean> means;
    for_noisy_outputs(scores_, noise_, x, stream, 0, n, batch, [&](std::int64_t, const Tensor<T>& scores) {
      const std::int64_t classes = scores.shape()[1];
      means.resize(std::size_t(classes));
      for (std::int64_t i = 0; i < scores.shape()[0]; ++i) {
        const T* row = scores.data() + i * classes;
        const double top = beta * double(*std::max_element(row, row + classes));
        double sum = 0;
        for (std::int64_t k = 0; k < classes; ++k) sum += std::exp(beta * double(row[k]) - top);
        for (std::int64_t k = 0; k < classes; ++k)
          means[std::size_t(k)].add(std::exp(beta * double(row[k]) - top) / sum);
      }
    });
    return means;
  }

  F scores_;
  N noise_;
};

}  // namespace tenzo::smoothing
