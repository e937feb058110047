// Convolutions computed directly, a number or a weight at a time: for depthwise and small ones, and for what the
// library has no algorithm for. Any geometry.
#pragma once

#include <algorithm>
#include <cstdint>

#include "loops.cuh"
#include "reduce.hpp"
#include "tenzo/cuda/conv.hpp"

namespace tenzo::cuda::detail {

/// The sizes of a convolution. An `Index` counts the elements of tensors: in 64 bits only where there are many, since
/// divisions are dear; each size by itself has 32.
struct ConvSizes {
  int batch, in, out, group_in, group_out, in_h, in_w, out_h, out_w, kernel_h, kernel_w;
  int stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w;

  explicit ConvSizes(const ConvGeometry& g)
      : batch(int(g.batch)),
        in(int(g.in)),
        out(int(g.out)),
        group_in(int(g.group_in())),
        group_out(int(g.group_out())),
        in_h(int(g.in_size.h)),
        in_w(int(g.in_size.w)),
        out_h(int(g.out_size.h)),
        out_w(int(g.out_size.w)),
        kernel_h(int(g.kernel.h)),
        kernel_w(int(g.kernel.w)),
        stride_h(int(g.stride.h)),
        stride_w(int(g.stride.w)),
        padding_h(int(g.padding.h)),
        padding_w(int(g.padding.w)),
        dilation_h(int(g.dilation.h)),
        dilation_w(int(g.dilation.w)) {}
};

/// A number's place in (n, channels, h, w).
struct PixelPlace {
  int n, channel, row, column;

  template <class Index>
  TENZO_DEVICE PixelPlace(Index at, int channels, int h, int w) {
    const Index rest = at / w;
    column = int(at - rest * w);
    const Index plane = rest / h;
    row = int(rest - plane * h);
    n = int(plane / channels);
    channel = int(plane - Index(n) * channels);
  }
};

/// y = conv(x, w) + bias.
///   Mapping  a thread a number of y, neighbours along a row: reads of x are coalesced and overlap in the first cache;
///            all of a warp read the same weights. With `width` > 0 the kernel's rows have that length.
///   Order    one chain over channels, rows and columns of the kernel; the bias last.
///   Bound    depthwise by memory, x and y once; else by reads from the first cache, one a multiply-add.
template <class T, class Index, int width>
struct ConvForwardKernel {
  static constexpr int max_threads = 256, min_blocks = 4;
  std::int64_t total;
  ConvSizes g;
  const T *x, *w, *bias;
  T* y;

  TENZO_DEVICE void operator()() const {
    const std::int64_t at = thread_in_grid();
    if (at >= total) return;
    const PixelPlace to(Index(at), g.out, g.out_h, g.out_w);
    const int row = to.row * g.stride_h - g.padding_h, column = to.column * g.stride_w - g.padding_w;
    const Index plane = Index(g.in_h) * g.in_w;
    const T* from = x + (Index(to.n) * g.in + to.channel / g.group_out * g.group_in) * plane;
    const T* weight = w + Index(to.channel) * g.group_in * g.kernel_h * g.kernel_w;
    T sum = T(0);
    for (int c = 0; c < g.group_in; ++c, from += plane)
      for (int k = 0; k < g.kernel_h; ++k, weight += g.kernel_w) {
        const int r = row + k * g.dilation_h;
        if (r < 0 || r >= g.in_h) continue;
        const T* const line = from + Index(r) * g.in_w;
        const auto tap = [&](int l) {
          const int i = column + l * g.dilation_w;
          if (i >= 0 && i < g.in_w) sum = std::fma(load(line + i), load(weight + l), sum);
        };
        if constexpr (width > 0) {
          TENZO_UNROLL
          for (int l = 0; l < width; ++l) tap(l);
        } else {
          for (int l = 0; l < g.kernel_w; ++l) tap(l);
        }
      }
    store(y + at, bias ? sum + load(bias + to.channel) : sum);
  }
};

/// dx = the adjoint of conv in x, of dy, + bias.
///   Mapping  a thread a number of dx: of each tap it finds the output that has met it there, if there is one.
///   Order    one chain over rows and columns of the kernel and the channels of the group; the bias last.
///   Bound    as the forward kernel.
template <class T, class Index>
struct ConvInputGradientKernel {
  static constexpr int max_threads = 256, min_blocks = 4;
  std::int64_t total;
  ConvSizes g;
  const T *dy, *w, *bias;
  T* dx;

  /// The output i with i · stride = at, or −1.
  TENZO_DEVICE static int output(int at, int stride, int size) {
    if (at < 0) return -1;
    const int i = stride == 1 ? at : at / stride;
    return i * stride == at && i < size ? i : -1;
  }

  TENZO_DEVICE void operator()() const {
    const std::int64_t at = thread_in_grid();
    if (at >= total) return;
    const PixelPlace to(Index(at), g.in, g.in_h, g.in_w);
    const int group = to.channel / g.group_in, taps = g.kernel_h * g.kernel_w;
    const Index plane = Index(g.out_h) * g.out_w, step = Index(g.group_in) * taps;  // between channels of dy, and of w
    const T* const from = dy + (Index(to.n) * g.out + group * g.group_out) * plane;
    const T* const weight = w + group * g.group_out * step + (to.channel - group * g.group_in) * taps;
    T sum = T(0);
    for (int k = 0; k < g.kernel_h; ++k) {
      const int r = output(to.row + g.padding_h - k * g.dilation_h, g.stride_h, g.out_h);
      if (r < 0) continue;
      for (int l = 0; l < g.kernel_w; ++l) {
        const int c = output(to.column + g.padding_w - l * g.dilation_w, g.stride_w, g.out_w);
        if (c < 0) continue;
        const T *p = from + Index(r) * g.out_w + c, *q = weight + k * g.kernel_w + l;
        for (int o = 0; o < g.group_out; ++o, p += plane, q += step) sum = std::fma(load(p), load(q), sum);
      }
    }
    store(dx + at, bias ? sum + load(bias + to.channel) : sum);
  }
};

/// Taps that a block of the weights' gradient has sums for; along an axis they may go beyond the kernel's by as many.
inline constexpr int most_taps = 9;

/// A sum over the pixels of a batch is cut in pieces, a block each, whose sums are joined after: about 512 blocks in
/// all, by the sizes alone.
struct PixelPieces {
  std::int64_t count, length;

  PixelPieces(std::int64_t pixels, std::int64_t blocks) {
    constexpr std::int64_t wanted = 512, least = 2048;
    count = std::clamp<std::int64_t>(wanted / std::max<std::int64_t>(1, blocks), 1,
                                     std::max<std::int64_t>(1, pixels / least));
    length = ceil_div(pixels, count);
  }
};

/// part (pieces, out, in / groups, taps) = the adjoint of conv in w, of dy, over pieces of the pixels of the batch.
///   Mapping  a block nine taps of a pair of channels and a piece: its threads go through the outputs, 256 apart; each
///            number of dy meets up to nine of x, whose sums are joined by shuffles and once through shared memory.
///   Bound by reads from the first cache: depthwise, dy and x come from memory once for 9 taps.
template <class T, class Index>
struct ConvWeightGradientKernel {
  static constexpr int max_threads = 256, min_blocks = 4, taps_at_once = most_taps;
  ConvSizes g;
  int tap_groups;
  PixelPieces pieces;
  const T *x, *dy;
  T* part;

  TENZO_DEVICE void operator()() const {
    constexpr int warps = max_threads / warp_threads;
    TENZO_SHARED(T, sums, [warps][taps_at_once]);
    const int thread = thread_in_block(), lane = thread % warp_threads;
    const int taps = g.kernel_h * g.kernel_w, first = int(blockIdx.x) % tap_groups * taps_at_once;
    const int rest = int(blockIdx.x) / tap_groups, pairs = g.out * g.group_in, pair = rest % pairs,
              piece = rest / pairs;
    const int o = pair / g.group_in, c = o / g.group_out * g.group_in + pair - o * g.group_in;
    const Index plane = Index(g.out_h) * g.out_w, in_plane = Index(g.in_h) * g.in_w;
    const Index begin = Index(piece) * Index(pieces.length), pixels = g.batch * plane,
                after = begin + Index(pieces.length);
    const Index end = after < pixels ? after : pixels;

    T sum[taps_at_once] = {};
    for (Index i = begin + thread; i < end; i += max_threads) {
      const PixelPlace at(i, 1, g.out_h, g.out_w);
      const T d = load(dy + (Index(at.n) * g.out + o) * plane + Index(at.row) * g.out_w + at.column);
      const T* const from = x + (Index(at.n) * g.in + c) * in_plane;
      const int column = at.column * g.stride_w - g.padding_w;
      int r = at.row * g.stride_h - g.padding_h + first / g.kernel_w * g.dilation_h;
      int l = first % g.kernel_w, s = column + l * g.dilation_w;
      TENZO_UNROLL
      for (int t = 0; t < taps_at_once; ++t) {
        if (first + t < taps && r >= 0 && r < g.in_h && s >= 0 && s < g.in_w)
          sum[t] = std::fma(d, load(from + Index(r) * g.in_w + s), sum[t]);
        s += g.dilation_w;
        if (++l == g.kernel_w) l = 0, s = column, r += g.dilation_h;
      }
    }
    TENZO_UNROLL
    for (int t = 0; t < taps_at_once; ++t) {
      if (first + t >= taps) break;  // so do all threads of the block
      sum[t] = warp_sum(sum[t], lane);
      if (lane == 0) sums[thread / warp_threads][t] = sum[t];
    }
    __syncthreads();
    if (thread < taps_at_once && first + thread < taps) {
      T all = sums[0][thread];
      for (int warp = 1; warp < warps; ++warp) all += sums[warp][thread];
      store(part + (Index(piece) * pairs + pair) * taps + first + thread, all);
    }
  }
};

/// part (pieces, channels) = Σ of dy over pieces of the pixels of the batch.
///   Mapping  a block a channel and a piece. Bound by memory: dy once.
template <class T, class Index>
struct ConvBiasGradientKernel {
  static constexpr int max_threads = 256, min_blocks = 4;
  int batch, channels;
  Index plane;
  PixelPieces pieces;
  const T* dy;
  T* part;

  TENZO_DEVICE void operator()() const {
    const int thread = thread_in_block();
    const int o = int(blockIdx.x) % channels, piece = int(blockIdx.x) / channels;
    const Index pixels = batch * plane, begin = Index(piece) * Index(pieces.length),
                after = begin + Index(pieces.length);
    const Index end = after < pixels ? after : pixels;
    T sum = T(0);
    for (Index i = begin + thread; i < end; i += max_threads) {
      const Index n = i / plane;
      sum += load(dy + (n * channels + o) * plane + i - n * plane);
    }
    sum = block_sum(sum, thread, max_threads);
    if (thread == 0) store(part + blockIdx.x, sum);
  }
};

// ── launchers ────────────────────────────────────────────────────────────────────────────────────────────────────────

/// f(index type) with the narrowest that counts all elements.
///   Throws  ShapeError where one size alone takes more than 32 bits.
template <class F>
void with_conv_index(const ConvGeometry& g, F&& f) {
  constexpr std::int64_t most = std::int64_t(1) << 30;
  const auto reach = [](std::int64_t size, std::int64_t padding, std::int64_t kernel, std::int64_t dilation) {
    return size + 2 * padding + (kernel + most_taps) * dilation;  // of the places that taps may ask for
  };
  const std::int64_t weights = g.out * g.group_in() * g.taps();
  expect(std::max({g.batch, g.in, weights, g.stride.h, g.stride.w,
                   reach(g.in_size.h, g.padding.h, g.kernel.h, g.dilation.h),
                   reach(g.in_size.w, g.padding.w, g.kernel.w, g.dilation.w)}) < most,
         "conv2d: sizes too large for a GPU");
  if (std::max(g.batch * g.in * g.in_plane(), g.batch * g.out * g.out_plane()) < most) f(std::int32_t());
  else f(std::int64_t());
}

template <class T>
void direct_forward(const ConvGeometry& g, const T* x, const T* w, const T* bias, T* y) {
  const std::int64_t total = g.batch * g.out * g.out_plane();
  with_conv_index(g, [&]<class Index>(Index) {
    const auto run = [&]<int width>(std::integral_constant<int, width>) {
      using K = ConvForwardKernel<T, Index, width>;
      launch(K{total, ConvSizes(g), x, w, bias, y}, blocks_for(total, K::max_threads), K::max_threads);
    };
    constexpr int unrolled = sizeof(Index) == 4 ? 3 : 0;
    if (g.kernel.w == unrolled) run(std::integral_constant<int, unrolled>());
    else run(std::integral_constant<int, 0>());
  });
}

template <class T>
void direct_input_gradient(const ConvGeometry& g, const T* dy, const T* w, const T* bias, T* dx) {
  const std::int64_t total = g.batch * g.in * g.in_plane();
  with_conv_index(g, [&]<class Index>(Index) {
    using K = ConvInputGradientKernel<T, Index>;
    launch(K{total, ConvSizes(g), dy, w, bias, dx}, blocks_for(total, K::max_threads), K::max_threads);
  });
}

/// `k(part)` launches a kernel that writes (pieces, n) sums, which are then added up into `to`.
template <class T, class F>
void in_pieces(const PixelPieces& pieces, std::int64_t n, T* to, F&& k) {
  const DeviceArray<T> parts(pieces.count > 1 ? pieces.count * n : 0);
  k(pieces.count > 1 ? parts.data() : to);
  if (pieces.count > 1) sum_middle(Device{}, 1, pieces.count, n, static_cast<const T*>(parts.data()), to);
}

template <class T>
void direct_weight_gradient(const ConvGeometry& g, const T* x, const T* dy, T* dw) {
  with_conv_index(g, [&]<class Index>(Index) {
    using K = ConvWeightGradientKernel<T, Index>;
    const std::int64_t groups = ceil_div(g.taps(), K::taps_at_once), blocks = g.out * g.group_in() * groups;
    const PixelPieces pieces(g.batch * g.out_plane(), blocks);
    in_pieces(pieces, g.out * g.group_in() * g.taps(), dw, [&](T* part) {
      launch(K{ConvSizes(g), int(groups), pieces, x, dy, part}, blocks * pieces.count, K::max_threads);
    });
  });
}

}  // namespace tenzo::cuda::detail
