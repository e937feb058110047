// What functions say about noisy copies of one input: batch by batch, never more copies at once than a batch has.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "tenzo/smoothing/noise.hpp"

namespace tenzo::smoothing {

/// Calls use(first, f(batch)) for samples [first, first + n) of x (…) through the noise, `batch` copies at a time.
///   f(inputs (b, …)) → outputs (b, …)
///   use may return false: then no more are drawn.
template <Real T, NoiseOn<T> N, class F, class Use>
void for_noisy_outputs(F&& f, const N& noise, const Tensor<T>& x, const Stream& stream, std::int64_t first,
                       std::int64_t n, std::int64_t batch, Use&& use) {
  require(n >= 0 && batch > 0, "smoothing: ", n, " samples in batches of ", batch);
  for (std::int64_t i = 0; i < n; i += batch) {
    const std::int64_t some = std::min(batch, n - i);
    const auto out = f(noisy(noise, x, stream, first + i, some));
    expect(out.rank() > 0 && out.shape()[0] == some, "smoothing: a function gave ", out.shape(), " for ", some,
           " inputs");
    if constexpr (std::is_same_v<decltype(use(i, out)), bool>) {
      if (!use(first + i, out)) return;
    } else {
      use(first + i, out);
    }
  }
}

/// The class of the largest score in a row, of equal ones the first; −1, a vote for nobody, where one is NaN.
template <Real T>
std::int64_t vote_of(const T* row, std::int64_t classes) {
  std::int64_t best = 0;
  for (std::int64_t c = 0; c < classes; ++c) {
    if (std::isnan(row[c])) return -1;
    if (row[c] > row[best]) best = c;
  }
  return classes > 0 ? best : -1;
}

/// How often each class won.
struct Votes {
  std::vector<std::int64_t> counts;  // by class
  std::int64_t draws = 0;

  /// The class with most votes, of equal ones the first; −1 where nobody has any.
  std::int64_t winner() const {
    const auto top = std::max_element(counts.begin(), counts.end());
    return top == counts.end() || *top == 0 ? -1 : top - counts.begin();
  }
  /// The most votes that another class than `c` has.
  std::int64_t runner_up(std::int64_t c) const {
    std::int64_t most = 0;
    for (std::size_t k = 0; k < counts.size(); ++k)
      if (std::int64_t(k) != c) most = std::max(most, counts[k]);
    return most;
  }
  std::int64_t of(std::int64_t c) const {
    return c >= 0 && c < std::int64_t(counts.size()) ? counts[std::size_t(c)] : 0;
  }
};

/// The votes of n samples. f(inputs (b, …)) → scores (b, classes).
template <Real T, NoiseOn<T> N, class F>
Votes count_votes(F&& f, const N& noise, const Tensor<T>& x, const Stream& stream, std::int64_t n, std::int64_t batch) {
  Votes v;
  for_noisy_outputs(f, noise, x, stream, 0, n, batch, [&](std::int64_t, const Tensor<T>& scores) {
    expect(scores.rank() == 2, "smoothing: scores are ", scores.shape(), "; want (n, classes)");
    const std::int64_t classes = scores.shape()[1];
    v.counts.resize(std::size_t(classes));
    for (std::int64_t i = 0; i < scores.shape()[0]; ++i) {
      const std::int64_t c = vote_of(scores.data() + i * classes, classes);
      if (c >= 0) ++v.counts[std::size_t(c)];
      ++v.draws;
    }
  });
  return v;
}

/// Mean and unbiased variance of numbers that come one after another (Welford's recurrence).
struct RunningMean {
  std::int64_t count = 0;
  double mean = 0, squares = 0;

  void add(double x) {
    ++count;
    const double d = x - mean;
    mean += d / double(count);
    squares += d * (x - mean);
  }
  double variance() const { return count > 1 ? squares / double(count - 1) : std::nan(""); }
  double standard_error() const { return std::sqrt(variance() / double(count)); }
};

}  // namespace tenzo::smoothing
