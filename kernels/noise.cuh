// Noise: drawn in registers, written to matrices, added to weights, and its norm.
//
// A thread draws 4 or 8 neighbours of a row at a time, which are one or two Philox blocks: the counter follows from the
// position, so any thread can draw any part. What it costs a normal number: 10 multiplications of 32 by 32 bits, 7
// words of shared memory and 6 fused multiply-adds.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <optional>
#include <vector>

#include "device.hpp"
#include "memory.cuh"
#include "tenzo/core/detail/noise_parts.hpp"
#include "tenzo/core/normal.hpp"
#include "tenzo/core/philox.hpp"
#include "tenzo/cuda/noise.hpp"

namespace tenzo::cuda {

namespace detail {

// ── the table of the normal law ──────────────────────────────────────────────────────────────────────────────────────

inline constexpr int octaves = 32, coefficients = tenzo::detail::normal_degree + 1;

/// The table as a block keeps it: an octave lies in one bank, so lanes that want different octaves never wait for each
/// other, and lanes that want the same one are served together.
using NormalTable = float[coefficients][octaves];

struct NormalTableCopy {
  float at[coefficients * octaves];

  constexpr NormalTableCopy() : at() {
    for (int i = 0; i < coefficients * octaves; ++i) at[i] = tenzo::detail::normal_table[i / octaves][i % octaves];
  }
};

/// Puts the table into shared memory; a barrier must follow.
TENZO_DEVICE inline void load_normal_table(NormalTable& table, int thread, int threads) {
  static constexpr NormalTableCopy copy;
  for (int i = thread; i < coefficients * octaves; i += threads) table[i / octaves][i % octaves] = copy.at[i];
}

// ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/// PhiloxStream for a thread: what the first two rounds leave constant, and keys that are counted up, for a schedule of
/// sixteen would take as many registers.
struct DeviceStream {
  std::uint32_t x2, y0, y2, y3, k0, k1;

  DeviceStream() = default;
  TENZO_HOST_DEVICE constexpr explicit DeviceStream(const NoiseKey& key) {
    using namespace tenzo::detail::philox;
    const std::uint32_t s0 = low(key.seed), s1 = high(key.seed);
    const PhiloxBlock a = round({0, key.tensor, key.query, key.step}, s0, s1), b = round(a, s0 + w0, s1 + w1);
    x2 = a[2];
    y0 = a[1] ^ (s0 + w0);
    y2 = b[2];
    y3 = b[3];
    k0 = s0 + 2 * w0, k1 = s1 + 2 * w1;
  }
  TENZO_HOST_DEVICE constexpr PhiloxBlock block(std::uint32_t c0) const {
    using namespace tenzo::detail::philox;
    const std::uint64_t p0 = product(m0, c0), p1 = product(m1, high(p0) ^ x2);
    PhiloxBlock x{high(p1) ^ y0, low(p1), low(p0) ^ y2, y3};
    TENZO_UNROLL
    for (std::uint32_t i = 0; i < 8; ++i) x = round(x, k0 + i * w0, k1 + i * w1);
    return x;
  }
};

static_assert(DeviceStream({0x299f31d0a4093822, 0x03707344, 0x13198a2e, 0x85a308d3}).block(0x243f6a88) ==
              PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});

// ── directions ───────────────────────────────────────────────────────────────────────────────────────────────────────

/// A matrix whose noise is drawn.
struct NoiseShape {
  std::int64_t rows, cols;

  /// Blocks of n elements in a row.
  TENZO_HOST_DEVICE std::uint32_t blocks(int n) const { return std::uint32_t((cols + n - 1) / n); }
};

enum class DrawKind : std::int32_t { normal, rademacher, uniform, ternary, low_rank, unit };

/// A DirectionTerm as kernels read it, with factors of the type that they compute in.
template <Real C>
struct DeviceTerm {
  std::uint64_t seed;
  std::uint32_t step, query, tensor, threshold;
  std::int64_t element;
  const std::uint8_t* mask;
  const float *left, *right;
  C factor[2];
  float radius, unit;
  DrawKind kind;
  std::int32_t rank;
};

/// The terms of a launch: `near`, with the launch's arguments, or more of them in memory.
template <Real C, int room = 8>
struct TermList {
  std::int32_t count;
  std::uint32_t tensor;
  const std::uint8_t* mask;
  const DeviceTerm<C>* far;
  DeviceTerm<C> near[room];

  TENZO_DEVICE DeviceTerm<C> operator[](int i) const {
    DeviceTerm<C> t = far ? load(far + i) : near[i];
    t.tensor |= tensor;
    if (mask) t.mask = mask;
    return t;
  }
};

/// A term ready to be drawn: the schedule of its key is made.
template <Real C>
struct alignas(16) StagedTerm {
  DeviceStream stream;
  DeviceTerm<C> term;

  TENZO_DEVICE explicit StagedTerm(const DeviceTerm<C>& t)
      : stream(NoiseKey{t.seed, t.step, t.query, t.tensor}), term(t) {}
};

/// The same with the noise by which sums are rounded to bfloat16.
struct alignas(16) StagedRoundedTerm : StagedTerm<float> {
  DeviceStream rounding;

  TENZO_DEVICE explicit StagedRoundedTerm(const DeviceTerm<float>& t)
      : StagedTerm<float>(t), rounding(NoiseKey{t.seed, t.step, t.query, t.tensor}.of(Purpose::rounding)) {}
};

// ── drawing ──────────────────────────────────────────────────────────────────────────────────────────────────────────

TENZO_DEVICE inline std::uint32_t word(const PhiloxBlock& b, int i) {
  const std::uint32_t low = i & 1 ? b[1] : b[0], high = i & 1 ? b[3] : b[2];
  return i & 2 ? high : low;
}

/// Of the uniform law, from the four words of a block.
TENZO_DEVICE inline void uniform_numbers(const PhiloxBlock& b, float* z) {
  TENZO_UNROLL
  for (int j = 0; j < 4; ++j) z[j] = float(std::int32_t(b[std::size_t(j)] >> 8 | 1u)) * 0x1p-24f;
}
/// The numbers of a law from the four words of a block.
TENZO_DEVICE inline void numbers(DrawKind kind, std::uint32_t threshold, const PhiloxBlock& b, const NormalTable& table,
                                 float* z) {
  if (kind == DrawKind::normal) {
    TENZO_UNROLL
    for (int j = 0; j < 4; ++j) z[j] = tenzo::detail::normal_from_word(b[std::size_t(j)], table);
  } else if (kind == DrawKind::uniform) {
    uniform_numbers(b, z);
  } else {
    TENZO_UNROLL
    for (int j = 0; j < 4; ++j) {
      const std::uint32_t x = b[std::size_t(j)];
      z[j] = x >> 2 < threshold ? std::bit_cast<float>(x << 31 | 0x3f800000u) : 0.f;
    }
  }
}

/// ±1 of the n bits from `bits` on.
template <int n>
TENZO_DEVICE void signs(std::uint32_t bits, float (&z)[n]) {
  TENZO_UNROLL
  for (int j = 0; j < n; ++j) z[j] = std::bit_cast<float>(0x3f800000u | (bits >> j & 1u) << 31);
}

/// The n bits of Rademacher noise from (row, col) on; col is a multiple of n.
TENZO_DEVICE inline std::uint32_t sign_bits(const PhiloxBlock& b, std::int64_t col) {
  return word(b, int(col % 128 / 32)) >> col % 32;
}

/// Noise of a law at (row, col …); col is a multiple of n. Beyond the end of the row it is of no use.
template <int n>
TENZO_DEVICE void draw_law(const DeviceStream& stream, DrawKind kind, std::uint32_t threshold, const NoiseShape& shape,
                           std::uint32_t row, std::int64_t col, const NormalTable& table, float (&z)[n]) {
  // The factors are chosen, not the products: those would take registers through all terms.
  const bool bits = kind == DrawKind::rademacher;
  const std::uint32_t in_row = bits ? shape.blocks(128) : shape.blocks(4);
  const std::uint32_t first = row * in_row + std::uint32_t(std::uint64_t(col) >> (bits ? 7 : 2));
  if (bits) {
    signs(sign_bits(stream.block(first), col), z);
  } else {
    TENZO_UNROLL
    for (int q = 0; q < n / 4; ++q) numbers(kind, threshold, stream.block(first + std::uint32_t(q)), table, z + 4 * q);
  }
}

/// The same of A Bᵀ unit, from the factors in memory.
template <int n, Real C>
TENZO_DEVICE void draw_low_rank(const DeviceTerm<C>& t, const NoiseShape& shape, std::uint32_t row, std::int64_t col,
                                float (&z)[n]) {
  const float* a = in_global_memory(t.left + std::int64_t(row) * t.rank);
  const float* b = in_global_memory(t.right + col * t.rank);
  TENZO_UNROLL
  for (int j = 0; j < n; ++j) z[j] = 0.f;
  for (int k = 0; k < t.rank; ++k, ++a, ++b) {
    TENZO_UNROLL
    for (int j = 0; j < n; ++j)
      if (col + j < shape.cols) z[j] = std::fma(load(a), load(b + j * t.rank), z[j]);
  }
  TENZO_UNROLL
  for (int j = 0; j < n; ++j) z[j] *= t.unit;
}

/// z ← radius z, then z mask: what makes a direction of noise.
template <int n>
TENZO_DEVICE void shape_direction(float radius, const std::uint8_t* mask, const NoiseShape& shape, std::uint32_t row,
                                  std::int64_t col, float (&z)[n]) {
  TENZO_UNROLL
  for (int j = 0; j < n; ++j) z[j] *= radius;
  if (!mask) return;
  const std::uint8_t* const m = in_global_memory(mask + std::int64_t(row) * shape.cols + col);
  TENZO_UNROLL
  for (int j = 0; j < n; ++j)
    if (col + j < shape.cols) z[j] *= load(m + j) ? 1.f : 0.f;
}

/// A direction at (row, col …); col is a multiple of n.
template <int n, Real C>
TENZO_DEVICE void draw(const StagedTerm<C>& staged, const NoiseShape& shape, std::uint32_t row, std::int64_t col,
                       const NormalTable& table, float (&z)[n]) {
  const DeviceTerm<C>& t = staged.term;
  if (t.kind == DrawKind::unit) {
    TENZO_UNROLL
    for (int j = 0; j < n; ++j) z[j] = std::int64_t(row) * shape.cols + col + j == t.element ? 1.f : 0.f;
    return;
  }
  if (t.kind == DrawKind::low_rank) {
    draw_low_rank(t, shape, row, col, z);
  } else {
    const DeviceStream& stream = staged.stream;
    draw_law(stream, t.kind, t.threshold, shape, row, col, table, z);
  }
  shape_direction(t.radius, t.mask, shape, row, col, z);
}

/// Calls f(staged term, its number) for all terms in turn; the block makes their schedules, a thread each, in chunks.
///   Every thread of the block calls it. Barriers follow what it writes to `staged`, and so the table; none at its end.
template <class Staged, int chunk, class List, class F>
TENZO_DEVICE void for_terms(const List& list, Staged (&staged)[chunk], int thread, F&& f) {
  for (int first = 0; first < list.count; first += chunk) {
    if (first > 0) __syncthreads();
    const int some = list.count - first < chunk ? list.count - first : chunk;
    if (thread < some) staged[thread] = Staged(list[first + thread]);
    __syncthreads();
    for (int i = 0; i < some; ++i) f(staged[i], first + i);
  }
}

/// Terms whose schedules a block keeps at a time.
inline constexpr int staged_terms = 16;

// ── runs of elements ─────────────────────────────────────────────────────────────────────────────────────────────────

/// `n` neighbours of a row, or what is left of it; the position of a thread in a matrix.
template <int n>
struct Run {
  static constexpr int size = n;
  std::uint32_t row;
  std::int64_t col;
  int count;  // 0 beyond the matrix

  TENZO_DEVICE Run(std::int64_t number, const NoiseShape& shape) {
    const std::uint32_t across = shape.blocks(size);
    const bool inside = number < runs(shape);
    row = inside ? std::uint32_t(number) / across : 0u;
    col = inside ? std::int64_t(std::uint32_t(number) - row * across) * size : 0;
    count = !inside ? 0 : shape.cols - col < size ? int(shape.cols - col) : size;
  }
  TENZO_DEVICE std::int64_t offset(const NoiseShape& shape) const { return std::int64_t(row) * shape.cols + col; }

  /// How many a matrix has: at most 2^32, as its blocks are.
  TENZO_HOST_DEVICE static std::int64_t runs(const NoiseShape& shape) {
    return shape.rows * std::int64_t(shape.blocks(size));
  }
};
using Octet = Run<8>;
using Quad = Run<4>;

/// Elements of an access to a run of n: as many as 16 bytes hold.
template <class T, int n>
inline constexpr int access_width = int(16 / sizeof(T)) < n ? int(16 / sizeof(T)) : n;

/// Whether rows are whole runs of n, and all pointers aligned to their accesses.
template <int n, class T>
bool whole_runs(std::int64_t cols, std::same_as<const T*> auto... p) {
  return cols % n == 0 && (is_aligned<access_width<T, n>>(p) && ...);
}

/// p[0 … count) as C. With `wide`, count is 0 or n and the address is aligned.
template <int n, class T, class C>
TENZO_DEVICE void load_run(const T* p, bool wide, int count, C (&v)[n]) {
  constexpr int step = access_width<T, n>;
  p = in_global_memory(p);
  if (wide) {
    if (count == 0) return;
    TENZO_UNROLL
    for (int j = 0; j < n; j += step) {
      const Pack<T, step> x = load<step>(p + j);
      TENZO_UNROLL
      for (int i = 0; i < step; ++i) v[j + i] = C(x[i]);
    }
  } else {
    TENZO_UNROLL
    for (int j = 0; j < n; ++j) v[j] = j < count ? C(load(p + j)) : C(0);
  }
}

/// p[0 … count) = convert(v[j], j).
template <int n, class T, class C, class F>
TENZO_DEVICE void store_run(T* p, bool wide, int count, const C (&v)[n], F&& convert) {
  constexpr int step = access_width<T, n>;
  p = in_global_memory(p);
  if (wide) {
    if (count == 0) return;
    TENZO_UNROLL
    for (int j = 0; j < n; j += step) {
      Pack<T, step> x;
      TENZO_UNROLL
      for (int i = 0; i < step; ++i) x[i] = convert(v[j + i], j + i);
      store<step>(p + j, x);
    }
  } else {
    TENZO_UNROLL
    for (int j = 0; j < n; ++j)
      if (j < count) store(p + j, convert(v[j], j));
  }
}

/// The 16 bits of rounding noise of element j, of the eight in a block.
TENZO_DEVICE inline std::uint32_t rounding_bits(const PhiloxBlock& b, int j) {
  return b[std::size_t(j / 2)] >> (j % 2 * 16) & 0xffffu;
}

/// x rounded to bfloat16, away from zero where the bits carry into its upper half; a NaN stays one.
TENZO_DEVICE inline bfloat16 round_stochastically(float x, std::uint32_t bits16) {
  const auto u = std::bit_cast<std::uint32_t>(x);
  bfloat16 r;
  r.bits = std::uint16_t((u + bits16) >> 16 | ((u & 0x7fffffffu) > 0x7f800000u ? 0x7fffu : 0u));
  return r;
}

// ── kernels ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/// out[i ld + j] = f(z(row + i, col + j)).
///   Mapping  a thread a Philox block of four columns (of which the first and last may be cut off); neighbours write
///            neighbours, 16 bytes each where rows are aligned. Shared memory: the table, 896 bytes.
///   Bound by memory for float, just about: 4 bytes written a number, against 7 reads of shared memory.
template <Real T, class F>
struct FillNoiseKernel {
  static constexpr int max_threads = 256;
  DeviceStream stream;
  DrawKind kind;
  std::uint32_t threshold;
  NoiseShape shape;
  std::int64_t row, rows, col, n, ld;  // of what is written
  std::uint32_t across;                // blocks of a row that are written to
  bool wide;
  F f;
  T* out;

  TENZO_DEVICE void operator()() const {
    TENZO_SHARED(NormalTable, table);
    load_normal_table(table, thread_in_block(), max_threads);
    __syncthreads();
    const std::int64_t at = thread_in_grid();
    if (at >= rows * across) return;
    const std::uint32_t i = std::uint32_t(at) / across;
    const std::int64_t j = (col / 4 + (std::uint32_t(at) - i * across)) * 4;
    float z[4];
    draw_law(stream, kind, threshold, shape, std::uint32_t(row) + i, j, table, z);
    T* const to = out + i * ld + (j - col);
    if (wide && j + 4 <= col + n) {
      constexpr int step = int(16 / sizeof(T));
      TENZO_UNROLL
      for (int k = 0; k < 4; k += step) {
        Pack<T, step> x;
        TENZO_UNROLL
        for (int l = 0; l < step; ++l) x[l] = f(z[k + l]);
        store_at_once<step>(to + k, x);
      }
    } else {
      TENZO_UNROLL
      for (int k = 0; k < 4; ++k)
        if (j + k >= col && j + k < col + n) store(to + k, f(z[k]));
    }
  }
};

template <Real T>
struct AsDrawn {
  TENZO_DEVICE T operator()(float z) const { return T(z); }
};
/// low + width u, below the upper end.
template <Real T>
struct InRange {
  T low, width, last;
  TENZO_DEVICE T operator()(float u) const {
    const T x = std::fma(width, T(u), low);
    return x < last ? x : last;
  }
};

/// w ← from + Σ factor u.
///   Mapping  a thread eight neighbours, which stay in registers through all terms; a block 256 of these, which share
///            the schedules of 16 terms at a time. Shared memory: those, and the table.
///   Bound by memory for one term of float; for more by the drawing, about 8 cycles of a multiprocessor for 32 numbers.
template <class T>
struct AddTermsKernel {
  static constexpr bool rounded = std::same_as<T, bfloat16>;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ <= 900
  static constexpr int max_threads = 256, min_blocks = 3;  // 64 registers would spill there
#else
  static constexpr int max_threads = 256, min_blocks = 4;
#endif
  using C = std::conditional_t<rounded, float, T>;
  using Staged = std::conditional_t<rounded, StagedRoundedTerm, StagedTerm<C>>;
  NoiseShape shape;
  bool wide;
  const T* from;
  T* w;
  TermList<C> terms;

  TENZO_DEVICE void operator()() const {
    TENZO_SHARED(NormalTable, table);
    TENZO_SHARED(Staged, staged, [staged_terms]);
    load_normal_table(table, thread_in_block(), max_threads);
    const Octet at(thread_in_grid(), shape);
    C v[8];
    load_run(from + at.offset(shape), wide, at.count, v);
    for_terms(terms, staged, thread_in_block(), [&](const Staged& s, int) {
      if (at.count == 0) return;
      float z[8];
      draw(s, shape, at.row, at.col, table, z);
      const C factor = s.term.factor[0];
      TENZO_UNROLL
      for (int j = 0; j < 8; ++j) v[j] = std::fma(C(z[j]), factor, v[j]);
      if constexpr (rounded) {
        const PhiloxBlock bits = s.rounding.block(at.row * shape.blocks(8) + std::uint32_t(at.col / 8));
        TENZO_UNROLL
        for (int j = 0; j < 8; ++j) v[j] = round_stochastically(v[j], rounding_bits(bits, j));
      }
    });
    store_run(w + at.offset(shape), wide, at.count, v, [](C x, int) {
      if constexpr (rounded) {
        T r;
        r.bits = std::uint16_t(std::bit_cast<std::uint32_t>(x) >> 16);  // exact: x was rounded
        return r;
      } else {
        return x;
      }
    });
  }
};

/// Σ u² of each part of a matrix: the CPU's parts, in the CPU's order. In double, so that the norm and with it the
/// radius of a sphere have the bits of the CPU.
///   Mapping  a block a part of at most 4096 elements: 256 threads draw it into shared memory, 16 add it up, each
///            every sixteenth element. Shared memory: 16 KiB and the table.
///   Bound by arithmetic in double where that is rare: 16 lanes add 256 elements one after another.
struct SquaredNormKernel {
  static constexpr int max_threads = 256, min_blocks = 4, part_size = int(tenzo::detail::part_size);
  NoiseShape shape;
  tenzo::detail::MatrixParts parts;
  double* sums;
  TermList<float, 1> terms;

  TENZO_DEVICE void operator()() const {
    TENZO_SHARED(NormalTable, table);
    TENZO_SHARED(StagedTerm<float>, staged, [1]);
    TENZO_SHARED(float, drawn, [part_size]);
    TENZO_SHARED(double, lanes, [16]);
    const int thread = thread_in_block();
    load_normal_table(table, thread, max_threads);
    const std::int64_t i = blockIdx.x, row = i / parts.across * parts.height;
    const std::int64_t col = i % parts.across * part_size;
    const int height = int(parts.height < shape.rows - row ? parts.height : shape.rows - row);
    const int width = int(shape.cols - col < part_size ? shape.cols - col : part_size), across = (width + 7) / 8;
    for_terms(terms, staged, thread, [&](const StagedTerm<float>& s, int) {
      for (int unit = thread; unit < height * across; unit += max_threads) {
        const int r = unit / across, c = unit % across * 8;
        float z[8];
        draw(s, shape, std::uint32_t(row + r), col + c, table, z);
        TENZO_UNROLL
        for (int j = 0; j < 8; ++j)
          if (c + j < width) drawn[r * width + c + j] = z[j];
      }
    });
    __syncthreads();
    if (thread < 16) {
      double sum = 0;
      for (int k = thread; k < height * width; k += 16) sum = std::fma(double(drawn[k]), double(drawn[k]), sum);
      lanes[thread] = sum;
    }
    __syncthreads();
    if (thread == 0) {
      double sum[8];
      TENZO_UNROLL
      for (int l = 0; l < 8; ++l) sum[l] = lanes[l] + lanes[l + 8];
      TENZO_UNROLL
      for (int half = 4; half > 0; half /= 2)
        for (int l = 0; l < half; ++l) sum[l] += sum[l + half];
      store(sums + i, sum[0]);
    }
  }
};

// ── terms on the host's side ─────────────────────────────────────────────────────────────────────────────────────────

inline DrawKind draw_kind(Law law) { return DrawKind(law.kind); }

inline std::uint32_t ternary_threshold(Law law) { return std::uint32_t(std::lround(law.density * 0x1p30)); }

/// Checks what Noise checks of a matrix and a law.
inline void require_noise(Law law, std::int64_t rows, std::int64_t cols) { make_noise(law, {}, rows, cols); }

template <Real C>
DeviceTerm<C> device_term(const DirectionTerm& t) {
  DeviceTerm<C> d{};
  d.seed = t.key.seed, d.step = t.key.step, d.query = t.key.query, d.tensor = t.key.tensor;
  d.threshold = ternary_threshold(t.law);
  d.element = t.element;
  d.mask = t.mask;
  for (int s = 0; s < 2; ++s) d.factor[s] = static_cast<C>(t.factor[std::size_t(s)]);
  d.radius = t.radius;
  d.kind = t.element >= 0 ? DrawKind::unit : t.rank > 0 ? DrawKind::low_rank : draw_kind(t.law);
  d.rank = t.rank;
  return d;
}

/// The terms of a launch, with the memory that the kernel reads them from.
template <Real C, int room = 8>
class LaunchTerms {
 public:
  LaunchTerms(Device device, const Terms& terms, const NoiseShape& shape) {
    list_.count = std::int32_t(terms.size());
    list_.tensor = terms.tensor;
    list_.mask = terms.mask;
    if (terms.buffer) {
      require((std::same_as<C, float>), "directions: a buffer of terms is for float");
      require_noise(Law::normal, shape.rows, shape.cols);
      list_.far = reinterpret_cast<const DeviceTerm<C>*>(terms.buffer->data());
      return;
    }
    std::vector<DeviceTerm<C>> all;
    for (const DirectionTerm& t : terms.values) {
      require_noise(t.law, shape.rows, shape.cols);
      DeviceTerm<C> d = device_term<C>(t);
      if (d.kind == DrawKind::low_rank) {
        const std::int64_t n = (shape.rows + shape.cols) * t.rank;
        float* const at = factors_.emplace_back(n).data();
        fill_matrix(device, t.law, t.key, shape.rows, t.rank, at);
        fill_matrix(device, t.law, t.right, shape.cols, t.rank, at + shape.rows * t.rank);
        d.left = at, d.right = at + shape.rows * t.rank;
        d.unit = 1.f / std::sqrt(float(t.rank));
      }
      all.push_back(d);
    }
    if (all.size() <= room) {
      std::copy(all.begin(), all.end(), list_.near);
    } else {
      far_.emplace(std::span<const DeviceTerm<C>>(all));
      list_.far = far_->data();
    }
  }
  const TermList<C, room>& list() const { return list_; }

 private:
  TermList<C, room> list_{};
  std::vector<DeviceArray<float>> factors_;
  std::optional<DeviceArray<DeviceTerm<C>>> far_;
};

inline std::vector<DirectionTerm> plain_terms(std::span<const NoiseTerm> terms) {
  std::vector<DirectionTerm> all;
  for (const NoiseTerm& t : terms) all.push_back({.key = t.key, .law = t.law, .factor = {t.scale, t.scale}});
  return all;
}

template <class T>
void add_terms(Device device, T* w, const NoiseShape& shape, const Terms& terms, const T* from) {
  using K = AddTermsKernel<T>;
  const std::int64_t octets = Octet::runs(shape);
  const LaunchTerms<typename K::C> held(device, terms, shape);
  if (octets == 0 || (terms.size() == 0 && (!from || from == w))) return;
  const T* const old = from ? from : w;
  launch(K{shape, whole_runs<8, T>(shape.cols, old, static_cast<const T*>(w)), old, w, held.list()},
         blocks_for(octets, K::max_threads), K::max_threads);
}

/// Launches the filling of a tile with f(z).
template <Real T, class F>
void fill_noise(Law law, const NoiseKey& key, std::int64_t cols, std::int64_t row, std::int64_t rows, std::int64_t col,
                std::int64_t n, T* out, std::int64_t ld, const F& f) {
  if (rows == 0 || n == 0) return;
  require_noise(law, row + rows, cols);
  using K = FillNoiseKernel<T, F>;
  const auto across = std::uint32_t((col + n + 3) / 4 - col / 4);
  const bool wide = col % 4 == 0 && ld % int(16 / sizeof(T)) == 0 && is_aligned<int(16 / sizeof(T))>(out);
  launch(K{DeviceStream(key),
           draw_kind(law),
           ternary_threshold(law),
           {row + rows, cols},
           row,
           rows,
           col,
           n,
           ld,
           across,
           wide,
           f,
           out},
         blocks_for(rows * std::int64_t(across), K::max_threads), K::max_threads);
}

}  // namespace detail

// ── launchers ────────────────────────────────────────────────────────────────────────────────────────────────────────

template <std::same_as<Device> D>
std::shared_ptr<void> allocate_terms(D device, std::int64_t size) {
  return allocate(device, std::size_t(size) * sizeof(detail::DeviceTerm<float>));
}

template <std::same_as<Device> D>
void write_terms(D, std::span<const DirectionTerm> terms, void* to) {
  std::vector<detail::DeviceTerm<float>> all;
  for (const DirectionTerm& t : terms) {
    require(
        t.is_plain() && (t.law.kind == Law::normal || t.law.kind == Law::rademacher) && !t.mask && t.key.tensor == 0,
        "directions: a buffer holds terms of normal or Rademacher noise that name no tensor and no mask");
    all.push_back(detail::device_term<float>(t));
  }
  copy(to, all.data(), all.size() * sizeof all[0], Direction::to_device);
}

template <Real T>
void fill_rows(Device, Law law, const NoiseKey& key, std::int64_t cols, std::int64_t row, std::int64_t rows,
               std::int64_t col, std::int64_t n, T* out, std::int64_t ld) {
  require(row >= 0 && rows >= 0 && col >= 0 && n >= 0 && n <= cols - col, "fill_rows: ", rows, " rows from ", row, ", ",
          n, " columns from ", col, " of a matrix with ", cols, " columns");
  detail::fill_noise(law, key, cols, row, rows, col, n, out, ld, detail::AsDrawn<T>{});
}

template <Real T>
void fill_matrix(Device device, Law law, const NoiseKey& key, std::int64_t rows, std::int64_t cols, T* out) {
  fill_rows(device, law, key, cols, 0, rows, 0, cols, out, cols);
}

template <Real T>
void fill_uniform(Device, const NoiseKey& key, std::int64_t rows, std::int64_t cols, T low, T high, T* out) {
  require(low < high && std::isfinite(high - low), "fill_uniform: from ", low, " to ", high);
  detail::fill_noise(Law::uniform, key, cols, 0, rows, 0, cols, out, cols,
                     detail::InRange<T>{low, high - low, std::nextafter(high, low)});
}

template <std::same_as<Device> D>
void write_direction(D device, const DirectionTerm& u, std::int64_t rows, std::int64_t cols, float* out) {
  DirectionTerm one = u;
  one.factor = {1, 1};
  fill_elements(device, rows * cols, out, 0.f);
  detail::add_terms(device, out, {rows, cols}, std::span(&one, 1), static_cast<const float*>(nullptr));
}

template <class T>
requires Real<T> || std::same_as<T, bfloat16>
void add_scaled_(Device device, T* w, std::int64_t rows, std::int64_t cols, std::span<const NoiseTerm> terms,
                 const T* from) {
  detail::add_terms(device, w, {rows, cols}, detail::plain_terms(terms), from);
}

template <Real T>
void add_directions_(Device device, T* w, std::int64_t rows, std::int64_t cols, const Terms& terms, const T* from) {
  detail::add_terms(device, w, {rows, cols}, terms, from);
}

template <std::same_as<Device> D>
double squared_norm(D device, const DirectionTerm& u, std::int64_t rows, std::int64_t cols) {
  const tenzo::detail::MatrixParts parts{rows, cols};
  const std::int64_t n = parts.count();
  const detail::LaunchTerms<float, 1> held(device, std::span(&u, 1), {rows, cols});
  if (n == 0) return 0;
  const DeviceArray<double> sums(n);
  launch(detail::SquaredNormKernel{{rows, cols}, parts, sums.data(), held.list()}, n,
         detail::SquaredNormKernel::max_threads);
  const std::vector<double> all = sums.to_host();
  return std::accumulate(all.begin(), all.end(), 0.);
}

template <std::same_as<Device> D>
double squared_norm(D device, Law law, const NoiseKey& key, std::int64_t rows, std::int64_t cols) {
  return squared_norm(device, {.key = key, .law = law}, rows, cols);
}

}  // namespace tenzo::cuda
