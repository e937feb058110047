// Batch norm and group norm of images: x is (n, channels, size), size the number of pixels, 1 for plain features.
//
// Sums go over the pixels of each channel of each image first, then over the images, in a fixed order. weight and bias,
// a number a channel, may be null: one and zero.
#pragma once

#include <cmath>

#include "tenzo/core/device.hpp"
#include "tenzo/ops/cpu/lanes.hpp"
#include "tenzo/ops/cpu/loops.hpp"
#include "tenzo/ops/cpu/scratch.hpp"
#include "tenzo/ops/shapes/channels.hpp"

namespace tenzo::cpu {

/// The numbers v[c] of the channels of a vector: one channel, or w of them where a channel is one number.
template <Real T>
TENZO_INLINE Simd<T> channel_lanes(const Channels& s, const T* v, std::int64_t c, std::int64_t w) {
  return s.size == 1 ? load_lanes(v + c, w) : Simd<T>(v[c]);
}
/// x[at …] − v, zero beyond w.
template <Real T>
TENZO_INLINE Simd<T> centred(const Channels& s, const T* x, std::int64_t at, std::int64_t w, const T* v,
                             std::int64_t c) {
  return load_lanes(x + at, w, s.size == 1 ? T(0) : v[c]) - channel_lanes(s, v, c, w);
}

/// f(at, w, c) for every vector: its offset, its length, its (first) channel.
template <Real T, class F>
void for_channels(const Channels& s, F&& f) {
  if (s.size == 1) {
    return for_rows(s.n, s.channels, [&](std::int64_t i) {
      for_lanes<T>(s.channels, [&](std::int64_t c, std::int64_t w) { f(i * s.channels + c, w, c); });
    });
  }
  for_rows(s.n * s.channels, s.size, [&](std::int64_t r) {
    for_lanes<T>(s.size, [&](std::int64_t i, std::int64_t w) { f(r * s.size + i, w, r % s.channels); });
  });
}

/// sums[i, c] = Σ over the pixels of f(at, w, c).
template <Real T, class F>
void pixel_sums(const Channels& s, T* sums, F&& f) {
  for_rows(s.n * s.channels, s.size, [&](std::int64_t r) {
    sums[r] =
        sum_lanes<T>(s.size, [&](std::int64_t i, std::int64_t w) { return f(r * s.size + i, w, r % s.channels); });
  });
}

/// sums[c] = Σ over images and pixels of f(at, w, c).
template <Real T, class F>
void channel_sums(const Channels& s, T* sums, F&& f) {
  if (s.size == 1) {
    return for_columns<T>(1, s.n, s.channels, [&](std::int64_t c, std::int64_t w) {
      store_lanes(sum_columns<T>(s.n, [&](std::int64_t i) { return f(i * s.channels + c, w, c); }), sums + c, w);
    });
  }
  const Scratch<T> each(s.n * s.channels);
  pixel_sums(s, each.data(), f);
  sum_middle(Device{}, 1, s.n, s.channels, each.data(), sums);
}

/// to[i] = 1 / √(variance[i] + eps).
template <Real T>
void reciprocal_deviation(std::int64_t n, const T* variance, double eps, T* to) {
  for (std::int64_t i = 0; i < n; ++i) to[i] = T(1) / std::sqrt(variance[i] + T(eps));
}

/// Mean and variance Σ (x − mean)² / m of each channel, m numbers of it.
template <Real T>
void batch_statistics(Device, const Channels& s, const T* x, T* mean, T* variance) {
  const T m = T(s.per_channel());
  channel_sums(s, mean, [&](std::int64_t at, std::int64_t w, std::int64_t) { return load_lanes(x + at, w); });
  for (std::int64_t c = 0; c < s.channels; ++c) mean[c] /= m;
  channel_sums(s, variance, [&](std::int64_t at, std::int64_t w, std::int64_t c) {
    const Simd<T> d = centred(s, x, at, w, mean, c);
    return d * d;
  });
  for (std::int64_t c = 0; c < s.channels; ++c) variance[c] /= m;
}

/// y = (x − mean) / √(variance + eps) · weight + bias, with the batch's statistics or running ones.
template <Real T>
void batch_norm(Device, const Channels& s, const T* x, const T* mean, const T* variance, const T* weight, const T* bias,
                double eps, T* y) {
  using V = Simd<T>;
  const Scratch<T> rstd(s.channels);
  reciprocal_deviation(s.channels, variance, eps, rstd.data());
  for_channels<T>(s, [&](std::int64_t at, std::int64_t w, std::int64_t c) {
    const V h = centred(s, x, at, w, mean, c) * channel_lanes(s, rstd.data(), c, w);
    const V a = weight ? channel_lanes(s, weight, c, w) : V(T(1)), b = bias ? channel_lanes(s, bias, c, w) : V(T(0));
    store_lanes(fmadd(h, a, b), y + at, w);
  });
}

/// With h = (x − mean) rstd:   gw = Σ gy h,   gb = Σ gy (both needed, a number a channel), and
///   gx = weight rstd (gy − gb / m − h gw / m)  where the statistics are the batch's own,
///   gx = weight rstd gy                        where they are constants.  gx may be null, or gy.
template <Real T>
void batch_norm_backward(Device, const Channels& s, const T* x, const T* mean, const T* variance, const T* weight,
                         double eps, bool own_statistics, const T* gy, T* gx, T* gw, T* gb) {
  using V = Simd<T>;
  const Scratch<T> kept(s.channels);
  T* rstd = kept.data();
  reciprocal_deviation(s.channels, variance, eps, rstd);
  const auto h = [&](std::int64_t at, std::int64_t w, std::int64_t c) {
    return centred(s, x, at, w, mean, c) * channel_lanes(s, rstd, c, w);
  };
  channel_sums(s, gb, [&](std::int64_t at, std::int64_t w, std::int64_t) { return load_lanes(gy + at, w); });
  channel_sums(s, gw,
               [&](std::int64_t at, std::int64_t w, std::int64_t c) { return load_lanes(gy + at, w) * h(at, w, c); });
  if (!gx) return;
  const V share(own_statistics ? T(1) / T(s.per_channel()) : T(0));
  for_channels<T>(s, [&](std::int64_t at, std::int64_t w, std::int64_t c) {
    V g = load_lanes(gy + at, w);
    if (own_statistics) g = g - channel_lanes(s, gb, c, w) * share - h(at, w, c) * (channel_lanes(s, gw, c, w) * share);
    const V a = weight ? channel_lanes(s, weight, c, w) : V(T(1));
    store_lanes(g * (a * channel_lanes(s, rstd, c, w)), gx + at, w);
  });
}

/// y = (x − mean) rstd · weight + bias, mean and rstd over the channels of a group and their pixels.
///   mean, rstd  (n, groups), kept for the gradient; groups divides channels
template <Real T>
void group_norm(Device, const Channels& s, std::int64_t groups, const T* x, const T* weight, const T* bias, double eps,
                T* y, T* mean, T* rstd) {
  using V = Simd<T>;
  const std::int64_t channels = s.channels / groups, length = channels * s.size;
  for_rows(s.n * groups, length, [&](std::int64_t r) {
    const T* from = x + r * length;
    mean[r] = sum_lanes<T>(length, [&](std::int64_t i, std::int64_t w) { return load_lanes(from + i, w); }) / T(length);
    const V m(mean[r]);
    const T squares = sum_lanes<T>(length, [&](std::int64_t i, std::int64_t w) {
      const V d = load_lanes(from + i, w, mean[r]) - m;
      return d * d;
    });
    rstd[r] = T(1) / std::sqrt(squares / T(length) + T(eps));
    const V k(rstd[r]);
    for (std::int64_t c = 0; c < channels; ++c) {
      const std::int64_t channel = r % groups * channels + c, at = c * s.size;
      const V a(weight ? weight[channel] : T(1)), b(bias ? bias[channel] : T(0));
      for_lanes<T>(s.size, [&](std::int64_t i, std::int64_t w) {
        store_lanes(fmadd((load_lanes(from + at + i, w) - m) * k, a, b), y + r * length + at + i, w);
      });
    }
  });
}

/// With h = (x − mean) rstd and g = gy weight:   gw = Σ gy h,   gb = Σ gy (both needed, a number a channel),
///   gx = rstd (g − mean g − h mean(g h)), the means over the group.  gx may be null, or gy.
template <Real T>
void group_norm_backward(Device, const Channels& s, std::int64_t groups, const T* x, const T* weight, const T* mean,
                         const T* rstd, const T* gy, T* gx, T* gw, T* gb) {
  using V = Simd<T>;
  const std::int64_t channels = s.channels / groups, length = channels * s.size;
  const Scratch<T> sum_g(s.n * s.channels), sum_gh(s.n * s.channels);
  for_rows(s.n * s.channels, s.size, [&](std::int64_t r) {
    const T *from = x + r * s.size, *up = gy + r * s.size;
    const T m = mean[r / channels];
    const V k(rstd[r / channels]);
    sum_g.data()[r] = sum_lanes<T>(s.size, [&](std::int64_t i, std::int64_t w) { return load_lanes(up + i, w); });
    sum_gh.data()[r] = sum_lanes<T>(s.size, [&](std::int64_t i, std::int64_t w) {
      return load_lanes(up + i, w) * ((load_lanes(from + i, w, m) - V(m)) * k);
    });
  });
  sum_middle(Device{}, 1, s.n, s.channels, sum_g.data(), gb);
  sum_middle(Device{}, 1, s.n, s.channels, sum_gh.data(), gw);
  if (!gx) return;
  for_rows(s.n * groups, length, [&](std::int64_t r) {
    const T *from = x + r * length, *up = gy + r * length;
    const std::int64_t first = r % groups * channels;
    const V m(mean[r]), k(rstd[r]);
    T g_mean = 0, gh_mean = 0;
    for (std::int64_t c = 0; c < channels; ++c) {
      const T a = weight ? weight[first + c] : T(1);
      g_mean += a * sum_g.data()[r * channels + c];
      gh_mean += a * sum_gh.data()[r * channels + c];
    }
    const V share_g(g_mean / T(length)), share_gh(gh_mean / T(length));
    for (std::int64_t c = 0; c < channels; ++c) {
      const V a(weight ? weight[first + c] : T(1));
      for_lanes<T>(s.size, [&](std::int64_t i, std::int64_t w) {
        const std::int64_t at = c * s.size + i;
        const V h = (load_lanes(from + at, w) - m) * k;
        store_lanes((load_lanes(up + at, w) * a - share_g - h * share_gh) * k, gx + r * length + at, w);
      });
    }
  });
}

}  // namespace tenzo::cpu
