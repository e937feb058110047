// Block-wise estimation where each block is probed after the blocks before it have moved.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tenzo/zo/estimators.hpp"

namespace tenzo::zo {

/// When the blocks of a step move: all at its end, or each as soon as its slope is known.
enum class BlockOrder { jacobi, gauss_seidel };

inline BlockOrder block_order(std::string_view name) {
  if (name == "jacobi") return BlockOrder::jacobi;
  require(name == "gauss-seidel", "unknown order of blocks '", name, "'; want jacobi or gauss-seidel");
  return BlockOrder::gauss_seidel;
}

/// Cuts leaves of `sizes` weights into `blocks` runs of neighbours, of sizes as equal as whole leaves allow: each run
/// ends where its size is nearest to an equal share of what is left.
///   Returns  for each run its first leaf and the one behind its last, as indices into `sizes`.
inline std::vector<LeafRange> equal_blocks(std::span<const std::int64_t> sizes, std::size_t blocks) {
  require(blocks > 0 && blocks <= sizes.size(), "equal_blocks: ", blocks, " blocks of ", sizes.size(), " leaves");
  std::vector<LeafRange> out;
  std::int64_t rest = 0;
  for (const std::int64_t n : sizes) rest += n;
  for (std::size_t at = 0; blocks > 0; --blocks) {
    const std::size_t first = at, most = sizes.size() - (blocks - 1);  // each later block wants a leaf
    std::int64_t size = 0;
    do size += sizes[at++];
    while (at < most && (2 * size + sizes[at]) * std::int64_t(blocks) <= 2 * rest);
    out.push_back({std::uint32_t(first), std::uint32_t(at)});
    rest -= size;
  }
  return out;
}

/// Of the trained leaves those of a block: what is moved when the block is.
inline std::vector<std::uint8_t> trained_in(std::span<const std::uint8_t> trained, LeafRange block) {
  std::vector<std::uint8_t> here(trained.size());
  for (std::size_t i = block.first; i < std::min<std::size_t>(block.last, trained.size()); ++i) here[i] = trained[i];
  return here;
}

/// Block-wise estimate in Gauss-Seidel order. Block b has the direction that `block_rge` gives it; its slope is that at
/// the point where blocks 0 to b − 1 have moved, and `move(g)` is then called with the block's estimate, to move it.
/// What `move` leaves in the estimate is what the sweep returns. A block whose slope is not finite does not move, and
/// its slope is NaN.
///   Forwards  2 K for K blocks, one-sided ones too: the point is a new one for each block.
///   Loss      the mean over the blocks.
template <LossAt E, class Move>
requires std::invocable<Move&, Estimate&> Estimate block_sweep(E&& evaluate, std::uint64_t seed, std::uint32_t step,
                                                               std::span<const LeafRange> blocks, Move&& move,
                                                               const RgeOptions& o = {}) {
  require(!blocks.empty(), "block_sweep: no blocks");
  Estimate all;
  all.loss = 0;
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    const Direction d = o.direction(seed, step, std::uint32_t(b), blocks[b]);
    Estimate g;
    detail::probe_directions(evaluate, std::span(&d, 1), o, g);
    if (g.finite()) move(g);
    else g.slopes[0].value = NAN;
    all.slopes.push_back(g.slopes[0]);
    all.forwards += g.forwards;
    all.loss += g.loss / double(blocks.size());
  }
  return all;
}

}  // namespace tenzo::zo
