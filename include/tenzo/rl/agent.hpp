// What agents have in common: ε-greedy behaviour, the count of episodes, and what of their learning a file keeps.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/core/tensor.hpp"
#include "tenzo/rl/draw.hpp"
#include "tenzo/rl/environment.hpp"
#include "tenzo/rl/td.hpp"

namespace tenzo::rl {

/// An episode that has ended: of the behaviour, exploration included.
struct Episode {
  std::int64_t step = 0;    // of the run, at its end
  double total = 0;         // sum of its rewards, undiscounted
  std::int64_t length = 0;  // steps
};

/// The episodes that are on their way, environment by environment.
struct Tally {
  std::vector<double> totals{};         // (n) rewards so far
  std::vector<std::int64_t> lengths{};  // (n) steps so far

  Tally() = default;
  explicit Tally(std::int64_t n) : totals(std::size_t(n), 0.), lengths(std::size_t(n), 0) {}

  static void fields(auto&& f, auto& t) { f("totals", t.totals), f("lengths", t.lengths); }

  /// A step of environment i. Calls ended(Episode) where it was an episode's last.
  template <class Ended>
  void add(std::size_t i, float reward, bool over, std::int64_t step, Ended&& ended) {
    totals[i] += double(reward), ++lengths[i];
    if (!over) return;
    ended(Episode{step, totals[i], lengths[i]});
    totals[i] = 0, lengths[i] = 0;
  }
};

/// ε-greedy actions at these observations: chance is that of (seed, environment, step).
///   observation (n, size), values: room for (n, actions), to (n)
template <QFunction Q>
void choose_actions(Q& q, std::span<const float> observation, double epsilon, std::uint64_t seed, std::int64_t step,
                    std::span<float> values, std::span<std::int32_t> to) {
  const std::int32_t n = q.actions();
  bool greedy = false;
  for (std::size_t i = 0; i < to.size(); ++i) {
    const PhiloxBlock words = Draw{seed, std::uint32_t(i), std::uint32_t(step), Use::behaviour}.block();
    const bool random = unit<double>(words[0]) < epsilon;
    to[i] = random ? std::int32_t(below(std::uint32_t(n), words[1])) : -1;
    greedy = greedy || !random;
  }
  if (!greedy) return;
  q.values(observation, values);
  for (std::size_t i = 0; i < to.size(); ++i)
    if (to[i] < 0) to[i] = best_action(values.data() + i * std::size_t(n), n);
}

/// What a Q-function that learns has to remember, on the host.
struct LearnerState {
  std::int64_t optimizer_step = 0;
  Tensor<float> parameters{}, target{};
  std::vector<Tensor<float>> moments{};  // of the optimizer, in the order of its own state

  static void fields(auto&& f, auto& s) {
    f("optimizer.step", s.optimizer_step), f("parameters", s.parameters), f("target", s.target);
    f("optimizer.moments", s.moments);
  }
};

namespace detail {

/// The tensors that an optimizer's state holds beside its step, as far as its options use them.
template <class Q>
auto moments_of(Q& q) {
  std::vector<decltype(&q.parameters)> all;
  auto& s = q.state;
  if constexpr (requires { s.momentum; }) all = {&s.momentum};
  if constexpr (requires { s.first; }) all = {&s.first, &s.second};
  if constexpr (requires { s.square; }) all = {&s.square};
  if constexpr (requires { q.optimizer.amsgrad; })
    if (q.optimizer.amsgrad) all.push_back(&s.largest);
  if constexpr (requires { q.optimizer.centered; })
    if (q.optimizer.centered) all.push_back(&s.mean);
  return all;
}

/// Of environments whose states nobody can read: nothing.
struct NoSnapshot {
  static void fields(auto&&, auto&) {}
};
template <class E>
struct SnapshotOf {
  using type = NoSnapshot;
};
template <class E>
requires requires { typename E::Snapshot; }
struct SnapshotOf<E> {
  using type = typename E::Snapshot;
};

/// Throws ShapeError unless the network is for these environments.
template <Environment E, QFunction Q>
void expect_fit(const char* agent, const E& e, const Q& q) {
  expect(q.observation_size() == e.observation_size() && q.actions() == e.actions(), agent,
         ": the environment has observations of ", e.observation_size(), " and ", e.actions(), " actions, the network ",
         q.observation_size(), " and ", q.actions());
}

/// Throws ValueError where the loss of an update is no number: nothing can be learnt from there on.
inline void require_finite(const char* agent, const TdFigures& figures, std::uint64_t seed, std::int64_t step) {
  require(std::isfinite(figures.loss), agent, ": the loss is ", figures.loss, " at step ", step, " of seed ", seed,
          "; a smaller step size may help");
}

}  // namespace detail

/// A copy that later updates do not reach.
template <QFunction Q>
LearnerState learner_state(const Q& q) {
  const auto on_host = [](const auto& x) {
    const Tensor<float> host = x.template to<Cpu>();
    return host.clone();
  };
  LearnerState s{q.state.step, on_host(q.parameters), on_host(q.target), {}};
  for (const auto* m : detail::moments_of(q))
    s.moments.push_back(m->defined() ? on_host(*m) : Tensor<float>::zeros(q.parameters.shape()));
  return s;
}

/// Throws ValueError where the state is that of another network or optimizer.
template <QFunction Q>
void restore_learner(Q& q, const LearnerState& s) {
  const auto moments = detail::moments_of(q);
  require(s.moments.size() == moments.size() && s.optimizer_step >= 0, "learner: ", s.moments.size(),
          " moments behind ", s.optimizer_step, " steps; want ", moments.size());
  const auto put = [&](auto& to, const Tensor<float>& from) {
    require(from.shape() == q.parameters.shape(), "learner: parameters ", from.shape(), "; want ",
            q.parameters.shape());
    to = from.clone().template to<typename std::remove_cvref_t<decltype(to)>::device>();
  };
  put(q.parameters, s.parameters), put(q.target, s.target);
  for (std::size_t i = 0; i < moments.size(); ++i) put(*moments[i], s.moments[i]);
  q.state.step = s.optimizer_step;
}

}  // namespace tenzo::rl
