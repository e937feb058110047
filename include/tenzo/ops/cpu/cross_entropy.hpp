// Softmax cross entropy over many classes: one pass over the logits forward, one backward; no probabilities are kept.
#pragma once

#include <concepts>
#include <string>

#include "tenzo/core/device.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/ops/cpu/loops.hpp"
#include "tenzo/ops/cpu/softmax.hpp"
#include "tenzo/ops/shapes/cross_entropy.hpp"

namespace tenzo::cpu {

/// The loss of each row, and what its gradient needs:
///   loss[r] = log Σ exp x[r] − (1 − s) x[r, label] − s · mean x[r],   0 where the label is ignored;
///   lse[r]  = log Σ exp x[r].
///   Cost    one pass over x, bound by memory from some 10⁵ numbers on.
template <Real T, std::integral Label>
void cross_entropy(Device, std::int64_t rows, std::int64_t classes, const T* x, const Label* labels,
                   const CrossEntropyTarget& options, T* loss, T* lse) {
  for_rows(rows, classes, [&](std::int64_t r) {
    const std::int64_t label = std::int64_t(labels[r]);
    const T* row = x + r * classes;
    if (label == options.ignore_index) {
      loss[r] = lse[r] = T(0);
      return;
    }
    const MaxAndSum<T> all = max_and_sum(row, classes);
    const T a = MaxAndSum<T>::anchor(all.max), log_sum = math::log(all.sum);
    lse[r] = a + log_sum;
    loss[r] = (a - row[label]) + log_sum;
    if (options.smoothing != 0) loss[r] += T(options.smoothing) * (row[label] - sum_all(row, classes) / T(classes));
  });
}

/// gx[r] = g[r · g_step] (softmax x[r] − (1 − s) onehot(label) − s / classes), 0 where the label is ignored.
///   g_step is 1 for a gradient a row, 0 for one of all rows. gx may be x.
template <Real T, std::integral Label>
void cross_entropy_backward(Device, std::int64_t rows, std::int64_t classes, const T* x, const Label* labels,
                            const CrossEntropyTarget& options, const T* lse, const T* g, std::int64_t g_step, T* gx) {
  using V = Simd<T>;
  for_rows(rows, classes, [&](std::int64_t r) {
    T* to = gx + r * classes;
    if (std::int64_t(labels[r]) == options.ignore_index) {
      std::fill_n(to, classes, T(0));
      return;
    }
    const T* from = x + r * classes;
    const T up = g[r * g_step];
    const V l(lse[r]), scale(up), spread(T(options.smoothing / double(classes)));
    for_lanes<T>(classes, [&](std::int64_t i, std::int64_t w) {
      store_lanes((math::exp(load_lanes(from + i, w) - l) - spread) * scale, to + i, w);
    });
    to[labels[r]] -= T(1 - options.smoothing) * up;
  });
}

/// Throws ValueError at a label outside [0, classes) that is not ignored.
template <std::integral Label>
void check_labels(std::int64_t rows, const Label* labels, std::int64_t classes, std::int64_t ignore_index) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const auto label = std::int64_t(labels[r]);
    require((0 <= label && label < classes) || label == ignore_index, "cross_entropy: label ", label, " of row ", r,
            " is not in [0, ", classes, ')');
  }
}

/// Labels that are not ignored: what the mean divides by.
template <std::integral Label>
std::int64_t count_labels(std::int64_t rows, const Label* labels, std::int64_t ignore_index) {
  return rows - std::count(labels, labels + rows, Label(ignore_index));
}

}  // namespace tenzo::cpu
