// Masks of sparse zeroth-order optimization: which weights a run probes and moves, as a rule that a seed makes exact.
#pragma once

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenzo/core/parallel.hpp"
#include "tenzo/core/random.hpp"
#include "tenzo/tree/tree.hpp"
#include "tenzo/zo/direction.hpp"

namespace tenzo::zo {

/// What share of each leaf's weights is masked out, and which.
///   random     those with the largest of independent uniform draws
///   magnitude  those with the largest |w| of the leaf: what stays are the small weights (Sparse-MeZO)
/// Counts are exact: of n weights round(share n) are masked out.
///   Source  Zhang et al. 2024 (ZO-LLM), section 5.3; Liu et al. 2024 (Sparse-MeZO).
struct MaskRule {
  enum class Kind { none, random, magnitude };

  Kind kind = Kind::none;
  double share = 0;  // masked out; 0 <= share < 1

  /// "random:0.8", "magnitude:0.75", or "-" for no mask. Throws ValueError.
  static MaskRule parse(std::string_view text) {
    if (text == "-") return {};
    const std::size_t colon = std::min(text.find(':'), text.size());
    const std::string_view name = text.substr(0, colon), number = text.substr(std::min(colon + 1, text.size()));
    MaskRule r;
    require(name == "random" || name == "magnitude", "masks: unknown kind '", name, "' in '", text,
            "'; want random:SHARE or magnitude:SHARE");
    r.kind = name == "random" ? Kind::random : Kind::magnitude;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), r.share);
    require(error == std::errc() && end == number.data() + number.size() && 0 <= r.share && r.share < 1,
            "masks: the share in '", text, "' is '", number, "'; want a number from 0 on, below 1");
    return r;
  }
  /// What `parse` reads as the same rule.
  std::string text() const {
    if (kind == Kind::none) return "-";
    char number[32];
    return cat(kind == Kind::random ? "random:" : "magnitude:",
               std::string_view(number, std::to_chars(number, number + sizeof number, share).ptr));
  }

  /// How many of n weights are not masked out.
  std::int64_t kept(std::int64_t n) const { return kind == Kind::none ? n : n - std::llround(share * double(n)); }
};

namespace detail {

/// Sorts as the float does, for floats that are not negative.
inline std::uint32_t order_key(float x) { return std::bit_cast<std::uint32_t>(x) & 0x7fffffffu; }

/// The key of rank `count` (from 1 on) of a matrix, and how many keys are below it: by counting, twice, 16 bits at a
/// time, so that the matrix is never held. `row(r, to)` writes a row's values.
struct Threshold {
  std::uint32_t key = 0;
  std::int64_t below = 0;
};
template <class Row>
Threshold threshold_of(std::int64_t rows, std::int64_t cols, std::int64_t count, Row&& row) {
  Threshold t;
  std::vector<std::int64_t> counts(1 << 16);
  std::mutex mutex;
  for (const int shift : {16, 0}) {
    std::fill(counts.begin(), counts.end(), 0);
    parallel_for(rows, std::max<std::int64_t>(1, (1 << 20) / std::max<std::int64_t>(1, cols)),
                 [&](std::int64_t begin, std::int64_t end) {
                   std::vector<float> values(static_cast<std::size_t>(cols));
                   std::vector<std::int64_t> here(1 << 16);
                   for (std::int64_t r = begin; r < end; ++r) {
                     row(r, values.data());
                     for (const float x : values)
                       if (const std::uint32_t k = order_key(x); shift == 16 || k >> 16 == t.key >> 16)
                         ++here[k >> shift & 0xffffu];
                   }
                   const std::lock_guard lock(mutex);  // sums of integers do not mind their order
                   for (std::size_t i = 0; i < here.size(); ++i) counts[i] += here[i];
                 });
    std::uint32_t bin = 0;
    while (t.below + counts[bin] < count) t.below += counts[bin++];
    t.key |= bin << shift;
  }
  return t;
}

/// to[i] = 1 for the `count` smallest values of a matrix, of equal ones the first; 0 for the others.
template <class Row>
void mark_smallest(std::int64_t rows, std::int64_t cols, std::int64_t count, Row&& row, std::uint8_t* to) {
  std::fill_n(to, rows * cols, std::uint8_t(0));
  if (count <= 0) return;
  const Threshold t = threshold_of(rows, cols, count, row);
  constexpr std::uint8_t tied = 2;
  parallel_for(rows, std::max<std::int64_t>(1, (1 << 16) / std::max<std::int64_t>(1, cols)),
               [&](std::int64_t begin, std::int64_t end) {
                 std::vector<float> values(static_cast<std::size_t>(cols));
                 for (std::int64_t r = begin; r < end; ++r) {
                   row(r, values.data());
                   for (std::int64_t c = 0; c < cols; ++c) {
                     const std::uint32_t k = order_key(values[std::size_t(c)]);
                     to[r * cols + c] = k < t.key ? 1 : k == t.key ? tied : 0;
                   }
                 }
               });
  std::int64_t left = count - t.below;
  for (std::int64_t i = 0; i < rows * cols; ++i)
    if (to[i] == tied) to[i] = left-- > 0;
}

/// A row of a leaf as floats.
template <class W>
void read_row(const W& w, std::int64_t cols, std::int64_t row, float* to) {
  if constexpr (requires { w.decode(row, 1, 0, cols, to, cols); }) w.decode(row, 1, 0, cols, to, cols);
  else std::transform(w.data() + row * cols, w.data() + (row + 1) * cols, to, [](auto x) { return float(x); });
}

}  // namespace detail

/// The masks of a rule over the leaves of a model: a function of its weights and the seed, so that a replay makes them
/// again from the base model. Leaves that are not trained, and all leaves where nothing is masked out, have none.
///   Memory  one byte a trained weight.
///   Cost    the weights are read, or the noise is drawn, three times.
template <Tree Model>
Masks make_masks(const MaskRule& rule, const Model& model, std::uint64_t seed,
                 std::span<const std::uint8_t> trained = {}) {
  Masks masks;
  std::uint32_t n = 0;
  for_each_leaf(
      [&](const Path&, const auto& w) {
        const std::uint32_t leaf = n++;
        masks.emplace_back();
        const Shape& shape = w.shape();
        const std::int64_t cols = shape.rank() == 0 ? 1 : shape.dim(-1), rows = cols == 0 ? 0 : shape.numel() / cols;
        if (rule.kept(rows * cols) == rows * cols || (!trained.empty() && !trained[leaf])) return;
        Tensor<std::uint8_t> mask(Shape{rows, cols});
        const NoiseKey key = NoiseKey{.seed = seed, .tensor = leaf}.of(Purpose::dropout);
        detail::mark_smallest(
            rows, cols, rule.kept(rows * cols),
            [&](std::int64_t row, float* to) {
              if (rule.kind == MaskRule::Kind::random) fill(Law::uniform, key, cols, row, 0, cols, to);
              else detail::read_row(w, cols, row, to);
            },
            mask.data());
        masks.back() = mask;
      },
      model);
  return masks;
}

}  // namespace tenzo::zo
