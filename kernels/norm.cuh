// Layer norm and RMS norm of rows, with their gradients.
#pragma once

#include <cmath>
#include <cstdint>

#include "column_sums.hpp"
#include "lines.hpp"
#include "tenzo/cuda/norm.hpp"

namespace tenzo::cuda {

namespace detail {

/// The numbers of a weight or bias that go with vector i of a row; `missing` for all where p is null.
template <int width, class T>
TENZO_DEVICE Pack<T, width> load_or(const T* p, std::int64_t i, T missing) {
  if (p) return load<width>(p + i * width);
  Pack<T, width> v;
  TENZO_UNROLL
  for (int j = 0; j < width; ++j) v[j] = missing;
  return v;
}

/// Calls f(b, i) for the vectors of a batch that are inside: the b-th, vector i of the row.
template <int batch, class Place, class F>
TENZO_DEVICE void for_vectors(const Place& at, std::int64_t i, F f) {
  TENZO_UNROLL
  for (int b = 0; b < batch; ++b, i += at.size)
    if (i < at.n) f(b, i);
}

/// Mean and Σ (x − mean)² of a row, by its team.
template <int width, class T, class Team, class Place>
TENZO_DEVICE Moments<T> moments_of(const Team& team, const Place& at, const T* row, int thread,
                                   const Shelf<T, width>& shelf) {
  constexpr int batch = batch_of<T, width>, numbers = batch * width;
  auto all = Moments<T>::none();
  for_batches<batch>(at, [&](std::int64_t i, int k) {
    T v[numbers];
    shelf.fetch_first(at, row, i, k, T(0), v);
    all.add(v, vectors_inside<batch>(at, i) * width);
  });
  return team.reduce(all, Join{}, thread);
}

/// y = (x − mean) rstd weight + bias over each row.
///   Mapping  a team a row: lanes of a warp, or a block of up to 512 threads. One pass over x for mean and variance.
///            Shared memory: the row, up to 46 KiB.
///   Bound by memory: a row is read and written once; a longer one is read again, mostly from the cache.
template <class T, int width, class Team>
struct LayerNormKernel {
  static constexpr int max_threads = team_threads<T, Team>, min_blocks = team_blocks<T, Team>;
  static constexpr int batch = batch_of<T, width>, numbers = batch * width;
  using Vector = Pack<T, width>;
  Team team;
  int slots;
  std::int64_t rows, n;
  T eps;
  const T *x, *weight, *bias;
  T *y, *mean, *rstd;

  TENZO_DEVICE void operator()() const {
    TENZO_DYNAMIC_SHARED(Vector, shared);
    const int thread = thread_in_block();
    const auto at = team.place(blockIdx.x, thread, rows, n);
    const auto kept = shelf<T, width>(shared, 0, slots, thread, team.threads());
    const T* const from = x + at.first * width;
    const Moments<T> all = moments_of(team, at, from, thread, kept);
    const T m = all.mean, s = T(1) / std::sqrt(all.squares / all.count + eps);
    if (at.inside && at.rank == 0) store(mean + at.line, m), store(rstd + at.line, s);
    for_batches<batch>(at, [&](std::int64_t i, int k) {
      T v[numbers];
      kept.fetch_again(at, from, i, k, v);
      for_vectors<batch>(at, i, [&](int b, std::int64_t vector) {
        const Vector w = load_or<width>(weight, vector, T(1)), shift = load_or<width>(bias, vector, T(0));
        TENZO_UNROLL
        for (int j = 0; j < width; ++j) v[b * width + j] = std::fma((v[b * width + j] - m) * s, w[j], shift[j]);
      });
      put<width>(at, y + at.first * width, i, v);
    });
  }
};

/// y = x rstd weight over each row.
///   Mapping, memory and bound as for layer norm.
template <class T, int width, class Team>
struct RmsNormKernel {
  static constexpr int max_threads = team_threads<T, Team>, min_blocks = team_blocks<T, Team>;
  static constexpr int batch = batch_of<T, width>, numbers = batch * width;
  using Vector = Pack<T, width>;
  Team team;
  int slots;
  std::int64_t rows, n;
  T count, eps;
  const T *x, *weight;
  T *y, *rstd;

  TENZO_DEVICE void operator()() const {
    TENZO_DYNAMIC_SHARED(Vector, shared);
    const int thread = thread_in_block();
    const auto at = team.place(blockIdx.x, thread, rows, n);
    const auto kept = shelf<T, width>(shared, 0, slots, thread, team.threads());
    const T* const from = x + at.first * width;
    T squares = T(0);
    for_batches<batch>(at, [&](std::int64_t i, int k) {
      T v[numbers];
      T part = T(0);
      kept.fetch_first(at, from, i, k, T(0), v);
      TENZO_UNROLL
      for (const T& e : v) part += e * e;
      squares += part;
    });
    squares = team.reduce(squares, Add{}, thread);
    const T s = T(1) / std::sqrt(squares / count + eps);
    if (at.inside && at.rank == 0) store(rstd + at.line, s);
    for_batches<batch>(at, [&](std::int64_t i, int k) {
      T v[numbers];
      kept.fetch_again(at, from, i, k, v);
      for_vectors<batch>(at, i, [&](int b, std::int64_t vector) {
        const Vector w = load_or<width>(weight, vector, T(1));
        TENZO_UNROLL
        for (int j = 0; j < width; ++j) v[b * width + j] = v[b * width + j] * s * w[j];
      });
      put<width>(at, y + at.first * width, i, v);
    });
  }
};

/// The statistics of rows: what is normalised is (x − mean) rstd, with a null mean x rstd.
template <class T>
struct RowStatistics {
  const T *mean, *rstd;
  TENZO_DEVICE T mean_of(std::int64_t row) const { return mean ? load(mean + row) : T(0); }
  TENZO_DEVICE T normalized(T x, std::int64_t row, std::int64_t) const { return (x - mean_of(row)) * load(rstd + row); }
};

/// With h = (x − mean) rstd and g = gy weight:   gx = rstd (g − mean g − h mean(g h)) over each row; of RMS norm, whose
/// mean is null, gx = rstd (g − h mean(g h)).
///   Mapping  a team a row, as above. Shared memory: the rows of x and gy, up to 46 KiB.
///   Bound by memory: x and gy are read and gx is written once, where they fit.
template <class T, int width, class Team>
struct NormBackwardKernel {
  static constexpr int max_threads = team_threads<T, Team>, min_blocks = team_blocks<T, Team>;
  static constexpr int batch = batch_of<T, width, 2>, numbers = batch * width;
  using Vector = Pack<T, width>;
  Team team;
  int slots;
  std::int64_t rows, n;
  T count;
  RowStatistics<T> stat;
  const T *x, *weight, *gy;
  T* gx;

  TENZO_DEVICE void operator()() const {
    TENZO_DYNAMIC_SHARED(Vector, shared);
    const int thread = thread_in_block();
    const auto at = team.place(blockIdx.x, thread, rows, n);
    const auto kept_x = shelf<T, width>(shared, 0, slots, thread, team.threads());
    const auto kept_g = shelf<T, width>(shared, 1, slots, thread, team.threads());
    const T *const from_x = x + at.first * width, *const from_g = gy + at.first * width;
    const T m = at.inside ? stat.mean_of(at.line) : T(0), s = at.inside ? load(stat.rstd + at.line) : T(0);
    auto sums = TwoSums<T>::none();
    for_batches<batch>(at, [&](std::int64_t i, int k) {
      T v[numbers], g[numbers];
      kept_x.fetch_first(at, from_x, i, k, m, v);
      kept_g.fetch_first(at, from_g, i, k, T(0), g);
      auto part = TwoSums<T>::none();
      for_vectors<batch>(at, i, [&](int b, std::int64_t vector) {
        const Vector w = load_or<width>(weight, vector, T(1));
        TENZO_UNROLL
        for (int j = 0; j < width; ++j) {
          const T u = g[b * width + j] * w[j];
          part.a += u, part.b += u * ((v[b * width + j] - m) * s);
        }
      });
      sums = sums.join(part);
    });
    sums = team.reduce(sums, Join{}, thread);
    const T g_mean = stat.mean ? sums.a / count : T(0), gh_mean = sums.b / count;
    for_batches<batch>(at, [&](std::int64_t i, int k) {
      T v[numbers], g[numbers];
      kept_x.fetch_again(at, from_x, i, k, v);
      kept_g.fetch_again(at, from_g, i, k, g);
      for_vectors<batch>(at, i, [&](int b, std::int64_t vector) {
        const Vector w = load_or<width>(weight, vector, T(1));
        TENZO_UNROLL
        for (int j = 0; j < width; ++j) {
          T& e = v[b * width + j];
          e = (g[b * width + j] * w[j] - g_mean - (e - m) * s * gh_mean) * s;
        }
      });
      put<width>(at, gx + at.first * width, i, v);
    });
  }
};

template <class T>
void norm_backward(std::int64_t rows, std::int64_t n, const T* x, const T* weight, const RowStatistics<T>& stat,
                   const T* gy, T* gx, T* gw, T* gb) {
  column_gradients(rows, n, stat, x, gy, gw, gb);  // before gx, which may be gy
  if (!gx || rows * n == 0) return;
  with_width<T>(
      n,
      [&](auto w) {
        constexpr int width = w();
        with_row_team<T, width>(n / width, 2, [&](auto team, int slots) {
          launch_lines<T, width>(
              NormBackwardKernel<T, width, decltype(team)>{team, slots, rows, n / width, T(n), stat, x, weight, gy, gx},
              rows, 2, slots);
        });
      },
      x, weight, gy, gx);
}

}  // namespace detail

template <Real T>
void layer_norm(Device, std::int64_t rows, std::int64_t n, const T* x, const T* weight, const T* bias, double eps, T* y,
                T* mean, T* rstd) {
  using namespace detail;
  if (rows * n == 0) return;
  with_width<T>(
      n,
      [&](auto w) {
        constexpr int width = w();
        with_row_team<T, width>(n / width, 1, [&](auto team, int slots) {
          launch_lines<T, width>(LayerNormKernel<T, width, decltype(team)>{team, slots, rows, n / width, T(eps), x,
                                                                           weight, bias, y, mean, rstd},
                                 rows, 1, slots);
        });
      },
      x, weight, bias, y);
}

template <Real T>
void layer_norm_backward(Device, std::int64_t rows, std::int64_t n, const T* x, const T* weight, const T* mean,
                         const T* rstd, const T* gy, T* gx, T* gw, T* gb) {
  detail::norm_backward(rows, n, x, weight, detail::RowStatistics<T>{mean, rstd}, gy, gx, gw, gb);
}

template <Real T>
void rms_norm(Device, std::int64_t rows, std::int64_t n, const T* x, const T* weight, double eps, T* y, T* rstd) {
  using namespace detail;
  if (rows * n == 0) return;
  with_width<T>(
      n,
      [&](auto w) {
        constexpr int width = w();
        with_row_team<T, width>(n / width, 1, [&](auto team, int slots) {
          launch_lines<T, width>(
              RmsNormKernel<T, width, decltype(team)>{team, slots, rows, n / width, T(n), T(eps), x, weight, y, rstd},
              rows, 1, slots);
        });
      },
      x, weight, y);
}

template <Real T>
void rms_norm_backward(Device, std::int64_t rows, std::int64_t n, const T* x, const T* weight, const T* rstd,
                       const T* gy, T* gx, T* gw) {
  detail::norm_backward(rows, n, x, weight, detail::RowStatistics<T>{nullptr, rstd}, gy, gx, gw,
                        static_cast<T*>(nullptr));
}

}  // namespace tenzo::cuda
