// Batch norm and group norm of images: x is (n, channels, size), size the number of pixels, 1 for plain features.
//
// Sums go over the pixels of each channel of each image first, then over the images, in a fixed order.
#pragma once

#include <cmath>
#include <cstdint>

#include "column_sums.hpp"
#include "lines.hpp"
#include "norm.cuh"
#include "tenzo/cuda/channel_norm.hpp"

namespace tenzo::cuda {

namespace detail {

/// The numbers of `width` elements from x on that belong to channels: of one channel, or of neighbouring channels where
/// a channel is one number. `missing` for all where p is null.
template <int width, bool features, class T>
TENZO_DEVICE Pack<T, width> of_channels(const T* p, std::int64_t channel, T missing) {
  Pack<T, width> v;
  if constexpr (features) {
    if (p) return load<width>(p + channel);
  } else if (p) {
    missing = load(p + channel);
  }
  TENZO_UNROLL
  for (int j = 0; j < width; ++j) v[j] = missing;
  return v;
}

/// The statistics of the channels of a batch, and of the groups of channels of each image. `line` is an image's channel
/// in the order of memory.
template <class T>
struct BatchStatistics {
  const T *mean, *variance;
  T eps;
  std::int64_t channels;

  TENZO_DEVICE T mean_of(std::int64_t line) const { return load(mean + line % channels); }
  TENZO_DEVICE T rstd_of(std::int64_t line) const { return T(1) / std::sqrt(load(variance + line % channels) + eps); }
  TENZO_DEVICE T normalized(T x, std::int64_t, std::int64_t channel) const {
    return (x - mean_of(channel)) * rstd_of(channel);
  }
};
template <class T>
struct GroupStatistics {
  const T *mean, *rstd;
  std::int64_t channels;  // of a group

  TENZO_DEVICE T mean_of(std::int64_t line) const { return load(mean + line / channels); }
  TENZO_DEVICE T rstd_of(std::int64_t line) const { return load(rstd + line / channels); }
};

// ── sums ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/// The moments of parts of channels, each of a known number of elements.
template <class T>
struct MomentArrays {
  T *mean, *low, *squares;

  TENZO_DEVICE Moments<T> get(std::int64_t i, T count) const {
    return {count, load<T>(mean + i), load<T>(low + i), load<T>(squares + i)};
  }
  TENZO_DEVICE void put(std::int64_t i, const Moments<T>& m) const {
    store(mean + i, m.mean), store(low + i, m.low), store(squares + i, m.squares);
  }
};

/// Mean and Σ (x − mean)² of each row.
///   Mapping  a team a row: lanes of a warp, or a block of up to 512 threads. Bound by memory: x is read once.
template <class T, int width, class Team>
struct RowMomentsKernel {
  static constexpr int max_threads = team_threads<T, Team>, min_blocks = team_blocks<T, Team>;
  Team team;
  std::int64_t rows, n;
  const T* x;
  MomentArrays<T> to;

  TENZO_DEVICE void operator()() const {
    const int thread = thread_in_block();
    const auto at = team.place(blockIdx.x, thread, rows, n);
    const auto all = moments_of(team, at, x + at.first * width, thread, Shelf<T, width>{});
    if (at.inside && at.rank == 0) to.put(at.line, all);
  }
};

/// Moments of the columns of (rows, columns): of numbers x, or, where x is null, of moments of `each` numbers, in the
/// last row of `last`. For pieces of the rows, or mean and variance.
///   Mapping  a block of 32 columns by 8 rows, which it joins in shared memory. Bound by memory.
template <class T>
struct ColumnMomentsKernel {
  static constexpr int max_threads = ColumnPieces::width * ColumnPieces::height, min_blocks = blocks_at_once<T>;
  ColumnPieces pieces;
  T each, last;
  const T* x;
  MomentArrays<T> from, to;
  T *mean, *variance;

  TENZO_DEVICE void operator()() const {
    const int thread = thread_in_block();
    const auto at = pieces.place(blockIdx.x, thread);
    auto all = Moments<T>::none();
    for (std::int64_t r = at.begin; r < at.end; r += ColumnPieces::height) {
      const std::int64_t i = r * pieces.columns + at.column;
      Moments<T> one{T(1), T(0), T(0), T(0)};
      if (x) one.mean = load(x + i);
      else one = from.get(i, r + 1 < pieces.rows ? each : last);
      all = all.join(one);
    }
    all = join_column(all, thread);
    if (thread >= ColumnPieces::width || at.column >= pieces.columns) return;
    if (mean) store(mean + at.column, all.mean), store(variance + at.column, all.squares / all.count);
    else to.put(at.piece * pieces.columns + at.column, all);
  }
};

/// Σ gy and Σ gy h of each row, a channel of an image, with h = (x − mean) rstd.
///   Mapping  a team a row. Bound by memory: x and gy are read once.
template <class T, int width, class Team, class Stat>
struct RowGradientKernel {
  static constexpr int max_threads = team_threads<T, Team>, min_blocks = team_blocks<T, Team>;
  static constexpr int batch = batch_of<T, width, 2>, numbers = batch * width;
  Team team;
  std::int64_t rows, n;
  Stat stat;
  const T *x, *gy;
  T *sum_g, *sum_gh;

  TENZO_DEVICE void operator()() const {
    const int thread = thread_in_block();
    const auto at = team.place(blockIdx.x, thread, rows, n);
    const T m = at.inside ? stat.mean_of(at.line) : T(0), s = at.inside ? stat.rstd_of(at.line) : T(0);
    auto sums = TwoSums<T>::none();
    for_batches<batch>(at, [&](std::int64_t i, int) {
      T v[numbers], g[numbers];
      fetch<width>(at, x + at.first * width, i, m, v);
      fetch<width>(at, gy + at.first * width, i, T(0), g);
      auto part = TwoSums<T>::none();
      TENZO_UNROLL
      for (int j = 0; j < numbers; ++j) part.a += g[j], part.b += g[j] * ((v[j] - m) * s);
      sums = sums.join(part);
    });
    sums = team.reduce(sums, Join{}, thread);
    if (at.inside && at.rank == 0) store(sum_g + at.line, sums.a), store(sum_gh + at.line, sums.b);
  }
};

// ── batch norm ───────────────────────────────────────────────────────────────────────────────────────────────────────

/// y = (x − mean) / √(variance + eps) weight + bias.
///   Mapping  a thread a vector. Bound by memory: x is read and y written once; the channels' numbers come from the
///            cache.
template <class T, int width, bool features>
struct BatchNormKernel {
  static constexpr int max_threads = 256;
  std::int64_t vectors, channels, size;  // size in vectors
  T eps;
  const T *x, *mean, *variance, *weight, *bias;
  T* y;

  TENZO_DEVICE void operator()() const {
    const std::int64_t i = thread_in_grid();
    if (i >= vectors) return;
    const std::int64_t c = features ? i * width % channels : i / size % channels;
    auto v = load<width>(x + i * width);
    const auto m = of_channels<width, features>(mean, c, T(0)), s = of_channels<width, features>(variance, c, T(1));
    const auto a = of_channels<width, features>(weight, c, T(1)), b = of_channels<width, features>(bias, c, T(0));
    TENZO_UNROLL
    for (int j = 0; j < width; ++j) v[j] = std::fma((v[j] - m[j]) * (T(1) / std::sqrt(s[j] + eps)), a[j], b[j]);
    store<width>(y + i * width, v);
  }
};

/// gx = weight rstd (gy − share gb − h (share gw)), where own statistics have a share of 1 / m each; else
/// gx = weight rstd gy.
///   Mapping  a thread a vector. Bound by memory: x and gy are read and gx is written once.
template <class T, int width, bool features>
struct BatchNormBackwardKernel {
  static constexpr int max_threads = 256;
  std::int64_t vectors, channels, size;
  T eps, share;
  bool own_statistics;
  const T *x, *mean, *variance, *weight, *gy, *gw, *gb;
  T* gx;

  TENZO_DEVICE void operator()() const {
    const std::int64_t i = thread_in_grid();
    if (i >= vectors) return;
    const std::int64_t c = features ? i * width % channels : i / size % channels;
    auto g = load<width>(gy + i * width);
    auto s = of_channels<width, features>(variance, c, T(1));
    TENZO_UNROLL
    for (int j = 0; j < width; ++j) s[j] = T(1) / std::sqrt(s[j] + eps);
    if (own_statistics) {
      const auto v = load<width>(x + i * width);
      const auto m = of_channels<width, features>(mean, c, T(0));
      const auto b = of_channels<width, features>(gb, c, T(0)), w = of_channels<width, features>(gw, c, T(0));
      TENZO_UNROLL
      for (int j = 0; j < width; ++j) g[j] = g[j] - b[j] * share - (v[j] - m[j]) * s[j] * (w[j] * share);
    }
    const auto a = of_channels<width, features>(weight, c, T(1));
    TENZO_UNROLL
    for (int j = 0; j < width; ++j) g[j] *= a[j] * s[j];
    store<width>(gx + i * width, g);
  }
};

// ── group norm ───────────────────────────────────────────────────────────────────────────────────────────────────────

/// y = (x − mean) rstd weight + bias over each group of channels of an image.
///   Mapping  a team a group. One pass over x for mean and variance. Shared memory: the group, up to 46 KiB.
///   Bound by memory: a group is read and written once; a larger one is read again, mostly from the cache.
template <class T, int width, class Team>
struct GroupNormKernel {
  static constexpr int max_threads = team_threads<T, Team>, min_blocks = team_blocks<T, Team>;
  static constexpr int batch = batch_of<T, width, 2>, numbers = batch * width;
  using Vector = Pack<T, width>;
  Team team;
  int slots;
  std::int64_t rows, n, groups, channels, size;  // channels of a group; n and size in vectors
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
    const std::int64_t first_channel = at.line % groups * channels;
    for_batches<batch>(at, [&](std::int64_t i, int k) {
      T v[numbers];
      kept.fetch_again(at, from, i, k, v);
      TENZO_UNROLL
      for (int b = 0; b < batch; ++b) {
        const std::int64_t vector = i + std::int64_t(b) * at.size;
        if (vector >= at.n) continue;
        const std::int64_t c = first_channel + vector / size;
        const T a = weight ? load(weight + c) : T(1), shift = bias ? load(bias + c) : T(0);
        TENZO_UNROLL
        for (int j = 0; j < width; ++j) v[b * width + j] = std::fma((v[b * width + j] - m) * s, a, shift);
      }
      put<width>(at, y + at.first * width, i, v);
    });
  }
};

/// For each group of an image, Σ weight Σ gy and Σ weight Σ gy h over its channels, each over the numbers of a group.
///   Mapping  a thread a group: these are few.
template <class T>
struct GroupMeansKernel {
  static constexpr int max_threads = 128;
  std::int64_t total, groups, channels;
  T count;
  const T *weight, *sum_g, *sum_gh;
  T *mean_g, *mean_gh;

  TENZO_DEVICE void operator()() const {
    const std::int64_t i = thread_in_grid();
    if (i >= total) return;
    T a = T(0), b = T(0);
    for (std::int64_t c = 0; c < channels; ++c) {
      const T w = weight ? load(weight + i % groups * channels + c) : T(1);
      a += w * load(sum_g + i * channels + c), b += w * load(sum_gh + i * channels + c);
    }
    store(mean_g + i, a / count), store(mean_gh + i, b / count);
  }
};

/// gx = rstd (gy weight − mean g − h mean(g h)).
///   Mapping  a thread a vector. Bound by memory: x and gy are read and gx is written once.
template <class T, int width>
struct GroupNormBackwardKernel {
  static constexpr int max_threads = 256;
  std::int64_t vectors, channels, size;  // all channels
  GroupStatistics<T> stat;
  const T *x, *weight, *gy, *mean_g, *mean_gh;
  T* gx;

  TENZO_DEVICE void operator()() const {
    const std::int64_t i = thread_in_grid();
    if (i >= vectors) return;
    const std::int64_t line = i / size, group = line / stat.channels;
    const auto v = load<width>(x + i * width);
    auto g = load<width>(gy + i * width);
    const T a = weight ? load(weight + line % channels) : T(1), m = load(stat.mean + group),
            s = load(stat.rstd + group);
    const T share_g = load(mean_g + group), share_gh = load(mean_gh + group);
    TENZO_UNROLL
    for (int j = 0; j < width; ++j) g[j] = (g[j] * a - share_g - (v[j] - m) * s * share_gh) * s;
    store<width>(gx + i * width, g);
  }
};

/// Σ gy and Σ gy h of each channel of each image.
template <class T, class Stat>
void image_gradients(const Channels& s, const Stat& stat, const T* x, const T* gy, T* sum_g, T* sum_gh) {
  const std::int64_t rows = s.n * s.channels;
  with_width<T>(
      s.size,
      [&](auto w) {
        constexpr int width = w();
        with_row_team<T, width>(s.size / width, 0, [&](auto team, int) {
          launch_lines<T, width>(
              RowGradientKernel<T, width, decltype(team), Stat>{team, rows, s.size / width, stat, x, gy, sum_g, sum_gh},
              rows, 0, 0);
        });
      },
      x, gy);
}

/// Calls run(width, features) with constants for a loop over vectors, each of one channel or of neighbouring channels.
template <class T, class F, class... P>
void with_channel_width(const Channels& s, F&& run, const P*... arrays) {
  with_width<T>(
      s.size == 1 ? s.channels : s.size,
      [&](auto w) {
        if (s.size == 1) run(w, std::true_type{});
        else run(w, std::false_type{});
      },
      arrays...);
}

}  // namespace detail

template <Real T>
void batch_statistics(Device, const Channels& s, const T* x, T* mean, T* variance) {
  using namespace detail;
  if (s.numel() == 0) return;
  using K = ColumnMomentsKernel<T>;
  const auto arrays = [](const DeviceArray<T>& a) {
    const std::int64_t n = a.size() / 3;
    return MomentArrays<T>{a.data(), a.data() + n, a.data() + 2 * n};
  };
  const bool features = s.size == 1;
  const std::int64_t rows = features ? 0 : s.n * s.channels;
  const DeviceArray<T> of_images(3 * rows);
  if (!features) {
    with_width<T>(
        s.size,
        [&](auto w) {
          constexpr int width = w();
          with_row_team<T, width>(s.size / width, 0, [&](auto team, int) {
            launch_lines<T, width>(
                RowMomentsKernel<T, width, decltype(team)>{team, rows, s.size / width, x, arrays(of_images)}, rows, 0,
                0);
          });
        },
        x);
  }
  const ColumnPieces pieces(s.n, s.channels);
  K first{pieces, T(s.size), T(s.size), features ? x : nullptr, arrays(of_images), {}, mean, variance};
  if (pieces.count == 1) return launch(first, pieces.blocks(), K::max_threads);
  const DeviceArray<T> of_pieces(3 * pieces.count * s.channels);
  first.to = arrays(of_pieces), first.mean = first.variance = nullptr;
  launch(first, pieces.blocks(), K::max_threads);
  const ColumnPieces joined(pieces.count, s.channels, true);
  const std::int64_t last = s.n - (pieces.count - 1) * pieces.length;
  launch(K{joined, T(pieces.length * s.size), T(last * s.size), nullptr, arrays(of_pieces), {}, mean, variance},
         joined.blocks(), K::max_threads);
}

template <Real T>
void batch_norm(Device, const Channels& s, const T* x, const T* mean, const T* variance, const T* weight, const T* bias,
                double eps, T* y) {
  using namespace detail;
  if (s.numel() == 0) return;
  with_channel_width<T>(
      s,
      [&](auto w, auto features) {
        constexpr int width = w();
        const std::int64_t vectors = s.numel() / width;
        launch(BatchNormKernel<T, width, features()>{vectors, s.channels, features() ? 1 : s.size / width, T(eps), x,
                                                     mean, variance, weight, bias, y},
               blocks_for(vectors, 256), 256);
      },
      x, mean, variance, weight, bias, y);
}

template <Real T>
void batch_norm_backward(Device, const Channels& s, const T* x, const T* mean, const T* variance, const T* weight,
                         double eps, bool own_statistics, const T* gy, T* gx, T* gw, T* gb) {
  using namespace detail;
  const BatchStatistics<T> stat{mean, variance, T(eps), s.channels};
  if (s.size == 1 || s.numel() == 0) {
    column_gradients(s.n * s.size, s.channels, stat, x, gy, gw, gb);
  } else {
    const std::int64_t of_images = s.n * s.channels;
    const DeviceArray<T> sum_g(of_images), sum_gh(of_images);
    image_gradients(s, stat, x, gy, sum_g.data(), sum_gh.data());
    sum_middle(Device{}, 1, s.n, s.channels, static_cast<const T*>(sum_g.data()), gb);
    sum_middle(Device{}, 1, s.n, s.channels, static_cast<const T*>(sum_gh.data()), gw);
  }
  if (!gx || s.numel() == 0) return;
  const T share = own_statistics ? T(1) / T(s.per_channel()) : T(0);
  with_channel_width<T>(
      s,
      [&](auto w, auto features) {
        constexpr int width = w();
        const std::int64_t vectors = s.numel() / width;
        launch(BatchNormBackwardKernel<T, width, features()>{vectors, s.channels, features() ? 1 : s.size / width,
                                                             T(eps), share, own_statistics, x, mean, variance, weight,
                                                             gy, gw, gb, gx},
               blocks_for(vectors, 256), 256);
      },
      x, mean, variance, weight, gy, gw, gb, gx);
}

template <Real T>
void group_norm(Device, const Channels& s, std::int64_t groups, const T* x, const T* weight, const T* bias, double eps,
                T* y, T* mean, T* rstd) {
  using namespace detail;
  if (s.numel() == 0) return;
  const std::int64_t rows = s.n * groups, channels = s.channels / groups;
  with_width<T>(
      s.size,
      [&](auto w) {
        constexpr int width = w();
        const std::int64_t size = s.size / width;
        with_row_team<T, width>(channels * size, 1, [&](auto team, int slots) {
          launch_lines<T, width>(
              GroupNormKernel<T, width, decltype(team)>{team, slots, rows, channels * size, groups, channels, size,
                                                        T(eps), x, weight, bias, y, mean, rstd},
              rows, 1, slots);
        });
      },
      x, y);
}

template <Real T>
void group_norm_backward(Device, const Channels& s, std::int64_t groups, const T* x, const T* weight, const T* mean,
                         const T* rstd, const T* gy, T* gx, T* gw, T* gb) {
  using namespace detail;
  if (s.numel() == 0) {
    if (s.channels) fill(Device{}, s.channels, gw, T(0)), fill(Device{}, s.channels, gb, T(0));
    return;
  }
  const GroupStatistics<T> stat{mean, rstd, s.channels / groups};
  const std::int64_t of_images = s.n * s.channels, of_groups = gx ? s.n * groups : 0;
  const DeviceArray<T> sum_g(of_images), sum_gh(of_images), mean_g(of_groups), mean_gh(of_groups);
  image_gradients(s, stat, x, gy, sum_g.data(), sum_gh.data());
  sum_middle(Device{}, 1, s.n, s.channels, static_cast<const T*>(sum_g.data()), gb);
  sum_middle(Device{}, 1, s.n, s.channels, static_cast<const T*>(sum_gh.data()), gw);
  if (!gx) return;
  launch(GroupMeansKernel<T>{of_groups, groups, stat.channels, T(stat.channels * s.size), weight, sum_g.data(),
                             sum_gh.data(), mean_g.data(), mean_gh.data()},
         blocks_for(of_groups, 128), 128);
  with_width<T>(
      s.size,
      [&](auto w) {
        constexpr int width = w();
        const std::int64_t vectors = s.numel() / width;
        launch(GroupNormBackwardKernel<T, width>{vectors, s.channels, s.size / width, stat, x, weight, gy,
                                                 mean_g.data(), mean_gh.data(), gx},
               blocks_for(vectors, 256), 256);
      },
      x, gy, gx);
}

}  // namespace tenzo::cuda
