// Convolutions computed directly, a number or a weight at a time: for depthwise and small ones, and for what the
// library has no algorithm for. Any geometry.
#pragma once

#include <algorithm>
#include <cstdint>

#include "loops.cuh"
#include "reduce.hpp"
#include "tenzo/cuda/conv.hpp"

namespace tenzo::cuda::detail {

/// The sizes of a convolution, in 32 bits where all tensors have less than 2³¹ elements: divisions are dear.
template <class Index>
struct ConvSizes {
  Index batch, in, out, group_in, group_out, in_h, in_w, out_h, out_w, kernel_h, kernel_w;
  Index stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w;

  explicit ConvSizes(const ConvGeometry& g)
      : batch(Index(g.batch)),
        in(Index(g.in)),
        out(Index(g.out)),
        group_in(Index(g.group_in())),
        group_out(Index(g.group_out())),
        in_h(Index(g.in_size.h)),
        in_w(Index(g.in_size.w)),
        out_h(Index(g.out_size.h)),
        out_w(Index(g.out_size.w)),
        kernel_h(Index(g.kernel.h)),
        kernel_w(Index(g.kernel.w)),
        stride_h(Index(g.stride.h)),
        stride_w(Index(g.stride.w)),
        padding_h(Index(g.padding.h)),
        padding_w(Index(g.padding.w)),
        dilation_h(Index(g.dilation.h)),
        dilation_w(Index(g.dilation.w)) {}
};

/// Blocks of 256 threads on a multiprocessor at once: half of its threads, and less with indices of 64 bits, which take
/// twice the registers and serve tensors that few have.
template <class Index>
inline constexpr int blocks_with = sizeof(Index) == 4 ? 4 : 2;

/// A number's place in (n, channels, h, w).
template <class Index>
struct PixelPlace {
  Index n, channel, row, column;

  TENZO_DEVICE PixelPlace(Index at, Index channels, Index h, Index w) {
    Index rest = at / w;
    column = at - rest * w;
    const Index plane = rest / h;
    row = rest - plane * h;
    n = plane / channels;
    channel = plane - n * channels;
  }
};

/// y = conv(x, w) + bias.
///   Mapping  a thread a number of y, neighbours along a row: reads of x are coalesced and overlap in the first cache;
///            all of a warp read the same weights. With `width` > 0 the kernel's rows have that length.
///   Order    one chain over channels, rows and columns of the kernel; the bias last.
///   Bound    depthwise by memory, x and y once; else by reads from the first cache, one a multiply-add.
template <class T, class Index, int width>
struct ConvForwardKernel {
  static constexpr int max_threads = 256, min_blocks = blocks_with<Index>;
  std::int64_t total;
  ConvSizes<Index> g;
  const T *x, *w, *bias;
  T* y;

  TENZO_DEVICE void operator()() const {
    const std::int64_t at = thread_in_grid();
    if (at >= total) return;
    const PixelPlace<Index> to(Index(at), g.out, g.out_h, g.out_w);
    const Index row = to.row * g.stride_h - g.padding_h, column = to.column * g.stride_w - g.padding_w;
    const T* from = x + (to.n * g.in + to.channel / g.group_out * g.group_in) * g.in_h * g.in_w;
    const T* weight = w + to.channel * g.group_in * g.kernel_h * g.kernel_w;
    T sum = T(0);
    for (Index c = 0; c < g.group_in; ++c, from += g.in_h * g.in_w)
      for (Index k = 0; k < g.kernel_h; ++k, weight += g.kernel_w) {
        const Index r = row + k * g.dilation_h;
        if (r < 0 || r >= g.in_h) continue;
        const T* const line = from + r * g.in_w;
        const auto tap = [&](Index l) {
          const Index i = column + l * g.dilation_w;
          if (i >= 0 && i < g.in_w) sum = std::fma(load(line + i), load(weight + l), sum);
        };
        if constexpr (width > 0) {
          TENZO_UNROLL
          for (int l = 0; l < width; ++l) tap(l);
        } else {
          for (Index l = 0; l < g.kernel_w; ++l) tap(l);
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
  static constexpr int max_threads = 256, min_blocks = blocks_with<Index>;
  std::int64_t total;
  ConvSizes<Index> g;
  const T *dy, *w, *bias;
  T* dx;

  /// The output i with i · stride = at, or −1.
  TENZO_DEVICE static Index output(Index at, Index stride, Index size) {
    if (at < 0) return -1;
    const Index i = stride == 1 ? at : at / stride;
    return i * stride == at && i < size ? i : -1;
  }

  TENZO_DEVICE void operator()() const {
    const std::int64_t at = thread_in_grid();
    if (at >= total) return;
    const PixelPlace<Index> to(Index(at), g.in, g.in_h, g.in_w);
    const Index group = to.channel / g.group_in, plane = g.out_h * g.out_w;
    const Index taps = g.kernel_h * g.kernel_w, step = g.group_in * taps;  // between the weights of two outputs
    const T* const from = dy + (to.n * g.out + group * g.group_out) * plane;
    const T* const weight = w + (group * g.group_out * g.group_in + to.channel - group * g.group_in) * taps;
    T sum = T(0);
    for (Index k = 0; k < g.kernel_h; ++k) {
      const Index r = output(to.row + g.padding_h - k * g.dilation_h, g.stride_h, g.out_h);
      if (r < 0) continue;
      for (Index l = 0; l < g.kernel_w; ++l) {
        const Index c = output(to.column + g.padding_w - l * g.dilation_w, g.stride_w, g.out_w);
        if (c < 0) continue;
        const T *p = from + r * g.out_w + c, *q = weight + k * g.kernel_w + l;
        for (Index o = 0; o < g.group_out; ++o, p += plane, q += step) sum = std::fma(load(p), load(q), sum);
      }
    }
    store(dx + at, bias ? sum + load(bias + to.channel) : sum);
  }
};

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
  static constexpr int max_threads = 256, min_blocks = blocks_with<Index>, taps_at_once = 9;
  ConvSizes<Index> g;
  Index tap_groups;
  PixelPieces pieces;
  const T *x, *dy;
  T* part;

  TENZO_DEVICE void operator()() const {
    constexpr int warps = max_threads / warp_threads;
    TENZO_SHARED(T, sums, [warps][taps_at_once]);
    const int thread = int(threadIdx.x), lane = thread % warp_threads;
    const Index taps = g.kernel_h * g.kernel_w, plane = g.out_h * g.out_w, pixels = g.batch * plane;
    const Index first = Index(blockIdx.x) % tap_groups * taps_at_once;
    const std::int64_t rest = blockIdx.x / tap_groups, pairs = std::int64_t(g.out) * g.group_in;
    const Index pair = Index(rest % pairs), o = pair / g.group_in, piece = Index(rest / pairs);
    const Index c = o / g.group_out * g.group_in + pair - o * g.group_in;
    const Index begin = piece * Index(pieces.length), after = begin + Index(pieces.length);
    const Index end = after < pixels ? after : pixels;

    T sum[taps_at_once] = {};
    for (Index i = begin + thread; i < end; i += max_threads) {
      const Index n = i / plane, pixel = i - n * plane, row = pixel / g.out_w, column = pixel - row * g.out_w;
      const T d = load(dy + (n * g.out + o) * plane + pixel);
      const T* const from = x + (n * g.in + c) * g.in_h * g.in_w;
      Index k = first / g.kernel_w, l = first - k * g.kernel_w;
      TENZO_UNROLL
      for (int t = 0; t < taps_at_once; ++t) {
        const Index r = row * g.stride_h - g.padding_h + k * g.dilation_h;
        const Index s = column * g.stride_w - g.padding_w + l * g.dilation_w;
        if (k < g.kernel_h && r >= 0 && r < g.in_h && s >= 0 && s < g.in_w)
          sum[t] = std::fma(d, load(from + r * g.in_w + s), sum[t]);
        if (++l == g.kernel_w) l = 0, ++k;
      }
    }
    TENZO_UNROLL
    for (int t = 0; t < taps_at_once; ++t) {
      sum[t] = warp_sum(sum[t], lane);
      if (lane == 0) sums[thread / warp_threads][t] = sum[t];
    }
    __syncthreads();
    if (thread < taps_at_once && first + thread < taps) {
      T all = sums[0][thread];
      for (int warp = 1; warp < warps; ++warp) all += sums[warp][thread];
      store(part + (piece * pairs + pair) * taps + first + thread, all);
    }
  }
};

/// part (pieces, channels) = Σ of dy over pieces of the pixels of the batch.
///   Mapping  a block a channel and a piece. Bound by memory: dy once.
template <class T, class Index>
struct ConvBiasGradientKernel {
  static constexpr int max_threads = 256, min_blocks = blocks_with<Index>;
  Index batch, channels, plane;
  PixelPieces pieces;
  const T* dy;
  T* part;

  TENZO_DEVICE void operator()() const {
    const int thread = int(threadIdx.x);
    const Index o = Index(blockIdx.x) % channels, piece = Index(blockIdx.x) / channels, pixels = batch * plane;
    const Index begin = piece * Index(pieces.length), after = begin + Index(pieces.length);
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

/// f(index type) with the narrowest that counts all elements, and the places around the image that taps reach.
template <class F>
void with_conv_index(const ConvGeometry& g, F&& f) {
  const auto reach = [](std::int64_t size, std::int64_t padding, std::int64_t kernel, std::int64_t dilation) {
    return size + 2 * padding + kernel * dilation;
  };
  const std::int64_t most =
      std::max({g.batch * g.in * g.in_plane(), g.batch * g.out * g.out_plane(), g.out * g.group_in() * g.taps(),
                reach(g.in_size.h, g.padding.h, g.kernel.h, g.dilation.h),
                reach(g.in_size.w, g.padding.w, g.kernel.w, g.dilation.w), g.stride.h, g.stride.w});
  if (most < (std::int64_t(1) << 30)) f(std::int32_t());
  else f(std::int64_t());
}

template <class T>
void direct_forward(const ConvGeometry& g, const T* x, const T* w, const T* bias, T* y) {
  const std::int64_t total = g.batch * g.out * g.out_plane();
  with_conv_index(g, [&]<class Index>(Index) {
    const auto run = [&]<int width>(std::integral_constant<int, width>) {
      using K = ConvForwardKernel<T, Index, width>;
      launch(K{total, ConvSizes<Index>(g), x, w, bias, y}, blocks_for(total, K::max_threads), K::max_threads);
    };
    constexpr bool narrow = sizeof(Index) == 4;
    if (narrow && g.kernel.w == 3) run(std::integral_constant < int, narrow ? 3 : 0 > ());
    else run(std::integral_constant<int, 0>());
  });
}

template <class T>
void direct_input_gradient(const ConvGeometry& g, const T* dy, const T* w, const T* bias, T* dx) {
  const std::int64_t total = g.batch * g.in * g.in_plane();
  with_conv_index(g, [&]<class Index>(Index) {
    using K = ConvInputGradientKernel<T, Index>;
    launch(K{total, ConvSizes<Index>(g), dy, w, bias, dx}, blocks_for(total, K::max_threads), K::max_threads);
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
      launch(K{ConvSizes<Index>(g), Index(groups), pieces, x, dy, part}, blocks * pieces.count, K::max_threads);
    });
  });
}

}  // namespace tenzo::cuda::detail
