// A run of an agent in one environment with one kind of network; included where that kind is compiled.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "optimizer.hpp"
#include "study.hpp"
#include "tenzo/io/atomic_file.hpp"
#include "tenzo/nn/init.hpp"
#include "tenzo/rl/batched.hpp"
#include "tenzo/rl/checkpoint.hpp"
#include "tenzo/rl/dqn.hpp"
#include "tenzo/rl/evaluation.hpp"
#include "tenzo/rl/fixed_q.hpp"
#include "tenzo/rl/pqn.hpp"
#include "tenzo/rl/q_file.hpp"
#include "tenzo/rl/q_network.hpp"
#include "tenzo/stats/interval.hpp"
#include "tenzo/tree/ravel.hpp"

namespace dqn {

using namespace tenzo;
using namespace tenzo::rl;

using Watch = std::function<void(std::int64_t)>;

inline DqnOptions agent_options(const Control& c) {
  DqnOptions o;
  o.exploration = parse_exploration(c.epsilon);
  o.gamma = c.gamma, o.batch = c.batch, o.buffer = c.buffer, o.learning_starts = c.learning_starts;
  o.train_every = c.train_every, o.target_every = c.target_every, o.tau = c.tau, o.n_step = c.n_step;
  o.rule = {.double_q = c.double_q, .huber = c.huber};
  if (c.prioritized) o.priorities = Priorities{.alpha = c.alpha};
  o.beta_first = c.beta, o.beta_steps = c.steps, o.seed = c.seed;
  return o;
}

/// What is noted along a run: kept in its checkpoint.
struct Notes {
  std::vector<double> step, greedy, episode_end, episode_return;
  std::vector<std::uint8_t> log;

  static void fields(auto&& f, auto& n) {
    f("step", n.step), f("greedy", n.greedy), f("episode_end", n.episode_end);
    f("episode_return", n.episode_return), f("log", n.log);
  }

  void write(std::int64_t at, const char* kind, double total, const TdFigures& figures, double epsilon) {
    char line[160];
    const int n = std::snprintf(line, sizeof line, "%lld,%s,%.6g,%.6g,%.6g,%.6g\n", static_cast<long long>(at), kind,
                                total, figures.loss, figures.mean_q, epsilon);
    log.insert(log.end(), line, line + n);
  }
  void ended(const Episode& e, const TdFigures& figures, double epsilon) {
    episode_end.push_back(double(e.step)), episode_return.push_back(e.total);
    write(e.step, "episode", e.total, figures, epsilon);
  }

  Course course(const Control& c) const {
    Course out;
    out.seed = c.seed, out.epsilon = c.epsilon;
    out.step = step, out.greedy = greedy, out.episode_end = episode_end, out.episode_return = episode_return;
    if (!greedy.empty()) {
      out.first = greedy.front(), out.last = greedy.back();
      out.best = *std::max_element(greedy.begin(), greedy.end());
      for (std::size_t i = 0; i < greedy.size() && std::isnan(out.solved); ++i)
        if (greedy[i] >= 475) out.solved = step[i];
    }
    const std::size_t n = std::min<std::size_t>(100, episode_return.size());
    if (n > 0) out.last_hundred = mean_of(std::span(episode_return).last(n));
    return out;
  }
};

template <class S>
struct Saved {
  S agent;
  Notes notes;

  static void fields(auto&& f, auto& s) { f("agent", s.agent), f("notes", s.notes); }
};

inline void write_log(const Control& c, const Notes& notes) {
  if (!c.log.empty())
    write_file(c.log, "step,kind,return,loss,mean_q,epsilon\n" + std::string(notes.log.begin(), notes.log.end()));
}

/// What tells a run from others that a checkpoint may be of.
inline std::string name_of_run(const Control& c) {
  return nlohmann::json(c).dump() + (c.device == DeviceOption::cpu ? "" : cat(" on ", name_of(c.device)));
}

/// Greedy episodes are the same at each evaluation: of a seed of their own.
inline std::uint64_t judging_seed(const Control& c) { return c.seed ^ 0x9e3779b97f4a7c15; }

/// Goes on with an agent as far as it goes at once: a step, or a rollout.
template <class Agent, class Ended>
void advance(Agent& agent, Ended&& ended) {
  if constexpr (requires { agent.iterate(ended); }) agent.iterate(ended);
  else agent.step(ended);
}

/// A run of an agent, from its beginning or its checkpoint to c.steps: evaluations, the last of them of the final
/// weights, a log, checkpoints.
///   judge(q)  the mean return of greedy episodes
///   save(q)   writes the weights
template <class Agent, class Judge, class Save>
Course course(const Control& c, Agent agent, Judge&& judge, Save&& save, const Watch& watch) {
  const auto start = std::chrono::steady_clock::now();
  const std::string run = name_of_run(c);
  Notes notes;
  if constexpr (Agent::resumable) {
    if (c.resume && std::filesystem::exists(c.checkpoint)) {
      Saved<typename Agent::State> saved{agent.state(), {}};
      load_run(c.checkpoint, saved, run);
      try {
        agent.restore(std::move(saved.agent));
      } catch (const Error& error) {
        throw FileError(c.checkpoint, -1, error.what());
      }
      notes = std::move(saved.notes);
    }
  }
  const std::int64_t begun = agent.steps();
  const auto evaluate = [&] { notes.step.push_back(double(agent.steps())), notes.greedy.push_back(judge(agent.q)); };
  if (notes.step.empty()) evaluate();
  while (agent.steps() < c.steps) {
    const std::int64_t before = agent.steps();
    advance(agent, [&](const Episode& e) { notes.ended(e, agent.figures(), agent.epsilon()); });
    const auto due = [&](std::int64_t every) {
      return agent.steps() / every != before / every || agent.steps() >= c.steps;
    };
    if (due(c.evaluate_every)) {
      evaluate();
      notes.write(agent.steps(), "greedy", notes.greedy.back(), agent.figures(), agent.epsilon());
      if (watch) watch(agent.steps());
    }
    if constexpr (Agent::resumable) {
      if (!c.checkpoint.empty() && due(c.save_every)) {
        save_run(c.checkpoint, Saved<typename Agent::State>{agent.state(), notes}, run);
        write_log(c, notes);
      }
    }
  }
  write_log(c, notes);
  if (!c.weights.empty()) save(agent.q);
  Course out = notes.course(c);
  out.made = agent.steps() - begun;
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return out;
}

/// Judges in environments with these dynamics.
template <class D>
auto judging(const Control& c, const D& dynamics) {
  return [&c, dynamics](auto& q) { return mean_of(greedy_returns(dynamics, q, c.episodes, judging_seed(c), 5000)); };
}

/// A run of DQN.
template <class Stored, class D, class Q, class Save>
Course dqn_course(const Control& c, const D& dynamics, Q q, Save&& save, const Watch& watch) {
  return course(c, Dqn<Batched<D>, Q, Stored>(Batched<D>(1, dynamics), std::move(q), agent_options(c)),
                judging(c, dynamics), save, watch);
}

/// A run of PQN takes so many environments, and learns from so many of their transitions at once.
inline constexpr std::int64_t pqn_environments = 4;
inline constexpr int pqn_batch = int(pqn_environments * PqnOptions{}.rollout / PqnOptions{}.minibatches);

template <class D, class Q, class Save>
Course pqn_course(const Control& c, const D& dynamics, Q q, Save&& save, const Watch& watch) {
  PqnOptions o;
  o.exploration = parse_exploration(c.epsilon);
  o.gamma = c.gamma, o.anneal = c.steps, o.seed = c.seed;
  return course(c, Pqn<Batched<D>, Q>(Batched<D>(pqn_environments, dynamics), std::move(q), o), judging(c, dynamics),
                save, watch);
}

inline QNetworkConfig network_of(const Control& c, std::int64_t size, std::int32_t actions) {
  QNetworkConfig n{.widths = {size}, .norm = c.norm || c.pqn, .dueling = c.dueling};
  n.widths.insert(n.widths.end(), c.hidden.begin(), c.hidden.end());
  n.widths.push_back(actions);
  return n;
}

/// What writes the weights of an agent's network.
inline auto saving(const Control& c, const QNetwork<Tensor<float>>& form) {
  return
      [&c, form](const auto& q) { save_q(c.weights, unravel(q.parameters.template to<Cpu>(), form), c.environment); };
}

/// A run with the network of these sizes, compiled for them; DQN's batches have B transitions.
template <int B, int... widths, class D>
Course fixed_course(const Control& c, const D& dynamics, const Watch& watch) {
  const auto start =
      initialised<float>(q_network_spec(network_of(c, dynamics.observation_size(), dynamics.actions())), c.seed);
  if (!c.pqn)
    return dqn_course<float>(c, dynamics, FixedQ<FixedQNetwork<false, false, widths...>, B>(ravel(start), {.lr = c.lr}),
                             saving(c, start), watch);
  FixedQ<FixedQNetwork<true, false, widths...>, pqn_batch, RAdam> q(ravel(start), {.lr = c.lr});
  q.gradient_limit = 10;
  return pqn_course(c, dynamics, std::move(q), saving(c, start), watch);
}

Course cartpole_course(const Control& c, const Watch& watch);
Course classic_course(const Control& c, const Watch& watch);

/// Of networks of any size; control_….device.cpp are compiled once for each device.
template <class Device>
Course tensor_course(const Control& c, const Watch& watch);
template <class Device>
Course game_course(const Control& c, const Watch& watch);
template <class Device>
Course emulator_course(const Control& c, const Watch& watch);

}  // namespace dqn
