// Rows of output pixels through the kernel whose vectors lie along the rows.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tenzo/ops/cpu/conv_blocks.hpp"
#include "tenzo/ops/cpu/conv_tile.hpp"
#include "tenzo/ops/cpu/prefetch.hpp"

namespace tenzo::cpu {

/// Spans that tap_line takes at a time with this many channels.
#if defined(TENZO_AVX512)
inline constexpr int line_spans(int outputs) { return outputs == 8 ? 3 : 4; }
#else
inline constexpr int line_spans(int outputs) { return outputs == 4 ? 1 : 2; }
#endif

/// How often `ahead` is stepped by run_lines.
template <Real T>
std::int64_t line_steps(const TapLoop& loop, std::int64_t outputs, std::int64_t rows, std::int64_t pixels) {
  const std::int64_t spans = rows * ((pixels + Simd<T>::size - 1) / Simd<T>::size), n = line_spans(int(outputs));
  return (spans + n - 1) / n * loop.runs();
}

template <Real T, int Outputs>
void run_spans(const TapBlock<T>& block, const std::vector<Span<T>>& spans, std::int64_t pixels, Prefetch& ahead) {
  constexpr std::size_t many = line_spans(Outputs);
  std::size_t i = 0;
  for (; i + many <= spans.size(); i += many) tap_line<T, Outputs, int(many)>(block, spans.data() + i, pixels, ahead);
  if constexpr (many > 2)
    for (; i + 2 <= spans.size(); i += 2) tap_line<T, Outputs, 2>(block, spans.data() + i, pixels, ahead);
  for (; i < spans.size(); ++i) tap_line<T, Outputs, 1>(block, spans.data() + i, pixels, ahead);
}

/// All sums of a block of single channels; `rows` begin at their first pixel in the source and, in the block's first
/// channel, in memory. Rows are cut into vectors; the last of a row overlaps the one before where the row is ragged.
template <Real T>
void run_lines(const TapBlock<T>& block, const std::vector<Span<T>>& rows, std::int64_t pixels, Prefetch& ahead) {
  constexpr std::int64_t lanes = Simd<T>::size;
  std::vector<Span<T>> spans;
  for (const Span<T>& row : rows)
    for (std::int64_t q = 0; q < pixels; q += lanes) {
      const std::int64_t at = std::max<std::int64_t>(0, std::min(q, pixels - lanes));
      spans.push_back({row.source + at, row.out + at * block.loop.out_step});
    }
  const std::int64_t n = std::min(pixels, lanes);
  if constexpr (block_singles == 8)
    if (block.channels.count == 8) return run_spans<T, 8>(block, spans, n, ahead);
  switch (block.channels.count) {
    case 4: return run_spans<T, 4>(block, spans, n, ahead);
    case 2: return run_spans<T, 2>(block, spans, n, ahead);
    default: return run_spans<T, 1>(block, spans, n, ahead);
  }
}

}  // namespace tenzo::cpu
