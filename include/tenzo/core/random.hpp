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
///   deterministic. Memory  w is read and written once; z lives in registers (bfloat16: in 24 kB of the first cache).
template <class T>
requires Real<T> || std::same_as<T, bfloat16>
void add_scaled_(T* w, std::int64_t rows, std::int64_t cols, Law law, const NoiseKey& key, double scale);

/// The same for each term in turn, with one pass over memory: the bits of calling it term by term.
template <class T>
requires Real<T> || std::same_as<T, bfloat16>
void add_scaled_(T* w, std::int64_t rows, std::int64_t cols, std::span<const NoiseTerm> terms);

// ---- norms ---------------------------------------------------------------------------------------------------------

/// Σ z², in double, in a fixed order.
///   The uniform law on the sphere of radius √d in d dimensions, over all tensors of a model: normal z times
///   √(d / Σ z²), where Σ z² is the sum over the tensors.
inline double squared_norm(Law law, const NoiseKey& key, std::int64_t rows, std::int64_t cols);

// ---- definitions ---------------------------------------------------------------------------------------------------

namespace detail {

/// A part of a matrix that lies in one piece of memory: whole rows, or a part of one row.
struct MatrixPart {
  std::int64_t row, rows, col, cols;
  std::int64_t offset;  // of its first element
};

/// Elements of a part: with what is made beside them they stay in the first cache.
inline constexpr std::int64_t part_size = 4096;

/// The parts that a matrix is worked on in: some rows, or a piece of one.
struct MatrixParts {
  std::int64_t rows, cols;
  std::int64_t across = std::max<std::int64_t>(1, (cols + part_size - 1) / part_size);
  std::int64_t height = std::max<std::int64_t>(1, part_size / std::max<std::int64_t>(1, cols));

  std::int64_t count() const { return rows <= 0 || cols <= 0 ? 0 : (rows + height - 1) / height * across; }
  MatrixPart operator[](std::int64_t i) const {
    const std::int64_t row = i / across * height, col = i % across * part_size;
    return {row, std::min(height, rows - row), col, std::min(part_size, cols - col), row * cols + col};
  }
};

/// Calls f(part, i) in parallel for the parts of a matrix.
template <class F>
void for_parts(std::int64_t rows, std::int64_t cols, F&& f) {
  const MatrixParts parts{rows, cols};
  parallel_for(parts.count(), 4, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) f(parts[i], i);
  });
}

/// Calls op(at, z) for 16 elements from offset `at` of the part on, op(at, z, n) for n of them, until all are done.
template <class N, class Op>
TENZO_INLINE void for_noise(const N& noise, MatrixPart part, Op&& op) {
  const std::int64_t skip = part.col % N::block, total = part.rows * part.cols;
  std::int64_t padded = noise.row_blocks() * N::block;  // a row and what is left of its last block
  if (part.rows == 1 || padded == part.cols) part.cols = padded = total;
  const std::int64_t positions = skip + (total / std::max<std::int64_t>(1, part.cols) - 1) * padded + part.cols;
  std::int64_t at = 0, col = -skip;  // the next element; the column of the next run, relative to the part
  noise.for_runs(noise.block_of(part.row, part.col), (positions + 63) / 64, [&](const typename N::Run& z) {
    if (col >= 0 && col + 64 <= part.cols) [[likely]] {
      op(at, z[0]), op(at + 16, z[1]), op(at + 32, z[2]), op(at + 48, z[3]);
      at += 64;
      col += 64;
      return;
    }
    alignas(64) float buffer[64];
    for (std::size_t i = 0; i < 4; ++i) z[i].store(buffer + 16 * i);
    for (std::int64_t i = 0, n = 0; i < 64 && at < total; i += n) {  // pieces of rows, and what lies between them
      if (col >= 0 && col < part.cols) {
        n = std::min({std::int64_t(16), 64 - i, part.cols - col});
        op(at, Simd<float>::load(buffer + i, n), n);
        at += n;
      } else {
        n = std::min(64 - i, (col < 0 ? 0 : padded) - col);
      }
      col += n;
      if (col == padded) col = 0;
    }
  });
}

/// out[at …] = z; `n...` is empty for all 16 lanes.
template <Real T, class... N>
TENZO_INLINE void put_noise(T* out, const Simd<float>& z, N... n) {
  if constexpr (std::same_as<T, float>) {
    z.store(out, n...);
  } else {
    low_half(z).store(out, n...);
    high_half(z).store(out + 8, (n - 8)...);
  }
}

/// w[at …] += scale z.
template <Real T, class... N>
TENZO_INLINE void add_noise_(T* w, const Simd<float>& z, const Simd<T>& scale, N... n) {
  if constexpr (std::same_as<T, float>) {
    fmadd(z, scale, Simd<T>::load(w, n...)).store(w, n...);
  } else {
    fmadd(low_half(z), scale, Simd<T>::load(w, n...)).store(w, n...);
    fmadd(high_half(z), scale, Simd<T>::load(w + 8, (n - 8)...)).store(w + 8, (n - 8)...);
  }
}

/// x rounded to bfloat16, away from zero when the 16 bits of its lane in `noise` carry into the upper half. NaN stays
/// NaN.
TENZO_INLINE Words round_stochastically(const Simd<float>& x, const Words& noise) {
  const Words bits = as_words(x), magnitude = and_or(bits, Words(0x7fffffffu), Words(0u));
  const Words quiet_nan = where_less(Words(0x7f800000u), magnitude, Words(0x7fffu));
  return and_or(shift_right<16>(plus(bits, noise)), Words(0xffffu), quiet_nan);
}

/// w[0 … 16) ← w + scale z, rounded by `noise`.
TENZO_INLINE void add_rounded_(bfloat16* w, const float* z, const Simd<float>& scale, const std::uint16_t* noise) {
  const Simd<float> sum = fmadd(Simd<float>::load(z), scale, Simd<float>::load(w));
  store_halves(round_stochastically(sum, halves(noise)), &w->bits);
}

/// A part of w ← round(w + scale z).
template <class N>
void add_rounded_part_(bfloat16* w, const MatrixPart& part, const N& noise, float scale,
                       const Noise<sixteen_bits>& rounding) {
  alignas(64) float z[part_size + 16];
  alignas(64) std::uint16_t bits[part_size + 16];
  for_noise(noise, part, [&](std::int64_t at, const Simd<float>& x, auto...) { x.store(z + at); });
  for_noise(rounding, part,
            [&](std::int64_t at, const Simd<float>& x, auto...) { store_halves(as_words(x), bits + at); });
  const std::int64_t size = part.rows * part.cols, whole = size / 16 * 16;
  const Simd<float> s(scale);
  for (std::int64_t i = 0; i < whole; i += 16) add_rounded_(w + i, z + i, s, bits + i);
  if (whole < size) {
    bfloat16 rest[16] = {};
    std::copy(w + whole, w + size, rest);
    add_rounded_(rest, z + whole, s, bits + whole);
    std::copy(rest, rest + (size - whole), w + whole);
  }
}

}  // namespace detail

template <Real T>
void fill(Law law, const NoiseKey& key, std::int64_t cols, std::int64_t row, std::int64_t col, std::int64_t n, T* out) {
  fill_rows(law, key, cols, row, 1, col, n, out, n);
}

template <Real T>
void fill_rows(Law law, const NoiseKey& key, std::int64_t cols, std::int64_t row, std::int64_t rows, std::int64_t col,
               std::int64_t n, T* out, std::int64_t ld) {
  require(row >= 0 && rows >= 0 && col >= 0 && n >= 0 && n <= cols - col, "fill_rows: ", rows, " rows from ", row, ", ",
          n, " columns from ", col, " of a matrix with ", cols, " columns");
  const auto work = [&](const auto& noise) {
    for (std::int64_t i = 0; i < rows && n > 0; ++i)
      detail::for_noise(noise, {row + i, 1, col, n, 0}, [&](std::int64_t at, const Simd<float>& z, auto... some) {
        detail::put_noise(out + i * ld + at, z, some...);
      });
  };
  std::visit(work, make_noise(law, key, row + rows, cols));
}

template <Real T>
void fill_matrix(Law law, const NoiseKey& key, std::int64_t rows, std::int64_t cols, T* out) {
  const auto work = [&](const auto& noise) {
    detail::for_parts(rows, cols, [&](const detail::MatrixPart& part, std::int64_t) {
      detail::for_noise(noise, part, [&](std::int64_t at, const Simd<float>& z, auto... some) {
        detail::put_noise(out + part.offset + at, z, some...);
      });
    });
  };
  std::visit(work, make_noise(law, key, rows, cols));
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
void add_scaled_(T* w, std::int64_t rows, std::int64_t cols, std::span<const NoiseTerm> terms) {
  std::vector<AnyNoise> directions;
  std::vector<Noise<detail::sixteen_bits>> rounding;
  for (const NoiseTerm& term : terms) {
    directions.push_back(make_noise(term.law, term.key, rows, cols));
    if constexpr (!Real<T>) rounding.emplace_back(term.key.of(Purpose::rounding), rows, cols);
  }
  detail::for_parts(rows, cols, [&](const detail::MatrixPart& part, std::int64_t) {
    for (std::size_t k = 0; k < terms.size(); ++k) {
      const auto work = [&](const auto& noise) {
        if constexpr (Real<T>) {
          const Simd<T> scale(static_cast<T>(terms[k].scale));
          detail::for_noise(noise, part, [&](std::int64_t at, const Simd<float>& z, auto... some) {
            detail::add_noise_(w + part.offset + at, z, scale, some...);
          });
        } else {
          detail::add_rounded_part_(w + part.offset, part, noise, float(terms[k].scale), rounding[k]);
        }
      };
      std::visit(work, directions[k]);
    }
  });
}

inline double squared_norm(Law law, const NoiseKey& key, std::int64_t rows, std::int64_t cols) {
  std::vector<double> partial(std::size_t(detail::MatrixParts{rows, cols}.count()));
  const auto work = [&](const auto& noise) {
    detail::for_parts(rows, cols, [&](const detail::MatrixPart& part, std::int64_t i) {
      Simd<double> low(0), high(0);  // squares of floats are exact in double
      detail::for_noise(noise, part, [&](std::int64_t, const Simd<float>& z, auto...) {
        const Simd<double> a = detail::low_half(z), b = detail::high_half(z);
        low = fmadd(a, a, low);
        high = fmadd(b, b, high);
      });
      partial[std::size_t(i)] = sum(low + high);
    });
  };
  std::visit(work, make_noise(law, key, rows, cols));
  return std::accumulate(partial.begin(), partial.end(), 0.);
}

}  // namespace tenzo
