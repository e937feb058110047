// Chance in reinforcement learning: the numbers of one environment at one of its steps, without a generator's state.
#pragma once

#include <cstdint>

#include "tenzo/core/philox.hpp"
#include "tenzo/core/random.hpp"

namespace tenzo::rl {

/// What a draw is for; draws of two uses never meet.
enum class Use : std::uint32_t { dynamics, reset, behaviour, replay, evaluation, model };

/// The Philox stream of one environment (or learner) at one step: blocks of four words, in any order.
///   Counter  (block, stream | purpose, use, step), where NoiseKey has (block, tensor | purpose, query, step).
struct Draw {
  std::uint64_t seed = 0;
  std::uint32_t stream = 0;  // number of the environment, below 2^28
  std::uint32_t step = 0;    // of that environment, since it was made; behind 2^32 chance repeats
  Use use = Use::dynamics;

  static constexpr std::uint32_t purpose = std::uint32_t(Purpose::environment) << 28;

  constexpr PhiloxBlock block(std::uint32_t number = 0) const {
    return philox4x32({number, (stream & 0x0fffffffu) | purpose, std::uint32_t(use), step}, seed);
  }
};

/// A number of [0, 1) from a word, in steps of 2^-24: exact in float.
template <class T = float>
constexpr T unit(std::uint32_t word) {
  return T(word >> 8) * T(0x1p-24);
}

/// A number of [low, high) from a word.
template <class T>
constexpr T between(T low, T high, std::uint32_t word) {
  return low + (high - low) * unit<T>(word);
}

/// A whole number of 0 … n-1 from a word; the chances differ by less than n / 2^32.
constexpr std::uint32_t below(std::uint32_t n, std::uint32_t word) {
  return std::uint32_t(std::uint64_t(n) * word >> 32);
}

}  // namespace tenzo::rl
