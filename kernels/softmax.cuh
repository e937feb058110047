// Softmax, its logarithm, log Σ eˣ, and their gradients.
#pragma once

#include <cstdint>
#include <limits>

#include "lines.hpp"
#include "loops.cuh"
#include "tenzo/core/math.hpp"
#include "tenzo/cuda/softmax.hpp"

namespace tenzo::cuda {

namespace detail {

/// Σ eˣ of a line, by its team.
template <int width, class T, class Team, class Place>
TENZO_DEVICE MaxAndSum<T> sum_of_exponentials(const Team& team, const Place& at, const T* line, int thread,
                                              const Shelf<T, width>& shelf) {
  constexpr int batch = batch_of<T, width>, numbers = batch * width;
  auto all = MaxAndSum<T>::none();
  for_batches<batch>(at, [&](std::int64_t i, int k) {
    T v[numbers];
    shelf.fetch_first(at, line, i, k, -std::numeric_limits<T>::infinity(), v);
    all.add(v);
  });
  return team.reduce(all, Join{}, thread);
}

/// y = log Σ exp x.
///   Mapping  a team a line: lanes of a warp, a block, or threads of a column. One pass with a running maximum.
///   Bound by memory: x is read once.
template <class T, int width, class Team>
struct LogSumExpKernel {
  static constexpr int max_threads = team_threads<T, Team>, min_blocks = team_blocks<T, Team>;
  Team team;
  std::int64_t lines, n;
  const T* x;
  T* y;

  TENZO_DEVICE void operator()() const {
    const int thread = thread_in_block();
    const auto at = team.place(blockIdx.x, thread, lines, n);
    const auto all = sum_of_exponentials<width>(team, at, x + at.first * width, thread, Shelf<T, width>{});
    if (at.inside && at.rank == 0) store(y + at.line, all.anchor(all.max) + math::log(all.sum));
  }
};

/// What the elements of a line become.
template <class T>
struct SoftmaxOf {
  T anchor, scale;
  TENZO_DEVICE explicit SoftmaxOf(const MaxAndSum<T>& all) : anchor(all.anchor(all.max)), scale(T(1) / all.sum) {}
  TENZO_DEVICE T operator()(T x) const { return math::exp(x - anchor) * scale; }
};
template <class T>
struct LogSoftmaxOf {
  T anchor, log_sum;
  TENZO_DEVICE explicit LogSoftmaxOf(const MaxAndSum<T>& all)
      : anchor(all.anchor(all.max)), log_sum(math::log(all.sum)) {}
  TENZO_DEVICE T operator()(T x) const { return x - anchor - log_sum; }  // one after the other: exact near 0
};

/// y = Of(Σ exp x)(x) over each line.
///   Mapping  a team a line, as above. Shared memory: the line, up to 46 KiB.
///   Bound by memory: a row is read and written once; a longer one, and a column, is read again, mostly from the cache.
template <class T, int width, class Team, class Of>
struct SoftmaxKernel {
  static constexpr int max_threads = team_threads<T, Team>, min_blocks = team_blocks<T, Team>;
  static constexpr int batch = batch_of<T, width>, numbers = batch * width;
  using Vector = Pack<T, width>;
  Team team;
  int slots;
  std::int64_t lines, n;
  const T* x;
  T* y;

  TENZO_DEVICE void operator()() const {
    TENZO_DYNAMIC_SHARED(Vector, shared);
    const int thread = thread_in_block();
    const auto at = team.place(blockIdx.x, thread, lines, n);
    const auto kept = shelf<T, width>(shared, 0, slots, thread, team.threads());
    const T* const from = x + at.first * width;
    const Of of(sum_of_exponentials(team, at, from, thread, kept));
    for_batches<batch>(at, [&](std::int64_t i, int k) {
      T v[numbers];
      kept.fetch_again(at, from, i, k, v);
      TENZO_UNROLL
      for (T& e : v) e = of(e);
      put<width>(at, y + at.first * width, i, v);
    });
  }
};

/// The gradients of the two: what is summed over the line, and what comes of that.
struct SoftmaxSlope {
  static constexpr int reread = 2;  // arrays, of y and gy
  template <class T>
  TENZO_DEVICE static T term(T y, T g) {
    return y * g;
  }
  template <class T>
  TENZO_DEVICE static T result(T y, T g, T sum) {
    return y * (g - sum);
  }
};
struct LogSoftmaxSlope {
  static constexpr int reread = 1;
  template <class T>
  TENZO_DEVICE static T term(T, T g) {
    return g;
  }
  template <class T>
  TENZO_DEVICE static T result(T y, T g, T sum) {
    return g - math::exp(y) * sum;
  }
};

/// gx = result(y, gy, Σ term(y, gy)).
///   Mapping and memory as above, of one array or two.
///   Bound by memory: y and gy are read and gx is written once, where they fit.
template <class T, int width, class Team, class Slope>
struct SoftmaxBackwardKernel {
  static constexpr int max_threads = team_threads<T, Team>, min_blocks = team_blocks<T, Team>;
  static constexpr int batch = batch_of<T, width, 2>, numbers = batch * width;
  using Vector = Pack<T, width>;
  Team team;
  int slots;
  std::int64_t lines, n;
  const T *y, *gy;
  T* gx;

  TENZO_DEVICE void operator()() const {
    TENZO_DYNAMIC_SHARED(Vector, shared);
    const int thread = thread_in_block();
    const auto at = team.place(blockIdx.x, thread, lines, n);
    const auto kept_g = shelf<T, width>(shared, 0, slots, thread, team.threads());
    auto kept_y = shelf<T, width>(shared, 1, slots, thread, team.threads());
    if constexpr (Slope::reread == 1) kept_y.on = false;
    const T *const from_y = y + at.first * width, *const from_g = gy + at.first * width;
    T sum = T(0);
    for_batches<batch>(at, [&](std::int64_t i, int k) {
      T p[numbers] = {}, g[numbers];
      if constexpr (Slope::reread == 2) kept_y.fetch_first(at, from_y, i, k, T(0), p);
      kept_g.fetch_first(at, from_g, i, k, T(0), g);
      T part = T(0);
      TENZO_UNROLL
      for (int j = 0; j < numbers; ++j) part += Slope::term(p[j], g[j]);
      sum += part;
    });
    sum = team.reduce(sum, Add{}, thread);
    for_batches<batch>(at, [&](std::int64_t i, int k) {
      T p[numbers], g[numbers];
      kept_y.fetch_again(at, from_y, i, k, p);
      kept_g.fetch_again(at, from_g, i, k, g);
      TENZO_UNROLL
      for (int j = 0; j < numbers; ++j) g[j] = Slope::result(p[j], g[j], sum);
      put<width>(at, gx + at.first * width, i, g);
    });
  }
};

/// gx = gy exp(x − y), with a y and a gy a line.
///   Mapping  a thread a vector. Bound by memory: x is read and gx written once; the numbers of lines come from the
///            cache.
template <class T, int width, bool rows>
struct LogSumExpBackwardKernel {
  static constexpr int max_threads = 256;
  std::int64_t vectors, n, inner;  // inner in vectors; of rows, n in vectors
  const T *x, *y, *gy;
  T* gx;

  TENZO_DEVICE void operator()() const {
    const std::int64_t i = thread_in_grid();
    if (i >= vectors) return;
    Pack<T, width> v = load<width>(x + i * width), l, g;
    if constexpr (rows) {
      const T line = load(y + i / n), up = load(gy + i / n);
      TENZO_UNROLL
      for (int j = 0; j < width; ++j) l[j] = line, g[j] = up;
    } else {
      const std::int64_t row = i / inner, at = (row / n * inner + i % inner) * width;
      l = load<width>(y + at), g = load<width>(gy + at);
    }
    TENZO_UNROLL
    for (int j = 0; j < width; ++j) v[j] = math::exp(v[j] - l[j]) * g[j];
    store<width>(gx + i * width, v);
  }
};

template <class Of, class T>
void softmax_lines(std::int64_t outer, std::int64_t n, std::int64_t inner, const T* x, T* y) {
  if (outer * n * inner == 0) return;
  if (inner > 1) {
    const ColumnTeam team(n, inner);
    launch_lines<T, 1>(SoftmaxKernel<T, 1, ColumnTeam, Of>{team, 0, outer * inner, n, x, y}, outer * inner, 0, 0);
    return;
  }
  with_width<T>(
      n,
      [&](auto w) {
        constexpr int width = w();
        with_row_team<T, width>(n / width, 1, [&](auto team, int slots) {
          launch_lines<T, width>(SoftmaxKernel<T, width, decltype(team), Of>{team, slots, outer, n / width, x, y},
                                 outer, 1, slots);
        });
      },
      x, y);
}

template <class Slope, class T>
void softmax_gradient(std::int64_t outer, std::int64_t n, std::int64_t inner, const T* y, const T* gy, T* gx) {
  if (outer * n * inner == 0) return;
  if (inner > 1) {
    const ColumnTeam team(n, inner);
    launch_lines<T, 1>(SoftmaxBackwardKernel<T, 1, ColumnTeam, Slope>{team, 0, outer * inner, n, y, gy, gx},
                       outer * inner, 0, 0);
    return;
  }
  with_width<T>(
      n,
      [&](auto w) {
        constexpr int width = w();
        with_row_team<T, width>(n / width, Slope::reread, [&](auto team, int slots) {
          launch_lines<T, width>(
              SoftmaxBackwardKernel<T, width, decltype(team), Slope>{team, slots, outer, n / width, y, gy, gx}, outer,
              Slope::reread, slots);
        });
      },
      y, gy, gx);
}

}  // namespace detail

template <Real T>
void logsumexp(Device device, std::int64_t outer, std::int64_t n, std::int64_t inner, const T* x, T* y) {
  if (outer * inner == 0) return;
  if (n == 0) return fill(device, outer * inner, y, -std::numeric_limits<T>::infinity());
  using namespace detail;
  if (inner > 1) {
    const ColumnTeam team(n, inner);
    launch_lines<T, 1>(LogSumExpKernel<T, 1, ColumnTeam>{team, outer * inner, n, x, y}, outer * inner, 0, 0);
    return;
  }
  with_width<T>(
      n,
      [&](auto w) {
        constexpr int width = w();
        with_row_team<T, width>(n / width, 0, [&](auto team, int) {
          launch_lines<T, width>(LogSumExpKernel<T, width, decltype(team)>{team, outer, n / width, x, y}, outer, 0, 0);
        });
      },
      x);
}

template <Real T>
void softmax(Device, std::int64_t outer, std::int64_t n, std::int64_t inner, const T* x, T* y) {
  detail::softmax_lines<detail::SoftmaxOf<T>>(outer, n, inner, x, y);
}

template <Real T>
void log_softmax(Device, std::int64_t outer, std::int64_t n, std::int64_t inner, const T* x, T* y) {
  detail::softmax_lines<detail::LogSoftmaxOf<T>>(outer, n, inner, x, y);
}

template <Real T>
void softmax_backward(Device, std::int64_t outer, std::int64_t n, std::int64_t inner, const T* y, const T* gy, T* gx) {
  detail::softmax_gradient<detail::SoftmaxSlope>(outer, n, inner, y, gy, gx);
}

template <Real T>
void log_softmax_backward(Device, std::int64_t outer, std::int64_t n, std::int64_t inner, const T* y, const T* gy,
                          T* gx) {
  detail::softmax_gradient<detail::LogSoftmaxSlope>(outer, n, inner, y, gy, gx);
}

template <Real T>
void logsumexp_backward(Device, std::int64_t outer, std::int64_t n, std::int64_t inner, const T* x, const T* y,
                        const T* gy, T* gx) {
  using namespace detail;
  if (outer * n * inner == 0) return;
  if (inner == 1) {
    with_width<T>(
        n,
        [&](auto w) {
          constexpr int width = w();
          const std::int64_t vectors = outer * n / width;
          launch(LogSumExpBackwardKernel<T, width, true>{vectors, n / width, 1, x, y, gy, gx}, blocks_for(vectors, 256),
                 256);
        },
        x, gx);
    return;
  }
  with_width<T>(
      inner,
      [&](auto w) {
        constexpr int width = w();
        const std::int64_t vectors = outer * n * inner / width;
        launch(LogSumExpBackwardKernel<T, width, false>{vectors, n, inner / width, x, y, gy, gx},
               blocks_for(vectors, 256), 256);
      },
      x, y, gy, gx);
}

}  // namespace tenzo::cuda
