// Deep Q-learning with replay and a target network.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "tenzo/core/error.hpp"
#include "tenzo/rl/agent.hpp"
#include "tenzo/rl/environment.hpp"
#include "tenzo/rl/exploration.hpp"
#include "tenzo/rl/n_step.hpp"
#include "tenzo/rl/replay.hpp"
#include "tenzo/rl/td.hpp"

namespace tenzo::rl {

struct DqnOptions {
  Exploration exploration{Exploration::Kind::linear, 1, 0.05, 250000};  // by steps
  double gamma = 0.99;
  std::int64_t batch = 128, buffer = 10000, learning_starts = 10000;
  std::int64_t train_every = 10, target_every = 500;  // in steps
  double tau = 1;                                     // of the target's following; 1 copies
  TdRule rule{};
  std::int64_t n_step = 1;
  std::optional<Priorities> priorities{};
  double beta_first = 0.4;           // exponent of the priorities' weights: from here
  std::int64_t beta_steps = 500000;  // to 1 at this step
  std::uint64_t seed = 1;

  /// Throws ValueError for sizes and rates outside their domains.
  void check() const {
    require(batch >= 1 && buffer >= batch && learning_starts >= 0, "dqn: a batch of ", batch, " from a buffer of ",
            buffer, " after ", learning_starts, " steps");
    require(train_every >= 1 && target_every >= 1, "dqn: trains every ", train_every, " steps, follows every ",
            target_every, "; want at least 1");
    require(gamma >= 0 && gamma <= 1 && tau > 0 && tau <= 1, "dqn: gamma ", gamma, ", tau ", tau,
            "; want gamma in [0, 1], tau in (0, 1]");
    require(n_step >= 1, "dqn: returns of ", n_step, " steps; want at least 1");
    require(rule.huber >= 0 && beta_first >= 0 && beta_first <= 1 && beta_steps >= 1, "dqn: huber ", rule.huber,
            ", beta ", beta_first, " over ", beta_steps, " steps");
  }
};

/// An ε-greedy agent in E's environments that learns Q: DQN, and with the options Double DQN, prioritised replay and
/// n-step returns; dueling heads and layer norms are the network's.
///   A step of an environment counts as one. After `learning_starts` steps, every `train_every` of them Q is updated on
///   a batch, and every `target_every` the target network follows.
///   All chance is counter-based: a run is a function of its seed, and goes on from `state()` with the same bits, where
///   the environments have snapshots.
///   Stored  how observations are kept (replay.hpp)
///   Source  Mnih et al. 2015; the order of events is that of CleanRL's dqn.py
template <Environment E, QFunction Q, class Stored = float>
class Dqn {
 public:
  using Snapshot = typename detail::SnapshotOf<E>::type;
  static constexpr bool resumable = !std::is_same_v<Snapshot, detail::NoSnapshot>;

  /// What a run needs to go on, on the host: for rl/checkpoint.hpp.
  struct State {
    std::int64_t steps = 0, updates = 0;
    LearnerState learner{};
    Snapshot environment{};
    typename Replay<Stored>::Contents replay{};
    std::vector<NStep::Waiting> waiting{};
    Tally tally{};
    TdFigures figures{};  // of the last update: what logs say until the next

    /// Names what is stored, in order: f(name, member).
    static void fields(auto&& f, auto& s) {
      f("steps", s.steps), f("updates", s.updates);
      LearnerState::fields(f, s.learner);
      f("environment", s.environment);
      f("replay.observation", s.replay.observation), f("replay.next", s.replay.next);
      f("replay.reward", s.replay.reward), f("replay.discount", s.replay.discount);
      f("replay.action", s.replay.action), f("replay.priority", s.replay.priority);
      f("replay.added", s.replay.added), f("replay.largest", s.replay.largest);
      f("n_step", s.waiting), f("figures", s.figures);
      Tally::fields(f, s.tally);
    }
  };

  E environment;
  Q q;

  /// Throws ValueError where the options are wrong, ShapeError where Q is not for this environment.
  Dqn(E e, Q value, const DqnOptions& options)
      : environment(std::move(e)),
        q(std::move(value)),
        options_(checked(options)),
        replay_(options.buffer, environment.observation_size(), options.priorities),
        n_step_(std::size_t(environment.size()), NStep(options.n_step, options.gamma, environment.observation_size())),
        tally_(environment.size()),
        actions_(std::size_t(environment.size())),
        before_(std::size_t(environment.size() * environment.observation_size())),
        values_(std::size_t(environment.size() * environment.actions())),
        errors_(std::size_t(options.batch)) {
    detail::expect_fit("dqn", environment, q);
    environment.reset(options.seed);
  }

  const DqnOptions& options() const { return options_; }
  std::int64_t steps() const { return steps_; }
  std::int64_t updates() const { return updates_; }
  double epsilon() const { return options_.exploration(double(steps_)); }
  const TdFigures& figures() const { return figures_; }  // of the last update

  /// One step of all environments, and the updates that are due. `ended(Episode)` is called for each that has ended.
  ///   Throws  ValueError where the loss of an update is not finite.
  template <class Ended>
  void step(Ended&& ended) {
    choose_actions(q, environment.observation(), epsilon(), options_.seed, steps_, values_, actions_);
    const auto seen = environment.observation();
    std::copy(seen.begin(), seen.end(), before_.begin());
    const Transitions t = environment.step(actions_);
    const std::int64_t n = environment.size(), size = environment.observation_size(), from = steps_;
    steps_ += n;
    for (std::int64_t i = 0; i < n; ++i) {
      const auto k = std::size_t(i);
      n_step_[k].add(before_.data() + i * size, actions_[k], t.reward[k], t.terminated[k], t.truncated[k],
                     t.next.data() + i * size, [&](auto... parts) { replay_.add(parts...); });
      tally_.add(k, t.reward[k], t.terminated[k] | t.truncated[k], steps_, ended);
    }
    for (std::int64_t s = from + 1; s <= steps_; ++s) {
      if (s <= options_.learning_starts || replay_.size() < options_.batch) continue;
      if (s % options_.train_every == 0) update(s);
      if (s % options_.target_every == 0) q.follow(options_.tau);
    }
  }

  State state() const requires resumable {
    State s{.steps = steps_,
            .updates = updates_,
            .learner = learner_state(q),
            .environment = environment.snapshot(),
            .replay = replay_.contents(),
            .waiting = {},
            .tally = tally_,
            .figures = figures_};
    for (const NStep& each : n_step_) s.waiting.push_back(each.waiting());
    return s;
  }

  /// Throws ValueError where the state is that of another run.
  void restore(State s) requires resumable {
    require(s.waiting.size() == n_step_.size() && s.tally.totals.size() == n_step_.size() &&
                s.tally.lengths.size() == n_step_.size() && s.steps >= 0 && s.updates >= 0,
            "dqn: the state of another run");
    restore_learner(q, s.learner);
    environment.restore(std::move(s.environment));
    replay_.restore(std::move(s.replay));
    for (std::size_t i = 0; i < n_step_.size(); ++i) n_step_[i].restore(std::move(s.waiting[i]));
    tally_ = std::move(s.tally);
    steps_ = s.steps, updates_ = s.updates, figures_ = s.figures;
  }

 private:
  /// Before there is room for anything.
  static const DqnOptions& checked(const DqnOptions& o) {
    o.check();
    return o;
  }

  void update(std::int64_t step) {
    const double t = std::min(1.0, double(steps_) / double(options_.beta_steps));
    replay_.sample(options_.batch, {options_.seed, 0, std::uint32_t(updates_), Use::replay}, sampled_,
                   options_.beta_first + (1 - options_.beta_first) * t);
    figures_ = q.update(sampled_.batch(), options_.rule, 1, errors_);
    detail::require_finite("dqn", figures_, options_.seed, step);
    replay_.prioritize(sampled_.row, errors_);
    ++updates_;
  }

  DqnOptions options_;
  Replay<Stored> replay_;
  std::vector<NStep> n_step_;
  std::int64_t steps_ = 0, updates_ = 0;
  Tally tally_;
  std::vector<std::int32_t> actions_;
  std::vector<float> before_, values_, errors_;
  Sampled sampled_;
  TdFigures figures_;
};

}  // namespace tenzo::rl
