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

template <Real T>
std::int64_t line_steps(const TapLoop& loop, std::int64_t outputs, std::int64_t rows, std::int64_t pixels) {
  const std::int64_t spans = rows * ((pixels + Simd<T>::size - 1) / Simd<T>::size), n = line_spans(int(outputs));
  return (spans + n - 1) / n * loop.runs();
}

template <Real T, int Outputs>
void run_spans(const TapLoop& loop, const T* weight, const std::vector<Span<T>>& spans, std::int64_t pixels,
               const T* bias, Prefetch& ahead) {
  constexpr std::size_t many = line_spans(Outputs);
  std::size_t i = 0;
  for (; i + many <= spans.size(); i += many)
    tap_line<T, Outputs, int(many)>(loop, weight, spans.data() + i, pixels, bias, ahead);
  if constexpr (many > 2)
    for (; i + 2 <= spans.size(); i += 2) tap_line<T, Outputs, 2>(loop, weight, spans.data() + i, pixels, bias, ahead);
  for (; i < spans.size(); ++i) tap_line<T, Outputs, 1>(loop, weight, spans.data() + i, pixels, bias, ahead);
}

/// All sums of `outputs` channels, one of the counts of channel_blocks. Rows are cut into vectors; the last of a row
/// overlaps the one before where the row is ragged.
template <Real T>
void run_lines(const TapLoop& loop, std::int64_t outputs, const T* weight, const std::vector<Span<T>>& rows,
               std::int64_t pixels, const T* bias, Prefetch& ahead) {
  constexpr std::int64_t lanes = Simd<T>::size;
  std::vector<Span<T>> spans;
  for (const Span<T>& row : rows)
    for (std::int64_t q = 0; q < pixels; q += lanes) {
      const std::int64_t at = std::max<std::int64_t>(0, std::min(q, pixels - lanes));
      spans.push_back({row.source + at, row.out + at * loop.out_step});
    }
  const std::int64_t n = std::min(pixels, lanes);
  if constexpr (block_singles == 8)
    if (outputs == 8) return run_spans<T, 8>(loop, weight, spans, n, bias, ahead);
  if (outputs == 4) run_spans<T, 4>(loop, weight, spans, n, bias, ahead);
  else if (outputs == 2) run_spans<T, 2>(loop, weight, spans, n, bias, ahead);
  else run_spans<T, 1>(loop, weight, spans, n, bias, ahead);
}

}  // namespace tenzo::cpu
