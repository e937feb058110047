// MountainCar: a car too weak to climb straight out of its valley.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>

#include "tenzo/core/math.hpp"
#include "tenzo/rl/environment.hpp"

namespace tenzo::rl {

/// Reward -1 a step until the position is 0.5 or more; cut off after 200 steps.
///   State    (position, velocity), which is the observation
///   Actions  0 pushes left, 1 does nothing, 2 pushes right
///   Source   Moore 1990, with the constants of Gymnasium's MountainCar-v0
template <class T = float>
struct MountainCar {
  using State = std::array<T, 2>;
  static constexpr std::string_view name = "mountaincar";
  static constexpr bool lanes = true;

  std::int64_t steps = 200;

  static constexpr std::int32_t actions() { return 3; }
  static constexpr std::int64_t observation_size() { return 2; }
  std::int64_t limit() const { return steps; }

  void reset(State& s, const Draw& draw) const { s = {between(T(-0.6), T(-0.4), draw.block()[0]), T(0)}; }

  Moved step(State& s, std::int32_t action, const Draw&) const {
    const auto cut = [](T x, T low, T high) { return x < low ? low : x > high ? high : x; };
    T v = s[1] + (T(action - 1) * T(0.001) + math::cos(3 * s[0]) * T(-0.0025));
    v = cut(v, T(-0.07), T(0.07));
    const T p = cut(s[0] + v, T(-1.2), T(0.6));
    v = (p <= T(-1.2)) & (v < 0) ? T(0) : v;
    s = {p, v};
    return {-1.f, bool((p >= T(0.5)) & (v >= 0))};
  }

  static bool valid(const State& s) {
    return s[0] >= T(-1.2) && s[0] <= T(0.6) && std::abs(s[1]) <= T(0.07) && !(s[0] >= T(0.5) && s[1] >= 0);
  }

  void observe(const State& s, float* to) const { to[0] = float(s[0]), to[1] = float(s[1]); }
};

}  // namespace tenzo::rl
