// Median and mean smoothing of regressors: intervals that hold for all perturbations of a radius, for one number or for
// each number of a whole output.
//   Source  Chiang et al. 2020, "Detection as regression: certified object detection by median smoothing".
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "tenzo/smoothing/sampling.hpp"
#include "tenzo/stats/bounds.hpp"

namespace tenzo::smoothing {

struct QuantileOptions {
  double p = 0.5;  // which quantile; one half: the median
  double eps = 0;  // l2 radius of perturbations
  std::int64_t samples = 1000;
  double alpha = 1e-3;      // that any of the output's intervals is wrong
  std::int64_t batch = 64;  // copies at once; changes no result
};

/// For each number of an output (…): its smoothed value at the input, and bounds of it for all ‖δ‖₂ ≤ ε; infinite where
/// the samples are too few.
template <Real T>
struct SmoothedInterval {
  Tensor<T> value, low, high;
};

/// Which order statistics X₍₁₎ ≤ … ≤ X₍ₙ₎ bound the p-quantile of f(x + δ + η), ‖δ‖₂ ≤ ε, each wrong with probability
/// `level` at most: low in [0, n], 0 for −∞, and high in [1, n + 1], n + 1 for ∞.
///   p∓ = Φ(Φ⁻¹(p) ∓ ε/σ)
struct QuantileIndices {
  std::int64_t low = 0, high = 0;
};
inline QuantileIndices quantile_indices(const QuantileOptions& o, double sigma, double level) {
  require(sigma > 0 && o.eps >= 0 && o.p > 0 && o.p < 1, "quantile smoothing: p ", o.p, ", eps ", o.eps, ", sigma ",
          sigma);
  const double z = normal_quantile(o.p), shift = o.eps / sigma;
  return {quantile_lower_index(o.samples, normal_cdf(z - shift), level),
          quantile_upper_index(o.samples, normal_cdf(z + shift), level)};
}

/// The p-quantile of f(x + η), η ~ N(0, σ²), with the interval of the options; no bounds on f are needed. Each of the
/// 2m ends of m outputs' intervals is wrong with probability α / 2m at most (Bonferroni).
///   f(inputs (b, …)) → outputs (b, …)
///   NaN outputs count as larger than all: an interval that they reach ends at infinity.
///   Memory  all outputs, samples times their numbers; of inputs one batch.
template <Real T, class F>
SmoothedInterval<T> quantile_smoothed(F&& f, const AdditiveNoise& noise, const Tensor<T>& x, const Stream& stream,
                                      const QuantileOptions& o) {
  require(noise.family == Family::gaussian, "quantile smoothing: wants Gaussian noise");
  require(o.samples > 0, "quantile smoothing: ", o.samples, " samples");
  Tensor<T> all;  // (samples, outputs)
  Shape output;
  for_noisy_outputs(f, noise, x, stream, 0, o.samples, o.batch, [&](std::int64_t first, const Tensor<T>& y) {
    if (!all.defined()) {
      output = y.shape().without(0);
      all = Tensor<T>(Shape{o.samples, output.numel()});
    }
    expect(y.shape().without(0) == output, "quantile smoothing: outputs ", output, ", then ", y.shape());
    std::copy_n(y.data(), y.size(), all.data() + first * output.numel());
  });
  const std::int64_t m = output.numel();
  check_level(o.alpha);
  const QuantileIndices at = quantile_indices(o, noise.sigma, o.alpha / (2 * double(std::max<std::int64_t>(1, m))));
  // X₍ₖ₎ with k the smallest whole number from p n on: the median of an odd number
  const std::int64_t middle = std::clamp<std::int64_t>(std::int64_t(std::ceil(o.p * double(o.samples))), 1, o.samples);
  constexpr T infinity = std::numeric_limits<T>::infinity();
  SmoothedInterval<T> out{Tensor<T>(output), Tensor<T>(output), Tensor<T>(output)};
  T *value = out.value.data(), *low = out.low.data(), *high = out.high.data();
  const T* from = std::as_const(all).data();
  parallel_for(m, 64, [&](std::int64_t begin, std::int64_t end) {
    std::vector<T> column(static_cast<std::size_t>(o.samples));
    for (std::int64_t j = begin; j < end; ++j) {
      for (std::int64_t i = 0; i < o.samples; ++i) {
        const T v = from[i * m + j];
        column[std::size_t(i)] = std::isnan(v) ? infinity : v;
      }
      std::sort(column.begin(), column.end());
      value[j] = column[std::size_t(middle - 1)];
      low[j] = at.low == 0 ? -infinity : column[std::size_t(at.low - 1)];
      high[j] = at.high > o.samples ? infinity : column[std::size_t(at.high - 1)];
    }
  });
  return out;
}

/// The mean of f(x + η) for f in [lowest, highest], η ~ N(0, σ²), and bounds of it for ‖δ‖₂ ≤ ε:
/// l + (u − l) Φ(Φ⁻¹(m∓) ∓ ε/σ), m∓ bounds of the scaled mean by the empirical Bernstein inequality at the level of
/// quantile_smoothed. Wide where u − l is.
///   Memory  two numbers an output.
///   Throws  ValueError for an output outside [lowest, highest].
template <Real T, class F>
SmoothedInterval<T> mean_smoothed(F&& f, const AdditiveNoise& noise, const Tensor<T>& x, const Stream& stream,
                                  const QuantileOptions& o, double lowest, double highest) {
  require(noise.family == Family::gaussian && noise.sigma > 0 && o.eps >= 0, "mean smoothing: Gaussian noise, sigma ",
          noise.sigma, ", eps ", o.eps);
  require(lowest < highest && std::isfinite(highest - lowest), "mean smoothing: outputs in [", lowest, ", ", highest,
          ']');
  std::vector<RunningMean> means;
  Shape output;
  for_noisy_outputs(f, noise, x, stream, 0, o.samples, o.batch, [&](std::int64_t, const Tensor<T>& y) {
    output = y.shape().without(0);
    means.resize(std::size_t(output.numel()));
    for (std::int64_t i = 0; i < y.size(); ++i) {
      const double v = (double(y(i)) - lowest) / (highest - lowest);
      require(v >= 0 && v <= 1, "mean smoothing: an output of ", y(i), " is not in [", lowest, ", ", highest, ']');
      means[std::size_t(i) % means.size()].add(v);
    }
  });
  const double level = o.alpha / (2 * std::max(1.0, double(means.size()))), shift = o.eps / noise.sigma;
  const auto moved = [&](double m, double by) {
    return lowest + (highest - lowest) * normal_cdf(normal_quantile(std::clamp(m, 0.0, 1.0)) + by);
  };
  SmoothedInterval<T> out{Tensor<T>(output), Tensor<T>(output), Tensor<T>(output)};
  for (std::size_t j = 0; j < means.size(); ++j) {
    const RunningMean& m = means[j];
    const auto i = std::int64_t(j);
    out.value(i) = T(lowest + (highest - lowest) * m.mean);
    out.low(i) = T(moved(empirical_bernstein_lower(m.mean, m.variance(), m.count, level), -shift));
    out.high(i) = T(moved(1 - empirical_bernstein_lower(1 - m.mean, m.variance(), m.count, level), shift));
  }
  return out;
}

}  // namespace tenzo::smoothing
