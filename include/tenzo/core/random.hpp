// Noise in memory: matrices filled, weights moved along a direction, norms, without ever storing a direction.
//
// Work is cut into pieces by the matrix' shape alone, so nothing here depends on the number of threads.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <numeric>
#include <span>
#include <variant>
#include <vector>

#include "tenzo/core/compiled.hpp"
#include "tenzo/core/detail/noise_parts.hpp"
#include "tenzo/core/detail/words.hpp"
#include "tenzo/core/dtype.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/core/noise.hpp"
#include "tenzo/core/parallel.hpp"

namespace tenzo {

/// One direction and how far to go along it.
struct NoiseTerm {
  NoiseKey key;
  double scale = 1;
  Law law = Law::normal;
};

// ---- values --------------------------------------------------------------------------------------------------------

/// out[j] = z(row, col + j), j < n, of the noise of a matrix with `cols` columns. Any row and column may be asked for;
/// blocks are used whole when col and n are multiples of 64 (of 2048 for Rademacher).
template <Real T>
void fill(Law law, const NoiseKey& key, std::int64_t cols, std::int64_t row, std::int64_t col, std::int64_t n, T* out);

/// out[i ld + j] = z(row + i, col + j), i < rows, j < n, of the noise of a matrix with `cols` columns.
template <Real T>
void fill_rows(Law law, const NoiseKey& key, std::int64_t cols, std::int64_t row, std::int64_t rows, std::int64_t col,
               std::int64_t n, T* out, std::int64_t ld);

/// out = z, a row-major matrix. A vector is one row. Doubles are the floats, widened.
///   Throws  ValueError when a size is negative or too large to count its blocks.
template <Real T>
void fill_matrix(Law law, const NoiseKey& key, std::int64_t rows, std::int64_t cols, T* out);

/// out = low + (high − low) u with u uniform in (0, 1), one rounding; low <= out < high.
template <Real T>
void fill_uniform(const NoiseKey& key, std::int64_t rows, std::int64_t cols, T low, T high, T* out);

// ---- steps ---------------------------------------------------------------------------------------------------------

/// w ← w + scale z, one fused multiply-add an element, in place; rows x cols, row-major.
///   T = bfloat16: the sum is rounded stochastically, P(up) = distance to the lower neighbour / distance of both, by
///   the 16 bits of noise that key.of(Purpose::rounding) has for the element (8 elements a block). Unbiased,
///   deterministic.
///   Memory  w is read and written once; z lives in 16 kB of the first cache.
template <class T>
requires Real<T> || std::same_as<T, bfloat16>
void add_scaled_(T* w, std::int64_t rows, std::int64_t cols, Law law, const NoiseKey& key, double scale);

/// The same for each term in turn, with one pass over memory: the bits of calling it term by term. With `from`, a
/// matrix apart from w or w itself, w becomes from + Σ scale z.
template <class T>
requires Real<T> || std::same_as<T, bfloat16>
void add_scaled_(T* w, std::int64_t rows, std::int64_t cols, std::span<const NoiseTerm> terms, const T* from = nullptr);

// ---- norms ---------------------------------------------------------------------------------------------------------

/// Σ z², in double, in a fixed order.
///   The uniform law on the sphere of radius √d in d dimensions, over all tensors of a model: normal z times
///   √(d / Σ z²), where Σ z² is the sum over the tensors.
TENZO_COMPILED double squared_norm(Law law, const NoiseKey& key, std::int64_t rows, std::int64_t cols);

// ---- definitions ---------------------------------------------------------------------------------------------------

TENZO_INTRINSICS_BEGIN

namespace detail {

/// w ← from + scale z.
template <Real T>
void add_scaled_part_(T* w, const T* from, const float* z, std::int64_t size, double scale) {
  const Simd<T> s(static_cast<T>(scale));
  std::int64_t i = 0;
  for (; i + 16 <= size; i += 16) {
    const Simd<float> x = Simd<float>::load(z + i);
    if constexpr (std::same_as<T, float>) {
      fmadd(x, s, Simd<T>::load(from + i)).store(w + i);
    } else {
      fmadd(low_half(x), s, Simd<T>::load(from + i)).store(w + i);
      fmadd(high_half(x), s, Simd<T>::load(from + i + 8)).store(w + i + 8);
    }
  }
  for (; i < size; ++i) w[i] = std::fma(T(z[i]), static_cast<T>(scale), from[i]);
}

/// x rounded to bfloat16, away from zero when the 16 bits of its lane in `noise` carry into the upper half. NaN stays
/// NaN.
TENZO_INLINE Words round_stochastically(const Simd<float>& x, const Words& noise) {
  const Words bits = as_words(x), magnitude = and_or(bits, Words(0x7fffffffu), Words(0u));
  const Words quiet_nan = where_less(Words(0x7f800000u), magnitude, Words(0x7fffu));
  return and_or(shift_right<16>(plus(bits, noise)), Words(0xffffu), quiet_nan);
}

/// w ← from + scale z, rounded by `noise`, whose words hold 16 bits each.
inline void add_scaled_part_(bfloat16* w, const bfloat16* from, const float* z, std::int64_t size, double scale,
                             const float* noise) {
  const Simd<float> s(static_cast<float>(scale));
  const auto sixteen = [&](bfloat16* v, const bfloat16* old, std::int64_t at) {
    const Simd<float> sum = fmadd(Simd<float>::load(z + at), s, Simd<float>::load(old));
    store_halves(round_stochastically(sum, as_words(Simd<float>::load(noise + at))), &v->bits);
  };
  std::int64_t i = 0;
  for (; i + 16 <= size; i += 16) sixteen(w + i, from + i, i);
  if (i == size) return;
  bfloat16 rest[16] = {};
  std::copy(from + i, from + size, rest);
  sixteen(rest, rest, i);
  std::copy(rest, rest + (size - i), w + i);
}

/// Σ z².
inline double sum_of_squares(const float* z, std::int64_t size) {
  Simd<double> low(0), high(0);
  for (std::int64_t i = 0; i < size; i += 16) {  // squares of floats are exact in double
    const Simd<float> x = i + 16 <= size ? Simd<float>::load(z + i) : Simd<float>::load(z + i, size - i);
    const Simd<double> a = low_half(x), b = high_half(x);
    low = fmadd(a, a, low);
    high = fmadd(b, b, high);
  }
  return sum(low + high);
}

/// From this many bytes on, memory is written past the caches.
inline constexpr std::int64_t large_memory = std::int64_t(1) << 25;

}  // namespace detail

TENZO_INTRINSICS_END

template <Real T>
void fill(Law law, const NoiseKey& key, std::int64_t cols, std::int64_t row, std::int64_t col, std::int64_t n, T* out) {
  fill_rows(law, key, cols, row, 1, col, n, out, n);
}

template <Real T>
void fill_rows(Law law, const NoiseKey& key, std::int64_t cols, std::int64_t row, std::int64_t rows, std::int64_t col,
               std::int64_t n, T* out, std::int64_t ld) {
  require(row >= 0 && rows >= 0 && col >= 0 && n >= 0 && n <= cols - col, "fill_rows: ", rows, " rows from ", row, ", ",
          n, " columns from ", col, " of a matrix with ", cols, " columns");
  if (rows == 0 || n == 0) return;
  const AnyNoise noise = make_noise(law, key, row + rows, cols);
  if constexpr (std::same_as<T, float>) {
    const auto in_tiles = [&](const auto& z) {
      for (std::int64_t i = 0; i < rows; i += 16)
        for (std::int64_t j = 0; j < n; j += 64)
          z.tile(row + i, std::min<std::int64_t>(16, rows - i), col + j, std::min<std::int64_t>(64, n - j),
                 out + i * ld + j, ld);
    };
    if (rows > 1 && col % 64 == 0) return std::visit(in_tiles, noise);
    for (std::int64_t i = 0; i < rows; ++i) detail::write_noise(noise, {row + i, 1, col, n, 0}, out + i * ld);
  } else {
    detail::NoiseBuffer z;
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < n; j += detail::part_size) {
        const std::int64_t some = std::min(detail::part_size, n - j);
        detail::write_noise(noise, {row + i, 1, col + j, some, 0}, z.at);
        std::copy(z.at, z.at + some, out + i * ld + j);
      }
  }
}

template <Real T>
void fill_matrix(Law law, const NoiseKey& key, std::int64_t rows, std::int64_t cols, T* out) {
  const AnyNoise noise = make_noise(law, key, rows, cols);
  detail::for_parts(rows, cols, [&](const detail::MatrixPart& part, std::int64_t) {
    detail::NoiseBuffer z;
    if constexpr (std::same_as<T, float>) {
      if (rows * cols < detail::large_memory / std::int64_t(sizeof(T)))
        return detail::write_noise(noise, part, out + part.offset);
      detail::write_noise(noise, part, z.at);
      detail::write_past_caches(z.at, part.rows * part.cols, out + part.offset);
    } else {
      detail::write_noise(noise, part, z.at);
      std::copy(z.at, z.at + part.rows * part.cols, out + part.offset);
    }
  });
}

template <Real T>
void fill_uniform(const NoiseKey& key, std::int64_t rows, std::int64_t cols, T low, T high, T* out) {
  require(low < high && std::isfinite(high - low), "fill_uniform: from ", low, " to ", high);
  fill_matrix(Law::uniform, key, rows, cols, out);
  const T width = high - low, last = std::nextafter(high, low);
  parallel_for(rows * cols, 4 * detail::part_size, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) out[i] = std::min(last, std::fma(width, out[i], low));
  });
}

template <class T>
requires Real<T> || std::same_as<T, bfloat16>
void add_scaled_(T* w, std::int64_t rows, std::int64_t cols, Law law, const NoiseKey& key, double scale) {
  const NoiseTerm term{key, scale, law};
  add_scaled_(w, rows, cols, std::span(&term, 1));
}

template <class T>
requires Real<T> || std::same_as<T, bfloat16>
void add_scaled_(T* w, std::int64_t rows, std::int64_t cols, std::span<const NoiseTerm> terms, const T* from) {
  if (terms.empty() && from && from != w) std::copy_n(from, rows * cols, w);
  std::vector<AnyNoise> directions;
  std::vector<Noise<detail::sixteen_bits>> rounding;
  for (const NoiseTerm& term : terms) {
    directions.push_back(make_noise(term.law, term.key, rows, cols));
    if constexpr (!Real<T>) rounding.emplace_back(term.key.of(Purpose::rounding), rows, cols);
  }
  detail::for_parts(rows, cols, [&](const detail::MatrixPart& part, std::int64_t) {
    const std::int64_t size = part.rows * part.cols;
    detail::NoiseBuffer z;
    for (std::size_t k = 0; k < terms.size(); ++k) {
      const T* const old = (from && k == 0 ? from : w) + part.offset;
      detail::write_noise(directions[k], part, z.at);
      if constexpr (Real<T>) {
        detail::add_scaled_part_(w + part.offset, old, z.at, size, terms[k].scale);
      } else {
        detail::NoiseBuffer bits;
        detail::write_noise(rounding[k], part, bits.at);
        detail::add_scaled_part_(w + part.offset, old, z.at, size, terms[k].scale, bits.at);
      }
    }
  });
}

#if TENZO_DEFINES(core)
TENZO_COMPILED double squared_norm(Law law, const NoiseKey& key, std::int64_t rows, std::int64_t cols) {
  const AnyNoise noise = make_noise(law, key, rows, cols);
  std::vector<double> partial(std::size_t(detail::MatrixParts{rows, cols}.count()));
  detail::for_parts(rows, cols, [&](const detail::MatrixPart& part, std::int64_t i) {
    detail::NoiseBuffer z;
    detail::write_noise(noise, part, z.at);
    partial[std::size_t(i)] = detail::sum_of_squares(z.at, part.rows * part.cols);
  });
  return std::accumulate(partial.begin(), partial.end(), 0.);
}
#endif

}  // namespace tenzo

#include "tenzo/core/extern.hpp"
