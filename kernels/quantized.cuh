// Stored matrices: four neighbours of a row read from any format, decoding, and products with few rows.
#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

#include "device.hpp"
#include "reduce.hpp"
#include "tenzo/core/blocks.hpp"
#include "tenzo/core/blocks_k.hpp"
#include "tenzo/core/dtype.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/cuda/quantized.hpp"

namespace tenzo::cuda {

namespace detail {

// ── four neighbours ──────────────────────────────────────────────────────────────────────────────────────────────────
// A source reads elements [col, col + 4) of a row, col a multiple of 4, in two steps: `fetch` is what it takes from
// memory, which may be under way while the thread computes; `decode` makes floats of that. Elements beyond the row are
// zero. The arithmetic is that of core/blocks.hpp, rounding for rounding. Positions are of a type that counts all
// elements (bytes of a block format) from the first row on; `from_row` moves that.

/// Elements of a plain type.
template <class T>
struct PlainSource {
  using Fetched = Pack<T, 4>;
  const T* data;
  std::int64_t cols;
  bool wide;  // rows are aligned to four elements

  TENZO_DEVICE PlainSource from_row(std::int64_t row) const { return {data + row * cols, cols, wide}; }
  template <class I>
  TENZO_DEVICE Fetched fetch(I row, I col) const {
    const T* const p = data + (row * I(cols) + col);
    Fetched x{};
    if (wide) {
      if (col < I(cols)) x = load<4>(p);
      return x;
    }
    TENZO_UNROLL
    for (int j = 0; j < 4; ++j)
      if (col + I(j) < I(cols)) x[j] = load(p + j);
    return x;
  }
  TENZO_DEVICE static void decode(const Fetched& x, std::int64_t, float (&to)[4]) {
    TENZO_UNROLL
    for (int j = 0; j < 4; ++j) to[j] = float(x[j]);
  }
};

/// A half at an even address.
TENZO_DEVICE inline half load_half(const std::uint8_t* p) {
  half h;
  h.bits = load(reinterpret_cast<const std::uint16_t*>(p));
  return h;
}
/// Four bytes at an even address.
TENZO_DEVICE inline std::uint32_t load_two_pairs(const std::uint8_t* p) {
  const auto* const pairs = reinterpret_cast<const std::uint16_t*>(p);
  return load(pairs) | std::uint32_t(load(pairs + 1)) << 16;
}
/// Four bytes at a multiple of 4.
TENZO_DEVICE inline std::uint32_t load_word(const std::uint8_t* p) {
  return load(reinterpret_cast<const std::uint32_t*>(p));
}

TENZO_DEVICE inline int code(std::uint32_t codes, int j) { return int(codes >> 8 * j & 0xffu); }

/// to[j] = (code j - offset) d.
TENZO_DEVICE inline void scale_codes(std::uint32_t codes, int offset, float d, float (&to)[4]) {
  TENZO_UNROLL
  for (int j = 0; j < 4; ++j) to[j] = float(code(codes, j) - offset) * d;
}
/// to[j] = (code j) d + m.
TENZO_DEVICE inline void affine_codes(std::uint32_t codes, float d, float m, float (&to)[4]) {
  TENZO_UNROLL
  for (int j = 0; j < 4; ++j) to[j] = float(code(codes, j)) * d + m;
}

/// Four codes of half a byte: the lower halves of bytes, or the upper.
TENZO_DEVICE inline std::uint32_t halves(std::uint32_t bytes, bool upper) {
  return bytes >> (upper ? 4 : 0) & 0x0f0f0f0fu;
}
/// Bits 0 … 3 of x as the fifth bits of four codes.
TENZO_DEVICE inline std::uint32_t fifth_bits(std::uint32_t x) {
  return (x & 1u) << 4 | (x & 2u) << 11 | (x & 4u) << 18 | (x & 8u) << 25;
}

/// How elements [e, e + 4) of a block are read.
template <BlockFormat B>
struct BlockCodec;

template <>
struct BlockCodec<BlockQ4_0> {
  struct Fetched {
    std::uint32_t q;
    half d;
  };
  TENZO_DEVICE static Fetched fetch(const std::uint8_t* b, int e) {
    return {load_two_pairs(b + 2 + e % 16), load_half(b)};
  }
  TENZO_DEVICE static void decode(const Fetched& x, int e, float (&to)[4]) {
    scale_codes(halves(x.q, e >= 16), 8, x.d, to);
  }
};

template <>
struct BlockCodec<BlockQ4_1> {
  struct Fetched {
    std::uint32_t q;
    half d, m;
  };
  TENZO_DEVICE static Fetched fetch(const std::uint8_t* b, int e) {
    return {load_word(b + 4 + e % 16), load_half(b), load_half(b + 2)};
  }
  TENZO_DEVICE static void decode(const Fetched& x, int e, float (&to)[4]) {
    affine_codes(halves(x.q, e >= 16), x.d, x.m, to);
  }
};

template <>
struct BlockCodec<BlockQ5_0> {
  struct Fetched {
    std::uint32_t q;
    half d;
    std::uint16_t high;
  };
  TENZO_DEVICE static Fetched fetch(const std::uint8_t* b, int e) {
    return {load_two_pairs(b + 6 + e % 16), load_half(b), load_half(b + 2 + e / 16 * 2).bits};
  }
  TENZO_DEVICE static void decode(const Fetched& x, int e, float (&to)[4]) {
    scale_codes(halves(x.q, e >= 16) | fifth_bits(std::uint32_t(x.high) >> e % 16), 16, x.d, to);
  }
};

template <>
struct BlockCodec<BlockQ5_1> {
  struct Fetched {
    std::uint32_t q, high;
    half d, m;
  };
  TENZO_DEVICE static Fetched fetch(const std::uint8_t* b, int e) {
    return {load_word(b + 8 + e % 16), load_word(b + 4), load_half(b), load_half(b + 2)};
  }
  TENZO_DEVICE static void decode(const Fetched& x, int e, float (&to)[4]) {
    affine_codes(halves(x.q, e >= 16) | fifth_bits(x.high >> e), x.d, x.m, to);
  }
};

template <>
struct BlockCodec<BlockQ8_0> {
  struct Fetched {
    std::uint32_t q;
    half d;
  };
  TENZO_DEVICE static Fetched fetch(const std::uint8_t* b, int e) { return {load_two_pairs(b + 2 + e), load_half(b)}; }
  TENZO_DEVICE static void decode(const Fetched& x, int, float (&to)[4]) {
    scale_codes(x.q ^ 0x80808080u, 128, x.d, to);
  }
};

/// Of a Q4_K or Q5_K block: d, m, and the three bytes in which the scale and the least value of a run lie.
struct RunScales {
  half d, m;
  std::uint8_t first, middle, last;

  TENZO_DEVICE static RunScales fetch(const std::uint8_t* b, int run) {
    const std::uint8_t* const s = b + 4 + run % 4;
    return {load_half(b), load_half(b + 2), load(s), load(s + 4), load(s + 8)};
  }
  TENZO_DEVICE float scale(int run) const {
    return float(d) * float(run < 4 ? first & 63 : (last & 15) | (first >> 6) << 4);
  }
  TENZO_DEVICE float least(int run) const {
    return -float(m) * float(run < 4 ? middle & 63 : (last >> 4) | (middle >> 6) << 4);
  }
};

template <>
struct BlockCodec<BlockQ4_K> {
  struct Fetched {
    std::uint32_t q;
    RunScales scales;
  };
  TENZO_DEVICE static Fetched fetch(const std::uint8_t* b, int e) {
    return {load_word(b + 16 + e / 64 * 32 + e % 32), RunScales::fetch(b, e / 32)};
  }
  TENZO_DEVICE static void decode(const Fetched& x, int e, float (&to)[4]) {
    const int run = e / 32;
    affine_codes(halves(x.q, run % 2), x.scales.scale(run), x.scales.least(run), to);
  }
};

template <>
struct BlockCodec<BlockQ5_K> {
  struct Fetched {
    std::uint32_t q, high;
    RunScales scales;
  };
  TENZO_DEVICE static Fetched fetch(const std::uint8_t* b, int e) {
    return {load_word(b + 48 + e / 64 * 32 + e % 32), load_word(b + 16 + e % 32), RunScales::fetch(b, e / 32)};
  }
  TENZO_DEVICE static void decode(const Fetched& x, int e, float (&to)[4]) {
    const int run = e / 32;
    affine_codes(halves(x.q, run % 2) | (x.high >> run & 0x01010101u) << 4, x.scales.scale(run), x.scales.least(run),
                 to);
  }
};

template <>
struct BlockCodec<BlockQ6_K> {
  struct Fetched {
    std::uint32_t low, high;
    half d;
    std::int8_t scale;
  };
  TENZO_DEVICE static Fetched fetch(const std::uint8_t* b, int e) {
    const int part = e / 128, k = e % 128 / 32, i = e % 32;
    return {load_two_pairs(b + 64 * part + 32 * (k % 2) + i), load_two_pairs(b + 128 + 32 * part + i),
            load_half(b + 208), load(reinterpret_cast<const std::int8_t*>(b) + 192 + e / 16)};
  }
  TENZO_DEVICE static void decode(const Fetched& x, int e, float (&to)[4]) {
    const int k = e % 128 / 32;
    scale_codes(halves(x.low, k >= 2) | (x.high >> 2 * k & 0x03030303u) << 4, 32, float(x.d) * float(x.scale), to);
  }
};

/// Elements of a block format.
template <BlockFormat B>
struct BlockSource {
  using Codec = BlockCodec<B>;
  using Fetched = typename Codec::Fetched;
  static constexpr int size = int(B::size);  // elements of a block
  const std::uint8_t* data;
  std::int64_t cols, row_bytes;

  TENZO_DEVICE BlockSource from_row(std::int64_t row) const { return {data + row * row_bytes, cols, row_bytes}; }
  template <class I>
  TENZO_DEVICE Fetched fetch(I row, I col) const {
    if (col >= I(cols)) return {};
    return Codec::fetch(data + (row * I(row_bytes) + col / I(size) * I(sizeof(B))), int(col % I(size)));
  }
  TENZO_DEVICE static void decode(const Fetched& x, std::int64_t col, float (&to)[4]) {
    Codec::decode(x, int(col % size), to);
  }
};

/// Calls f with the source of a stored matrix.
template <class F>
void with_source(const StoredMatrix& w, F&& f) {
  const auto aligned = [&](std::size_t to) {
    require(reinterpret_cast<std::uintptr_t>(w.data) % to == 0, "stored: a ", w.dtype, " matrix at ", w.data,
            ", want a multiple of ", to);
  };
  const auto plain = [&]<class T>(T) {
    aligned(sizeof(T));
    const auto* const p = static_cast<const T*>(w.data);
    f(PlainSource<T>{p, w.cols, w.cols % 4 == 0 && is_aligned<4>(p)});
  };
  const auto blocks = [&]<class B>(std::type_identity<B>) {
    aligned(4);
    expect(w.cols % B::size == 0, "stored: rows of ", w.cols, " elements are no whole blocks of ", w.dtype);
    f(BlockSource<B>{static_cast<const std::uint8_t*>(w.data), w.cols, w.cols / B::size * std::int64_t(sizeof(B))});
  };
  switch (w.dtype) {
    case DType::f32: return plain(float());
    case DType::f16: return plain(half());
    case DType::bf16: return plain(bfloat16());
    case DType::q4_0: return blocks(std::type_identity<BlockQ4_0>());
    case DType::q4_1: return blocks(std::type_identity<BlockQ4_1>());
    case DType::q5_0: return blocks(std::type_identity<BlockQ5_0>());
    case DType::q5_1: return blocks(std::type_identity<BlockQ5_1>());
    case DType::q8_0: return blocks(std::type_identity<BlockQ8_0>());
    case DType::q4_k: return blocks(std::type_identity<BlockQ4_K>());
    case DType::q5_k: return blocks(std::type_identity<BlockQ5_K>());
    case DType::q6_k: return blocks(std::type_identity<BlockQ6_K>());
    default: require(false, "stored: the GPU reads no ", w.dtype, " matrices");
  }
}

// ── kernels ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/// out = a tile of w.
///   Mapping  a thread four neighbours (of which the first and last may be cut off), neighbours side by side: 16 bytes
///            written each where rows are aligned.
///   Bound by memory: of a quantised matrix mostly by what is written.
template <class Source>
struct DecodeKernel {
  static constexpr int max_threads = 256;
  Source w;
  std::int64_t row, rows, col, cols, ld, across;  // of what is written; fours of a row
  bool wide;
  float* out;

  TENZO_DEVICE void operator()() const {
    const std::int64_t at = thread_in_grid();
    if (at >= rows * across) return;
    const std::int64_t i = at / across, j = (col / 4 + (at - i * across)) * 4;
    float v[4];
    w.decode(w.fetch(row + i, j), j, v);
    float* const to = out + i * ld + (j - col);
    if (wide && j + 4 <= col + cols) {
      store_at_once<4>(to, Pack<float, 4>{{v[0], v[1], v[2], v[3]}});
    } else {
      TENZO_UNROLL
      for (int k = 0; k < 4; ++k)
        if (j + k >= col && j + k < col + cols) store(to + k, v[k]);
    }
  }
};

/// y[i, n] = Σ x[i, k] w[n, k] + bias[n] for `count` rows i from `first` on.
///   Mapping  a warp a row of w: a lane takes fours of elements 128 apart, some of them under way at once, decodes each
///            once and multiplies it with all rows of x, which the cache holds; lanes are joined by shuffles. No shared
///            memory.
///   Bound by memory: w is read once.
template <class Source, int count>
struct FewRowsKernel {
  static constexpr int max_threads = 128, min_blocks = count == 1 ? 8 : 6, batch = count == 1 ? 4 : 2;
  Source w;
  std::int64_t m, n, k;
  bool wide;  // rows of x are aligned to four
  const float *x, *bias;
  float* y;

  TENZO_DEVICE void operator()() const {
    const std::int64_t row = thread_in_grid() / 32, first = std::int64_t(blockIdx.y) * count;
    const int lane = int(threadIdx.x % 32);
    const bool inside = row < n;
    float sum[count];
    TENZO_UNROLL
    for (int i = 0; i < count; ++i) sum[i] = 0.f;
    for (std::int64_t c = inside ? 4 * lane : k; c < k; c += batch * 128) {
      typename Source::Fetched fetched[batch];
      TENZO_UNROLL
      for (int b = 0; b < batch; ++b) fetched[b] = w.fetch(row, c + b * 128);
      TENZO_UNROLL
      for (int b = 0; b < batch; ++b) {
        const std::int64_t at = c + b * 128;
        float v[4];
        w.decode(fetched[b], at, v);
        TENZO_UNROLL
        for (int i = 0; i < count; ++i)
          if (first + i < m && at < k) add(x + (first + i) * k + at, k - at, v, sum[i]);
      }
    }
    TENZO_UNROLL
    for (int i = 0; i < count; ++i) {
      const float total = warp_sum(sum[i], lane);
      if (inside && lane == 0 && first + i < m)
        store(y + (first + i) * n + row, bias ? total + load(bias + row) : total);
    }
  }

 private:
  TENZO_DEVICE void add(const float* p, std::int64_t left, const float (&v)[4], float& sum) const {
    if (wide) {
      const Pack<float, 4> a = load<4>(p);
      TENZO_UNROLL
      for (int j = 0; j < 4; ++j) sum = std::fma(a[j], v[j], sum);
    } else {
      TENZO_UNROLL
      for (int j = 0; j < 4; ++j)
        if (j < left) sum = std::fma(load(p + j), v[j], sum);
    }
  }
};

}  // namespace detail

template <std::same_as<Device> D>
void decode(D, const StoredMatrix& w, std::int64_t row, std::int64_t rows, std::int64_t col, std::int64_t cols,
            float* out, std::int64_t ld) {
  expect(0 <= row && 0 <= rows && rows <= w.rows - row && 0 <= col && 0 <= cols && cols <= w.cols - col,
         "stored: rows [", row, ", ", row + rows, "), columns [", col, ", ", col + cols, ") of a ", w.rows, " x ",
         w.cols, " matrix");
  if (rows == 0 || cols == 0) return;
  const std::int64_t across = (col + cols + 3) / 4 - col / 4;
  const bool wide = col % 4 == 0 && ld % 4 == 0 && is_aligned<4>(out);
  detail::with_source(w, [&](const auto& source) {
    using K = detail::DecodeKernel<std::remove_cvref_t<decltype(source)>>;
    launch(K{source, row, rows, col, cols, ld, across, wide, out}, blocks_for(rows * across, K::max_threads),
           K::max_threads);
  });
}

template <std::same_as<Device> D>
void multiply_few_rows(D, std::int64_t m, const StoredMatrix& w, const float* x, const float* bias, float* y) {
  if (m == 0 || w.rows == 0) return;
  const bool wide = w.cols % 4 == 0 && is_aligned<4>(x);
  detail::with_source(w, [&](const auto& source) {
    const auto run = [&]<int count>(std::integral_constant<int, count>) {
      using K = detail::FewRowsKernel<std::remove_cvref_t<decltype(source)>, count>;
      launch(K{source, m, w.rows, w.cols, wide, x, bias, y},
             {blocks_for(w.rows * 32, K::max_threads), ceil_div(m, count)}, K::max_threads);
    };
    if (m == 1) run(std::integral_constant<int, 1>());
    else run(std::integral_constant<int, 4>());
  });
}

}  // namespace tenzo::cuda
