// Softmax cross entropy over many classes: one pass over the logits forward, one backward; no probabilities are kept.
#pragma once

#include <cstdint>
#include <limits>

#include "lines.hpp"
#include "tenzo/core/math.hpp"
#include "tenzo/cuda/cross_entropy.hpp"

namespace tenzo::cuda {

namespace detail {

/// Σ eˣ and Σ x of some numbers.
template <class T>
struct LogitSums {
  MaxAndSum<T> exponentials;
  T total;

  TENZO_DEVICE LogitSums join(const LogitSums& o) const { return {exponentials.join(o.exponentials), total + o.total}; }
  template <class F>
  TENZO_DEVICE LogitSums each(F f) const {
    return {exponentials.each(f), f(total)};
  }
};

/// loss = log Σ exp x − (1 − s) x[label] − s mean x and lse = log Σ exp x of each row.
///   Mapping  a team a row: lanes of a warp for few classes, a block of up to 512 threads for many. One pass with a
///            running maximum, in which each thread has 64 bytes under way (32 where rows are not aligned).
///   Bound by memory: x is read once; rows that are ignored are not read.
template <class T, int width, class Team>
struct CrossEntropyKernel {
  static constexpr int max_threads = team_threads<T, Team>, min_blocks = team_blocks<T, Team>;
  static constexpr int batch = batch_of<T, width>, numbers = batch * width;
  Team team;
  std::int64_t rows, n, ignore_index;
  T smoothing, classes;
  const T* x;
  const std::int64_t* labels;
  T *loss, *lse;

  TENZO_DEVICE void operator()() const {
    const int thread = thread_in_block();
    auto at = team.place(blockIdx.x, thread, rows, n);
    const std::int64_t label = at.inside ? load(labels + at.line) : ignore_index;
    const bool ignored = label == ignore_index;
    if (ignored) at.n = 0;
    const T* const row = x + at.first * width;
    LogitSums<T> all{MaxAndSum<T>::none(), T(0)};
    for_batches<batch>(at, [&](std::int64_t i, int) {
      T v[numbers];
      fetch<width>(at, row, i, -std::numeric_limits<T>::infinity(), v);
      all.exponentials.add(v);
      const int valid = vectors_inside<batch>(at, i) * width;
      T part = T(0);
      TENZO_UNROLL
      for (int j = 0; j < numbers; ++j) part += j < valid ? v[j] : T(0);
      all.total += part;
    });
    all = team.reduce(all, Join{}, thread);
    if (!at.inside || at.rank != 0) return;
    const T anchor = all.exponentials.anchor(all.exponentials.max), log_sum = math::log(all.exponentials.sum);
    const T at_label = ignored ? T(0) : load(row + label);
    T value = (anchor - at_label) + log_sum;
    if (smoothing != T(0)) value += smoothing * (at_label - all.total / classes);
    store(loss + at.line, ignored ? T(0) : value);
    store(lse + at.line, ignored ? T(0) : anchor + log_sum);
  }
};

/// gx = g (exp(x − lse) − (1 − s) onehot(label) − s / classes).
///   Mapping  a thread a vector of a row. Bound by memory: x is read and gx written once; the rows' numbers come from
///            the cache.
template <class T, int width>
struct CrossEntropyBackwardKernel {
  static constexpr int max_threads = 256;
  std::int64_t vectors, n, g_step, ignore_index;
  T spread, rest;  // s / classes, 1 − s
  const T* x;
  const std::int64_t* labels;
  const T *lse, *g;
  T* gx;

  TENZO_DEVICE void operator()() const {
    const std::int64_t i = thread_in_grid();
    if (i >= vectors) return;
    const std::int64_t row = i / n, first = i % n * width, label = load(labels + row);
    Pack<T, width> v;
    if (label == ignore_index) {
      TENZO_UNROLL
      for (int j = 0; j < width; ++j) v[j] = T(0);
    } else {
      const T up = load(g + row * g_step), l = load(lse + row);
      v = load<width>(x + i * width);
      TENZO_UNROLL
      for (int j = 0; j < width; ++j) {
        v[j] = (math::exp(v[j] - l) - spread) * up;
        if (first + j == label) v[j] -= rest * up;
      }
    }
    store<width>(gx + i * width, v);
  }
};

}  // namespace detail

template <Real T>
void cross_entropy(Device, std::int64_t rows, std::int64_t classes, const T* x, const std::int64_t* labels,
                   const CrossEntropyTarget& options, T* loss, T* lse) {
  using namespace detail;
  if (rows == 0) return;
  with_width<T>(
      classes,
      [&](auto w) {
        constexpr int width = w();
        with_row_team<T, width>(classes / width, 0, [&](auto team, int) {
          launch_lines<T, width>(
              CrossEntropyKernel<T, width, decltype(team)>{team, rows, classes / width, options.ignore_index,
                                                           T(options.smoothing), T(classes), x, labels, loss, lse},
              rows, 0, 0);
        });
      },
      x);
}

template <Real T>
void cross_entropy_backward(Device, std::int64_t rows, std::int64_t classes, const T* x, const std::int64_t* labels,
                            const CrossEntropyTarget& options, const T* lse, const T* g, std::int64_t g_step, T* gx) {
  using namespace detail;
  if (rows * classes == 0) return;
  with_width<T>(
      classes,
      [&](auto w) {
        constexpr int width = w();
        const std::int64_t vectors = rows * classes / width;
        launch(CrossEntropyBackwardKernel<T, width>{vectors, classes / width, g_step, options.ignore_index,
                                                    T(options.smoothing / double(classes)), T(1 - options.smoothing), x,
                                                    labels, lse, g, gx},
               blocks_for(vectors, 256), 256);
      },
      x, gx);
}

}  // namespace tenzo::cuda
