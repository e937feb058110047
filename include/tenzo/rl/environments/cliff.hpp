// The cliff: the shortest way leads along an edge.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "tenzo/rl/environment.hpp"

namespace tenzo::rl {

/// A grid of 4 x 12 from the lower left corner to the lower right one. A step costs 1; one off the cliff between the
/// two costs 100 and leads back to the start. Deterministic.
///   State        the cell, row by row from the top
///   Observation  the cell as one of 48
///   Actions      0 up, 1 right, 2 down, 3 left
///   Source       Sutton, Barto 2018, example 6.6; Gymnasium's CliffWalking, which has no limit of time either
struct Cliff {
  using State = std::array<std::int32_t, 1>;
  static constexpr std::string_view name = "cliff";
  static constexpr std::int32_t rows = 4, columns = 12, start = 36, goal = 47;

  std::int64_t steps = 0;

  static constexpr std::int32_t actions() { return 4; }
  static constexpr std::int64_t observation_size() { return rows * columns; }
  std::int64_t limit() const { return steps; }

  void reset(State& s, const Draw&) const { s = {start}; }

  Moved step(State& s, std::int32_t action, const Draw&) const {
    const std::int32_t row = std::clamp(s[0] / columns + (action == 2) - (action == 0), 0, rows - 1);
    const std::int32_t column = std::clamp(s[0] % columns + (action == 1) - (action == 3), 0, columns - 1);
    s[0] = row * columns + column;
    if (s[0] > start && s[0] < goal) {
      s[0] = start;
      return {-100.f, false};
    }
    return {-1.f, s[0] == goal};
  }

  static bool valid(const State& s) { return s[0] >= 0 && s[0] <= start; }  // behind it are the cliff and the goal

  void observe(const State& s, float* to) const {
    std::fill(to, to + observation_size(), 0.f);
    to[s[0]] = 1;
  }
};

}  // namespace tenzo::rl
