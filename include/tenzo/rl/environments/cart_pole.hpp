// CartPole: a pole on a cart that is pushed left or right.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>

#include "tenzo/core/math.hpp"
#include "tenzo/rl/environment.hpp"

namespace tenzo::rl {

/// Reward 1 a step, the terminating one included; over beyond 2.4 m or 12 degrees, cut off after 500 steps.
///   State        (x m, ẋ m/s, θ rad, θ̇ rad/s), which is the observation
///   Actions      0 pushes left, 1 right, with 10 N
///   Integration  explicit Euler of 0.02 s
///   Source       Barto, Sutton, Anderson 1983, with the constants of Gymnasium's CartPole-v1
template <class T = float>
struct CartPole {
  using State = std::array<T, 4>;
  static constexpr std::string_view name = "cartpole";
  static constexpr bool lanes = true;

  std::int64_t steps = 500;

  static constexpr std::int32_t actions() { return 2; }
  static constexpr std::int64_t observation_size() { return 4; }
  std::int64_t limit() const { return steps; }

  void reset(State& s, const Draw& draw) const {
    const PhiloxBlock words = draw.block();
    for (std::size_t i = 0; i < 4; ++i) s[i] = between(T(-0.05), T(0.05), words[i]);
  }

  Moved step(State& s, std::int32_t action, const Draw&) const {
    constexpr T gravity = T(9.8), pole = T(0.1), total = T(1.1), half = T(0.5), moment = pole * half, dt = T(0.02);
    const T force = action == 1 ? T(10) : T(-10);
    const T sin = math::sin(s[2]), cos = math::cos(s[2]);
    const T push = (force + moment * s[3] * s[3] * sin) / total;
    const T turn = (gravity * sin - cos * push) / (half * (T(4) / T(3) - pole * cos * cos / total));
    const T pull = push - moment * turn * cos / total;
    s = {s[0] + dt * s[1], s[1] + dt * pull, s[2] + dt * s[3], s[3] + dt * turn};
    return {1.f, bool((s[0] < -place) | (s[0] > place) | (s[2] < -angle) | (s[2] > angle))};
  }

  static bool valid(const State& s) {
    return std::abs(s[0]) <= place && std::abs(s[2]) <= angle && std::isfinite(s[1]) && std::isfinite(s[3]);
  }

  void observe(const State& s, float* to) const {
    to[0] = float(s[0]), to[1] = float(s[1]), to[2] = float(s[2]), to[3] = float(s[3]);
  }

 private:
  static constexpr T angle = T(12 * 2 * 3.14159265358979323846 / 360), place = T(2.4);
};

}  // namespace tenzo::rl
