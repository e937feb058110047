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
#include "tenzo/core/tensor.hpp"
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
    require(rule.huber >= 0 && beta_first >= 0 && beta_first <= 1 && beta_steps >= 1, "dqn: huber ", rule.huber,
            ", beta ", beta_first, " over ", beta_steps, " steps");
  }
};

/// An episode that has ended: of the behaviour, exploration included.
struct Episode {
  std::int64_t step = 0;    // of the run, at its end
  double total = 0;         // sum of its rewards, undiscounted
  std::int64_t length = 0;  // steps
};

namespace detail {

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

}  // namespace detail

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
    std::int64_t steps = 0, updates = 0, optimizer_step = 0;
    Tensor<float> parameters, target;
    std::vector<Tensor<float>> moments;
    Snapshot environment;
    typename Replay<Stored>::Contents replay;
    std::vector<NStep::Waiting> waiting;
    std::vector<double> totals;
    std::vector<std::int64_t> lengths;

    /// Names what is stored, in order: f(name, member).
    static void fields(auto&& f, auto& s) {
      f("steps", s.steps), f("updates", s.updates), f("optimizer.step", s.optimizer_step);
      f("parameters", s.parameters), f("target", s.target), f("optimizer.moments", s.moments);
      f("environment", s.environment);
      f("replay.observation", s.replay.observation), f("replay.next", s.replay.next);
      f("replay.reward", s.replay.reward), f("replay.discount", s.replay.discount);
      f("replay.action", s.replay.action), f("replay.priority", s.replay.priority);
      f("replay.added", s.replay.added), f("replay.largest", s.replay.largest);
      f("n_step", s.waiting), f("totals", s.totals), f("lengths", s.lengths);
    }
  };

  E environment;
  Q q;

  /// Throws ValueError where the options are wrong, ShapeError where Q is not for this environment.
  Dqn(E e, Q value, const DqnOptions& options)
      : environment(std::move(e)),
        q(std::move(value)),
        options_(options),
        replay_(options.buffer, environment.observation_size(), options.priorities),
        n_step_(std::size_t(environment.size()), NStep(options.n_step, options.gamma, environment.observation_size())),
        totals_(std::size_t(environment.size()), 0.),
        lengths_(std::size_t(environment.size()), 0),
        actions_(std::size_t(environment.size())),
        before_(std::size_t(environment.size() * environment.observation_size())),
        values_(std::size_t(environment.size() * environment.actions())),
        errors_(std::size_t(options.batch)) {
    options.check();
    expect(q.observation_size() == environment.observation_size() && q.actions() == environment.actions(),
           "dqn: the environment has observations of ", environment.observation_size(), " and ", environment.actions(),
           " actions, the network ", q.observation_size(), " and ", q.actions());
    environment.reset(options.seed);
  }

  const DqnOptions& options() const { return options_; }
  std::int64_t steps() const { return steps_; }
  std::int64_t updates() const { return updates_; }
  double epsilon() const { return options_.exploration(double(steps_)); }
  const TdFigures& figures() const { return figures_; }  // of the last update

  /// One step of all environments, and the updates that are due. `ended(Episode)` is called for each that has ended.
  template <class Ended>
  void step(Ended&& ended) {
    choose();
    const auto seen = environment.observation();
    std::copy(seen.begin(), seen.end(), before_.begin());
    const Transitions t = environment.step(actions_);
    const std::int64_t n = environment.size(), size = environment.observation_size(), from = steps_;
    steps_ += n;
    for (std::int64_t i = 0; i < n; ++i) {
      const auto k = std::size_t(i);
      n_step_[k].add(before_.data() + i * size, actions_[k], t.reward[k], t.terminated[k], t.truncated[k],
                     t.next.data() + i * size, [&](auto... parts) { replay_.add(parts...); });
      totals_[k] += double(t.reward[k]), ++lengths_[k];
      if (!(t.terminated[k] | t.truncated[k])) continue;
      ended(Episode{steps_, totals_[k], lengths_[k]});
      totals_[k] = 0, lengths_[k] = 0;
    }
    for (std::int64_t s = from + 1; s <= steps_; ++s) {
      if (s <= options_.learning_starts || replay_.size() < options_.batch) continue;
      if (s % options_.train_every == 0) update();
      if (s % options_.target_every == 0) q.follow(options_.tau);
    }
  }

  State state() const requires resumable {
    State s{.steps = steps_,
            .updates = updates_,
            .optimizer_step = q.state.step,
            .parameters = on_host(q.parameters),
            .target = on_host(q.target),
            .moments = {},
            .environment = environment.snapshot(),
            .replay = replay_.contents(),
            .waiting = {},
            .totals = totals_,
            .lengths = lengths_};
    for (const auto* m : moments(q.state)) s.moments.push_back(m->defined() ? on_host(*m) : zeros());
    for (const NStep& each : n_step_) s.waiting.push_back(each.waiting());
    return s;
  }

  /// Throws ValueError where the state is that of another run.
  void restore(State s) requires resumable {
    const auto all = moments(q.state);
    require(s.moments.size() == all.size() && s.waiting.size() == n_step_.size() && s.totals.size() == totals_.size() &&
                s.lengths.size() == lengths_.size() && s.steps >= 0,
            "dqn: the state of another run");
    const auto taken = [&](auto& to, const Tensor<float>& from) {
      require(from.shape() == q.parameters.shape(), "dqn: parameters ", from.shape(), "; want ", q.parameters.shape());
      to = from.clone().template to<typename std::remove_cvref_t<decltype(to)>::device>();
    };
    taken(q.parameters, s.parameters), taken(q.target, s.target);
    for (std::size_t i = 0; i < all.size(); ++i) taken(*all[i], s.moments[i]);
    q.state.step = s.optimizer_step;
    environment.restore(std::move(s.environment));
    replay_.restore(std::move(s.replay));
    for (std::size_t i = 0; i < n_step_.size(); ++i) n_step_[i].restore(std::move(s.waiting[i]));
    totals_ = std::move(s.totals), lengths_ = std::move(s.lengths);
    steps_ = s.steps, updates_ = s.updates;
  }

 private:
  /// The tensors that an optimizer's state holds beside its step.
  template <class S>
  static auto moments(S& s) {
    if constexpr (requires { s.square; }) return std::vector{&s.square, &s.mean};
    else if constexpr (requires { s.first; }) return std::vector{&s.first, &s.second};
    else return std::vector{&s.momentum};
  }
  /// A copy that later updates do not reach.
  static Tensor<float> on_host(const auto& x) {
    const Tensor<float> host = x.template to<Cpu>();
    return host.clone();
  }
  Tensor<float> zeros() const { return Tensor<float>::zeros(q.parameters.shape()); }

  void choose() {
    const double epsilon_now = epsilon();
    const std::int32_t n = environment.actions();
    bool greedy = false;
    for (std::size_t i = 0; i < actions_.size(); ++i) {
      const PhiloxBlock words = Draw{options_.seed, std::uint32_t(i), std::uint32_t(steps_), Use::behaviour}.block();
      const bool random = unit<double>(words[0]) < epsilon_now;
      actions_[i] = random ? std::int32_t(below(std::uint32_t(n), words[1])) : -1;
      greedy = greedy || !random;
    }
    if (!greedy) return;
    q.values(environment.observation(), values_);
    for (std::size_t i = 0; i < actions_.size(); ++i)
      if (actions_[i] < 0) actions_[i] = best_action(values_.data() + i * std::size_t(n), n);
  }

  void update() {
    const double t = std::min(1.0, double(steps_) / double(options_.beta_steps));
    replay_.sample(options_.batch, {options_.seed, 0, std::uint32_t(updates_), Use::replay}, sampled_,
                   options_.beta_first + (1 - options_.beta_first) * t);
    figures_ = q.update(sampled_.batch(), options_.rule, 1, errors_);
    replay_.prioritize(sampled_.row, errors_);
    ++updates_;
  }

  DqnOptions options_;
  Replay<Stored> replay_;
  std::vector<NStep> n_step_;
  std::int64_t steps_ = 0, updates_ = 0;
  std::vector<double> totals_;
  std::vector<std::int64_t> lengths_;
  std::vector<std::int32_t> actions_;
  std::vector<float> before_, values_, errors_;
  Sampled sampled_;
  TdFigures figures_;
};

}  // namespace tenzo::rl
