// Acrobot: two links, of which the joint between them is driven, to be swung up.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>

#include "tenzo/core/math.hpp"
#include "tenzo/rl/environment.hpp"

namespace tenzo::rl {

/// Reward -1 a step, 0 for the one that brings the tip a link's length above the joint; cut off after 500 steps.
///   State        (θ₁, θ₂, ω₁, ω₂), angles in [-π, π]
///   Observation  (cos θ₁, sin θ₁, cos θ₂, sin θ₂, ω₁, ω₂)
///   Actions      torque -1, 0, 1 on the joint
///   Integration  one step of the classical Runge-Kutta method of 0.2 s
///   Source       Sutton 1996, the "book" dynamics, with the constants of Gymnasium's Acrobot-v1
template <class T = float>
struct Acrobot {
  using State = std::array<T, 4>;
  static constexpr std::string_view name = "acrobot";
  static constexpr bool lanes = true;

  std::int64_t steps = 500;

  static constexpr std::int32_t actions() { return 3; }
  static constexpr std::int64_t observation_size() { return 6; }
  std::int64_t limit() const { return steps; }

  void reset(State& s, const Draw& draw) const {
    const PhiloxBlock words = draw.block();
    for (std::size_t i = 0; i < 4; ++i) s[i] = between(T(-0.1), T(0.1), words[i]);
  }

  Moved step(State& s, std::int32_t action, const Draw&) const {
    const T torque = T(action - 1), dt = T(0.2);
    const State k1 = slope(s, torque), k2 = slope(moved(s, k1, dt / 2), torque),
                k3 = slope(moved(s, k2, dt / 2), torque), k4 = slope(moved(s, k3, dt), torque);
    for (std::size_t i = 0; i < 4; ++i) s[i] += dt / 6 * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i]);
    constexpr T pi = T(3.14159265358979323846);
    const auto wrapped = [](T x) { return x - 2 * pi * std::nearbyint(x / (2 * pi)); };
    const auto cut = [](T x, T most) { return x < -most ? -most : x > most ? most : x; };
    s = {wrapped(s[0]), wrapped(s[1]), cut(s[2], 4 * pi), cut(s[3], 9 * pi)};
    const bool up = -math::cos(s[0]) - math::cos(s[1] + s[0]) > 1;
    return {up ? 0.f : -1.f, up};
  }

  static bool valid(const State& s) {
    constexpr T pi = T(3.14159265358979323846), slack = T(1e-5);  // of angles that were wrapped in this precision
    return std::abs(s[0]) <= pi + slack && std::abs(s[1]) <= pi + slack && std::abs(s[2]) <= 4 * pi &&
           std::abs(s[3]) <= 9 * pi;
  }

  void observe(const State& s, float* to) const {
    to[0] = float(math::cos(s[0])), to[1] = float(math::sin(s[0]));
    to[2] = float(math::cos(s[1])), to[3] = float(math::sin(s[1]));
    to[4] = float(s[2]), to[5] = float(s[3]);
  }

 private:
  static State moved(const State& s, const State& k, T dt) {
    return {s[0] + dt * k[0], s[1] + dt * k[1], s[2] + dt * k[2], s[3] + dt * k[3]};
  }

  /// d/dt of the state; both links have mass, length and moment of inertia 1, and their centres at 1/2.
  static State slope(const State& s, T torque) {
    constexpr T g = T(9.8), centre = T(0.5);
    const T c2 = math::cos(s[1]), s2 = math::sin(s[1]);
    const T d1 = centre * centre + (1 + centre * centre + 2 * centre * c2) + 2;
    const T d2 = centre * centre + centre * c2 + 1;
    const T phi2 = centre * g * math::sin(s[0] + s[1]);  // cos(x − π/2) = sin x
    const T phi1 =
        -centre * s[3] * s[3] * s2 - 2 * centre * s[3] * s[2] * s2 + (centre + 1) * g * math::sin(s[0]) + phi2;
    const T a2 = (torque + d2 / d1 * phi1 - centre * s[2] * s[2] * s2 - phi2) / (centre * centre + 1 - d2 * d2 / d1);
    return {s[2], s[3], -(d2 * a2 + phi1) / d1, a2};
  }
};

}  // namespace tenzo::rl
