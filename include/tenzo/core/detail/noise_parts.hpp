// Noise written to memory, and the parts in which matrices are worked on beside it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <variant>

#include "tenzo/core/compiled.hpp"
#include "tenzo/core/noise.hpp"
#include "tenzo/core/parallel.hpp"

TENZO_INTRINSICS_BEGIN

namespace tenzo::detail {

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

/// to[0 … rows * cols) = z of the part, row after row.
template <Law::Kind kind>
[[gnu::noinline]] void write_noise(const Noise<kind>& noise, MatrixPart part, float* to) {
  constexpr std::int64_t block = Noise<kind>::block;
  const std::int64_t skip = part.col % block, total = part.rows * part.cols;
  std::int64_t padded = noise.row_blocks() * block;  // a row and what is left of its last block
  if (part.rows == 1 || padded == part.cols) part.cols = padded = total;
  const std::int64_t positions = skip + (total / std::max<std::int64_t>(1, part.cols) - 1) * padded + part.cols;
  std::int64_t col = -skip;  // of the next number, relative to the part
  float* const end = to + total;
  noise.for_runs(noise.block_of(part.row, part.col), (positions + 63) / 64, [&](const typename Noise<kind>::Run& z) {
    const bool whole = col >= 0 && col + 64 <= part.cols;
    alignas(64) float buffer[64];
    float* const at = whole ? to : buffer;
    z[0].store(at), z[1].store(at + 16), z[2].store(at + 32), z[3].store(at + 48);
    if (whole) {
      to += 64;
      col += 64;
      return;
    }
    for (std::int64_t i = 0, n = 0; i < 64 && to < end; i += n) {  // pieces of rows, and what lies between them
      const bool inside = col >= 0 && col < part.cols;
      n = std::min(64 - i, (inside ? part.cols : col < 0 ? 0 : padded) - col);
      if (inside) to = std::copy(buffer + i, buffer + i + n, to);
      col += n;
      if (col == padded) col = 0;
    }
  });
}

TENZO_COMPILED void write_noise(const AnyNoise& noise, const MatrixPart& part, float* to);

#if TENZO_DEFINES(core)
TENZO_COMPILED void write_noise(const AnyNoise& noise, const MatrixPart& part, float* to) {
  std::visit([&](const auto& n) { write_noise(n, part, to); }, noise);
}
#endif

/// Room for the noise of a part, and for what the last vector reads beyond it.
struct NoiseBuffer {
  alignas(64) float at[part_size + 16];
};

/// to[0 … n) = from, past the caches: for memory that is larger than they are, a write then costs no read.
inline void write_past_caches(const float* from, std::int64_t n, float* to) {
  std::int64_t i = 0;
#if defined(TENZO_AVX512) || defined(TENZO_AVX2)
  while (i < n && reinterpret_cast<std::uintptr_t>(to + i) % 64 != 0) to[i] = from[i], ++i;
  for (; i + 16 <= n; i += 16) {
    const Simd<float> x = Simd<float>::load(from + i);
#if defined(TENZO_AVX512)
    _mm512_stream_ps(to + i, x.part[0]);
#else
    _mm256_stream_ps(to + i, x.part[0]), _mm256_stream_ps(to + i + 8, x.part[1]);
#endif
  }
  _mm_sfence();  // other threads may read it after the next synchronisation
#endif
  std::copy(from + i, from + n, to + i);
}

}  // namespace tenzo::detail

TENZO_INTRINSICS_END
