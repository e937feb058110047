// Many environments of one kind, side by side in memory.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/rl/environment.hpp"

namespace tenzo::rl {

/// n environments as a structure of arrays. Each has its own random stream, so that what one does depends on the seed,
/// its number and its actions, never on n or on threads.
///   Dynamics that say `static constexpr bool lanes = true` have a step without branches and draws: it is vectorised.
template <Dynamics D>
class Batched {
 public:
  using State = typename D::State;
  using Number = typename State::value_type;
  static constexpr std::size_t fields = std::tuple_size_v<State>;

  /// All that changes: with it a run goes on with the same bits.
  struct Snapshot {
    std::uint64_t seed = 0;
    std::uint32_t steps = 0;
    std::vector<Number> state{};      // (fields, n)
    std::vector<std::int32_t> age{};  // (n) steps of the episodes

    /// Names what is stored, for rl/checkpoint.hpp.
    static void fields(auto&& f, auto& s) {
      f("seed", s.seed), f("steps", s.steps), f("state", s.state), f("age", s.age);
    }
  };

  /// Throws ValueError unless there is one at least.
  explicit Batched(std::int64_t n, D dynamics = {}, std::uint64_t seed = 1)
      : dynamics_(std::move(dynamics)), n_(n), width_(dynamics_.observation_size()) {
    require(n >= 1 && n < std::int64_t(1) << 28, "environments: ", n, " of them; want 1 to 2^28 - 1");
    now_.state.resize(fields * std::size_t(n));
    now_.age.resize(std::size_t(n));
    for (auto* v : {&next_, &observation_}) v->resize(std::size_t(n * width_));
    reward_.resize(std::size_t(n));
    for (auto* v : {&terminated_, &truncated_}) v->resize(std::size_t(n));
    reset(seed);
  }

  std::int64_t size() const { return n_; }
  std::int32_t actions() const { return dynamics_.actions(); }
  std::int64_t observation_size() const { return width_; }
  const D& dynamics() const { return dynamics_; }
  std::span<const float> observation() const { return observation_; }
  const Snapshot& snapshot() const { return now_; }

  State state(std::int64_t i) const { return state_in(now_, i); }

  void reset(std::uint64_t seed) {
    now_.seed = seed;
    now_.steps = 0;
    for (std::int64_t i = 0; i < n_; ++i) begin(i);
  }

  /// Goes on from a snapshot of as many environments.   Throws ValueError where it is none, or holds a state in which
  /// no episode can be.
  void restore(Snapshot s) {
    require(s.state.size() == now_.state.size() && s.age.size() == now_.age.size(), "environments: a snapshot of ",
            s.age.size(), "; want ", n_);
    const std::int64_t limit = dynamics_.limit();
    for (std::int64_t i = 0; i < n_; ++i) {
      const std::int32_t age = s.age[std::size_t(i)];
      require(age >= 0 && (limit == 0 || age < limit), "environments: number ", i, " of a snapshot is at step ", age,
              " of ", limit);
      require(dynamics_.valid(state_in(s, i)), "environments: number ", i, " of a snapshot is in no state of ",
              D::name);
    }
    now_ = std::move(s);
    for (std::int64_t i = 0; i < n_; ++i) dynamics_.observe(state(i), observation_.data() + i * width_);
  }

  /// Throws ShapeError unless there is an action for each, ValueError for one that does not exist.
  Transitions step(std::span<const std::int32_t> actions) {
    expect(std::int64_t(actions.size()) == n_, "environments: ", actions.size(), " actions for ", n_);
    std::int32_t low = 0, high = 0;
#pragma omp simd reduction(min : low) reduction(max : high)
    for (std::size_t i = 0; i < actions.size(); ++i) low = std::min(low, actions[i]), high = std::max(high, actions[i]);
    require(low >= 0 && high < dynamics_.actions(), "environments: action ", low < 0 ? low : high, "; there are ",
            dynamics_.actions());
    ++now_.steps;
    parallel_for(n_, 2048, [&](std::int64_t from, std::int64_t to) { move(actions.data(), from, to); });
    return {next_, observation_, reward_, terminated_, truncated_};
  }

 private:
  State state_in(const Snapshot& from, std::int64_t i) const {
    State s;
    for (std::size_t f = 0; f < fields; ++f) s[f] = from.state[f * std::size_t(n_) + std::size_t(i)];
    return s;
  }

  Draw draw(std::int64_t i) const { return {now_.seed, std::uint32_t(i), now_.steps, Use::dynamics}; }

  void put(std::int64_t i, const State& s) {
    for (std::size_t f = 0; f < fields; ++f) now_.state[f * std::size_t(n_) + std::size_t(i)] = s[f];
  }

  void begin(std::int64_t i) {
    State s{};
    Draw d = draw(i);
    d.use = Use::reset;
    dynamics_.reset(s, d);
    put(i, s);
    now_.age[std::size_t(i)] = 0;
    dynamics_.observe(s, observation_.data() + i * width_);
  }

  void move(const std::int32_t* actions, std::int64_t from, std::int64_t to) {
    const std::int64_t limit = dynamics_.limit();
    const std::int32_t last = limit > 0 ? std::int32_t(limit) : INT32_MAX;
    Number* const state = now_.state.data();
    std::int32_t* const age = now_.age.data();
    float *const reward = reward_.data(), *const next = next_.data();
    std::uint8_t *const terminated = terminated_.data(), *const truncated = truncated_.data();
    const auto one = [&, n = n_, width = width_ ](std::int64_t i) __attribute__((always_inline)) {
      State s;
      [&]<std::size_t... f>(std::index_sequence<f...>) __attribute__((always_inline)) {  // straight code: no inner loop
        ((s[f] = state[std::int64_t(f) * n + i]), ...);
      }
      (std::make_index_sequence<fields>{});
      const Moved m = dynamics_.step(s, actions[i], draw(i));
      [&]<std::size_t... f>(std::index_sequence<f...>) __attribute__((always_inline)) {
        ((state[std::int64_t(f) * n + i] = s[f]), ...);
      }
      (std::make_index_sequence<fields>{});
      age[i] += 1;
      reward[i] = m.reward;
      terminated[i] = m.terminated;
      truncated[i] = !m.terminated & (age[i] >= last);
      dynamics_.observe(s, next + i * width);
    };
    if constexpr (requires { requires D::lanes; }) {
#pragma omp simd
      for (std::int64_t i = from; i < to; ++i) one(i);
    } else {
      for (std::int64_t i = from; i < to; ++i) one(i);
    }
    std::memcpy(observation_.data() + from * width_, next + from * width_,
                std::size_t((to - from) * width_) * sizeof(float));
    for (std::int64_t i = from; i < to; ++i)
      if (terminated[i] | truncated[i]) begin(i);
  }

  D dynamics_;
  std::int64_t n_, width_;
  Snapshot now_;
  std::vector<float> next_, observation_, reward_;
  std::vector<std::uint8_t> terminated_, truncated_;
};

}  // namespace tenzo::rl
