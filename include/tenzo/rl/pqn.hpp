// Parallelised Q-learning without replay and target network.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/core/permutation.hpp"
#include "tenzo/rl/agent.hpp"
#include "tenzo/rl/environment.hpp"
#include "tenzo/rl/exploration.hpp"
#include "tenzo/rl/td.hpp"

namespace tenzo::rl {

struct PqnOptions {
  Exploration exploration{Exploration::Kind::linear, 1, 0.05, 250000};  // by steps
  double gamma = 0.99, lambda = 0.65;
  std::int64_t rollout = 128, epochs = 4, minibatches = 4;  // steps of each environment between two phases of learning
  std::int64_t anneal = 0;                                  // steps over which the step size falls to zero; 0: never
  std::uint64_t seed = 1;

  /// Throws ValueError for sizes and rates outside their domains.
  void check() const {
    require(rollout >= 1 && epochs >= 1 && minibatches >= 1 && anneal >= 0, "pqn: rollouts of ", rollout, ", ", epochs,
            " epochs of ", minibatches, " batches");
    require(gamma >= 0 && gamma <= 1 && lambda >= 0 && lambda <= 1, "pqn: gamma ", gamma, ", lambda ", lambda,
            "; want 0 to 1");
  }
};

/// R_t = r_t + γ (λ R_{t+1} + (1 − λ) max Q(s_{t+1}, ·)) along one environment's steps, where the episode goes on;
/// r_t where it was terminated, r_t + γ max Q at its final state where it was cut off, or where the steps end.
///   next_value  max Q(s_{t+1}, ·), of the final state where an episode ends
///   Source  Gallici et al. 2025, equation 7: Peng's Q(λ)
inline void lambda_returns(std::span<const float> reward, std::span<const std::uint8_t> terminated,
                           std::span<const std::uint8_t> truncated, std::span<const float> next_value, double gamma,
                           double lambda, std::span<float> to) {
  double later = 0;
  for (std::size_t t = reward.size(); t-- > 0;) {
    const double value = double(next_value[t]);
    const bool alone = truncated[t] || t + 1 == reward.size();
    later = double(reward[t]) + (terminated[t] ? 0 : gamma * (alone ? value : lambda * later + (1 - lambda) * value));
    to[t] = float(later);
  }
}

/// An ε-greedy agent in several environments: after each rollout, Q is fitted to λ-returns on shuffled minibatches.
///   Q is to have layer norms: without them, learning without a target diverges.
///   All chance is counter-based: a run is a function of its seed, and goes on from `state()` with the same bits, where
///   the environments have snapshots.
///   Source  Gallici et al. 2025, algorithm 1; the order of events is that of CleanRL's pqn.py
template <Environment E, QFunction Q>
class Pqn {
 public:
  using Snapshot = typename detail::SnapshotOf<E>::type;
  static constexpr bool resumable = !std::is_same_v<Snapshot, detail::NoSnapshot>;

  /// What a run needs to go on behind a rollout, on the host: for rl/checkpoint.hpp.
  struct State {
    std::int64_t steps = 0, phases = 0;
    LearnerState learner{};
    Snapshot environment{};
    Tally tally{};
    TdFigures figures{};  // of the last update

    static void fields(auto&& f, auto& s) {
      f("steps", s.steps), f("phases", s.phases);
      LearnerState::fields(f, s.learner);
      f("environment", s.environment), f("figures", s.figures);
      Tally::fields(f, s.tally);
    }
  };

  E environment;
  Q q;

  /// Throws ValueError where the options are wrong, ShapeError where Q is not for this environment.
  Pqn(E e, Q value, const PqnOptions& options)
      : environment(std::move(e)), q(std::move(value)), options_(options), tally_(environment.size()) {
    options.check();
    detail::expect_fit("pqn", environment, q);
    require(rows() % options.minibatches == 0, "pqn: ", rows(), " steps do not make ", options.minibatches, " batches");
    const auto n = std::size_t(rows()), size = std::size_t(environment.observation_size());
    observation_.resize(n * size), next_.resize(n * size);
    action_.resize(n), reward_.resize(n), value_.resize(n), goal_.resize(n);
    terminated_.resize(n), truncated_.resize(n);
    environment.reset(options.seed);
  }

  const PqnOptions& options() const { return options_; }
  std::int64_t steps() const { return steps_; }
  double epsilon() const { return options_.exploration(double(steps_)); }
  const TdFigures& figures() const { return figures_; }  // of the last update

  /// One rollout of all environments, and what is learnt from it. `ended(Episode)` as of Dqn.
  ///   Throws  ValueError where the loss of an update is not finite.
  template <class Ended>
  void iterate(Ended&& ended) {
    const std::int64_t n = environment.size(), size = environment.observation_size(), T = options_.rollout;
    const std::int32_t actions = environment.actions();
    std::vector<float> values(std::size_t(n * actions));
    std::vector<std::int32_t> chosen(std::size_t(n), 0);
    for (std::int64_t t = 0; t < T; ++t) {  // rows of one environment follow each other: row i T + t
      choose_actions(q, environment.observation(), epsilon(), options_.seed, steps_, values, chosen);
      for (std::int64_t i = 0; i < n; ++i)
        std::copy_n(environment.observation().data() + i * size, size, observation_.data() + (i * T + t) * size);
      const Transitions now = environment.step(chosen);
      steps_ += n;
      for (std::int64_t i = 0; i < n; ++i) {
        const auto k = std::size_t(i), row = std::size_t(i * T + t);
        std::copy_n(now.next.data() + i * size, size, next_.data() + (i * T + t) * size);
        action_[row] = chosen[k], reward_[row] = now.reward[k];
        terminated_[row] = now.terminated[k], truncated_[row] = now.truncated[k];
        tally_.add(k, now.reward[k], now.terminated[k] | now.truncated[k], steps_, ended);
      }
    }
    std::vector<float> after(std::size_t(rows() * actions));
    q.values(next_, after);
    for (std::int64_t r = 0; r < rows(); ++r) {
      const float* const at = after.data() + r * actions;
      value_[std::size_t(r)] = at[best_action(at, actions)];
    }
    for (std::int64_t i = 0; i < n; ++i) {
      const auto from = std::size_t(i * T), count = std::size_t(T);
      const auto part = [&](auto& v) { return std::span(v).subspan(from, count); };
      lambda_returns(part(reward_), part(terminated_), part(truncated_), part(value_), options_.gamma, options_.lambda,
                     part(goal_));
    }
    learn();
  }

  State state() const requires resumable {
    return {steps_, phases_, learner_state(q), environment.snapshot(), tally_, figures_};
  }

  /// Throws ValueError where the state is that of another run.
  void restore(State s) requires resumable {
    require(s.tally.totals.size() == tally_.totals.size() && s.tally.lengths.size() == tally_.lengths.size() &&
                s.steps >= 0 && s.phases >= 0,
            "pqn: the state of another run");
    restore_learner(q, s.learner);
    environment.restore(std::move(s.environment));
    tally_ = std::move(s.tally);
    steps_ = s.steps, phases_ = s.phases, figures_ = s.figures;
  }

 private:
  std::int64_t rows() const { return environment.size() * options_.rollout; }

  void learn() {
    const std::int64_t size = environment.observation_size(), batch = rows() / options_.minibatches;
    const double left = options_.anneal > 0 ? std::max(0.0, 1 - double(steps_) / double(options_.anneal)) : 1;
    std::vector<float> x(std::size_t(batch * size)), goal(std::size_t(batch), 0.f), nothing(std::size_t(batch), 0.f);
    std::vector<std::int32_t> action(std::size_t(batch), 0);
    for (std::int64_t epoch = 0; epoch < options_.epochs; ++epoch) {
      const auto order = permutation(
          rows(), NoiseKey{.seed = options_.seed, .step = std::uint32_t(phases_++)}.of(Purpose::data_order));
      for (std::int64_t b = 0; b < options_.minibatches; ++b) {
        for (std::int64_t i = 0; i < batch; ++i) {
          const std::int64_t row = order[std::size_t(b * batch + i)];
          std::copy_n(observation_.data() + row * size, size, x.data() + i * size);
          goal[std::size_t(i)] = goal_[std::size_t(row)], action[std::size_t(i)] = action_[std::size_t(row)];
        }
        figures_ = q.update({x, x, action, goal, nothing}, {}, left);  // nothing is bootstrapped: goals are whole
        detail::require_finite("pqn", figures_, options_.seed, steps_);
      }
    }
  }

  PqnOptions options_;
  Tally tally_;
  std::int64_t steps_ = 0, phases_ = 0;                            // phases: epochs of learning so far
  std::vector<float> observation_, next_, reward_, value_, goal_;  // (rows, …)
  std::vector<std::int32_t> action_;
  std::vector<std::uint8_t> terminated_, truncated_;
  TdFigures figures_;
};

}  // namespace tenzo::rl
