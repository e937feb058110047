// DeepSea: one treasure, which only N right decisions in a row find.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "tenzo/core/error.hpp"
#include "tenzo/rl/environment.hpp"

namespace tenzo::rl {

/// An N x N grid; each step goes one row down, from the top left corner. In each cell one of two actions, which one is
/// drawn from `map`, goes right at a cost of 0.01 / N, the other left; columns are clamped. Going right in the last
/// column is rewarded by 1. An episode has N steps, and ends.
///   State        (row, column)
///   Observation  the cell as one of N²; none is set once the last row is left
///   Source       Osband et al. 2020 (bsuite), in gymnax' deterministic form
struct DeepSea {
  using State = std::array<std::int32_t, 2>;
  static constexpr std::string_view name = "deepsea";

  std::int32_t side = 8;
  std::uint64_t map = 1;  // seed of the actions' meaning

  static constexpr std::int32_t actions() { return 2; }
  std::int64_t observation_size() const { return std::int64_t(side) * side; }
  static constexpr std::int64_t limit() { return 0; }

  /// The action that goes right in a cell.
  std::int32_t right(std::int32_t row, std::int32_t column) const {
    return std::int32_t(Draw{map, 0, 0, Use::model}.block(std::uint32_t(row * side + column))[0] >> 31);
  }

  void reset(State& s, const Draw&) const {
    require(side >= 1 && side <= 1 << 10, "deepsea: ", side, " rows; want 1 to 1024");
    s = {0, 0};
  }

  Moved step(State& s, std::int32_t action, const Draw&) const {
    const bool goes_right = action == right(s[0], s[1]);
    const float reward = goes_right ? (s[1] == side - 1 ? 1.f : 0.f) - 0.01f / float(side) : 0.f;
    s = {s[0] + 1, std::clamp(s[1] + (goes_right ? 1 : -1), 0, side - 1)};
    return {reward, s[0] == side};
  }

  bool valid(const State& s) const { return s[0] >= 0 && s[0] < side && s[1] >= 0 && s[1] < side; }

  void observe(const State& s, float* to) const {
    std::fill(to, to + observation_size(), 0.f);
    if (s[0] < side) to[s[0] * side + s[1]] = 1;
  }
};

}  // namespace tenzo::rl
