// What an environment is: dynamics, which are functions of a state, and many copies of them that step together.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

#include "tenzo/rl/draw.hpp"

namespace tenzo::rl {

/// What one step of some dynamics gives, beside the next state. An end by a limit of time is no business of theirs.
struct Moved {
  float reward = 0;
  bool terminated = false;  // nothing comes behind the next state: its value is zero
};

/// Rules of one environment, without memory of their own: everything that changes is in a State, a fixed number of
/// plain numbers of one type, so that many can be kept as a structure of arrays.
///   reset    makes a first state
///   step     moves on by an action of 0 … actions()-1
///   observe  writes observation_size() numbers
///   valid    whether these numbers are a state from which an episode goes on: they may come from a file
///   limit    steps until an episode is cut off; 0: never
template <class D>
concept Dynamics = requires(const D& d, typename D::State& s, const typename D::State& at, const Draw& draw,
                            float* to) {
  requires std::is_arithmetic_v<typename D::State::value_type>;
  requires std::tuple_size_v<typename D::State> >
  0;
  { D::name } -> std::convertible_to<std::string_view>;
  { d.actions() } -> std::convertible_to<std::int32_t>;
  { d.observation_size() } -> std::convertible_to<std::int64_t>;
  { d.limit() } -> std::convertible_to<std::int64_t>;
  d.reset(s, draw);
  { d.step(s, std::int32_t(), draw) } -> std::same_as<Moved>;
  d.observe(at, to);
  { d.valid(at) } -> std::same_as<bool>;
};

/// What n environments did in one step. Views into the environment, good until its next step.
///   An episode ends where terminated or truncated is set: terminated by its rules, truncated by the limit of time
///   alone, behind which a value is still to be bootstrapped from `next`. Where one ends the environment begins anew at
///   once, and `observation` is the first of the new episode; elsewhere it is `next`.
struct Transitions {
  std::span<const float> next;         // (n, size) the observations that the actions led to: final ones included
  std::span<const float> observation;  // (n, size) those to act on now
  std::span<const float> reward;       // (n)
  std::span<const std::uint8_t> terminated, truncated;  // (n), never both
};

/// Environments of one kind that step together.
///   reset(seed)    begins all episodes; the same seed gives the same course under the same actions
///   observation()  (n, observation_size()), those to act on
///   step(actions)  one action for each
template <class E>
concept Environment = requires(E& e, const E& at, std::uint64_t seed, std::span<const std::int32_t> actions) {
  { at.size() } -> std::convertible_to<std::int64_t>;
  { at.actions() } -> std::convertible_to<std::int32_t>;
  { at.observation_size() } -> std::convertible_to<std::int64_t>;
  { at.observation() } -> std::convertible_to<std::span<const float>>;
  e.reset(seed);
  { e.step(actions) } -> std::convertible_to<Transitions>;
};

}  // namespace tenzo::rl
