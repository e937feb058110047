// Breakout of MinAtar: a paddle, a ball, three rows of bricks on 10 x 10 cells.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "tenzo/rl/environment.hpp"

namespace tenzo::rl {

/// Reward 1 a brick; over where the ball passes the paddle.
///   State        see Field
///   Observation  four binary planes (4, 10, 10): paddle, ball, the ball's cell before, bricks
///   Actions      the six of all MinAtar games: 0 nothing, 1 left, 2 up, 3 right, 4 down, 5 fire; three of them move
///                nothing here
///   Chance       the side from which the ball starts; with probability `sticky` the last action is repeated
///   Source       Young, Tian 2019
struct Breakout {
  /// What the numbers of a state are. Directions: 0 up left, 1 up right, 2 down right, 3 down left. Bricks: bit
  /// 10 (row − 1) + column.
  enum Field : std::size_t { ball_x, ball_y, direction, paddle, strike, last_x, last_y, bricks, last_action, count };
  using State = std::array<std::int32_t, count>;
  static constexpr std::string_view name = "minatar-breakout";
  static constexpr std::int32_t all_bricks = (1 << 30) - 1;

  double sticky = 0.1;
  std::int64_t steps = 0;

  static constexpr std::int32_t actions() { return 6; }
  static constexpr std::int64_t observation_size() { return 400; }
  std::int64_t limit() const { return steps; }

  void reset(State& s, const Draw& draw) const {
    const bool right = draw.block()[0] >> 31;
    const std::int32_t x = right ? 9 : 0;
    s = {x, 3, right ? 3 : 2, 4, 0, x, 3, all_bricks, 0};
  }

  Moved step(State& s, std::int32_t action, const Draw& draw) const {
    if (sticky > 0 && unit<double>(draw.block()[0]) < sticky) action = s[last_action];
    s[last_action] = action;
    s[paddle] = std::clamp(s[paddle] + (action == 3) - (action == 1), 0, 9);

    constexpr std::int32_t mirror_x[] = {1, 0, 3, 2}, mirror_y[] = {3, 2, 1, 0}, reverse[] = {2, 3, 0, 1};
    s[last_x] = s[ball_x], s[last_y] = s[ball_y];
    std::int32_t& way = s[direction];
    std::int32_t x = s[ball_x] + (way == 1 || way == 2 ? 1 : -1), y = s[ball_y] + (way >= 2 ? 1 : -1);
    if (x < 0 || x > 9) x = std::clamp(x, 0, 9), way = mirror_x[way];
    Moved m;
    bool struck = false;
    const auto brick = [](std::int32_t row, std::int32_t column) { return 1 << (10 * (row - 1) + column); };
    if (y < 0) {
      y = 0, way = mirror_y[way];
    } else if (y >= 1 && y <= 3 && (s[bricks] & brick(y, x)) != 0) {
      struck = true;
      if (s[strike] == 0) {
        m.reward = 1;
        s[bricks] &= ~brick(y, x);
        y = s[last_y], way = mirror_y[way];
      }
    } else if (y == 9) {
      if (s[bricks] == 0) s[bricks] = all_bricks;
      if (s[ball_x] == s[paddle]) y = s[last_y], way = mirror_y[way];
      else if (x == s[paddle]) y = s[last_y], way = reverse[way];
      else m.terminated = true;
    }
    s[strike] = struck;
    s[ball_x] = x, s[ball_y] = y;
    return m;
  }

  static bool valid(const State& s) {
    const auto within = [&](Field f, std::int32_t most) { return s[f] >= 0 && s[f] <= most; };
    return within(ball_x, 9) && within(ball_y, 8) && within(direction, 3) && within(paddle, 9) && within(strike, 1) &&
           within(last_x, 9) && within(last_y, 9) && within(bricks, all_bricks) && within(last_action, actions() - 1);
  }

  void observe(const State& s, float* to) const {
    std::fill(to, to + 300, 0.f);
    to[90 + s[paddle]] = 1;
    to[100 + 10 * s[ball_y] + s[ball_x]] = 1;
    to[200 + 10 * s[last_y] + s[last_x]] = 1;
    float* const plane = to + 300;
    std::fill(plane, plane + 100, 0.f);
    for (std::int32_t i = 0; i < 30; ++i) plane[10 + i] = float(s[bricks] >> i & 1);
  }
};

}  // namespace tenzo::rl
