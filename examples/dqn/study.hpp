// What the study of ε-greedy Q-learning measures, and how.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tenzo/io/device_option.hpp"

namespace dqn {

struct Options {
  std::string out = "dqn";
  std::uint64_t seed = 1;
  int seeds = 0, threads = 0;
  bool full = false, resume = false, breakout = false;
  tenzo::DeviceOption device = tenzo::DeviceOption::cpu;
};

// ── in the limit, and with samples (E1 to E3) ────────────────────────────────────────────────────────────────────────

/// A run of the population algorithm from near W*, beside its theory.
struct Rate {
  std::int64_t mdp = 0;
  double gamma = NAN, epsilon = NAN;
  double rho = NAN, norm = NAN, bound = NAN;  // theory (rl/local_rate.hpp)
  double tail = NAN;                          // measured over the last 15 iterations before 1e-8
  double early = NAN;                         // over the first 8 behind the fourth
  double whole_r2 = NAN, last_r2 = NAN;       // of log error against t: all, and the last 20
  std::vector<double> errors;                 // largest, relative

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Rate, mdp, gamma, epsilon, rho, norm, bound, tail, early, whole_r2, last_r2, errors)
};

/// Runs from a distance: how many came to 1e-3, how soon, and how fast at the end.
struct Region {
  std::int64_t mdp = 0;
  double delta = NAN, epsilon = NAN;
  std::string schedule;  // where ε is not constant
  int runs = 0, successes = 0;
  double iterations = NAN, tail = NAN;  // means over successes; tail over the last five iterations
  std::vector<double> errors;           // of the first run

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Region, mdp, delta, epsilon, schedule, runs, successes, iterations, tail, errors)
};

/// A run with N samples an iteration: final relative errors.
struct Sampled {
  std::int64_t mdp = 0, transitions = 0;
  double epsilon = NAN;
  double sup = NAN, uniform = NAN, greedy = NAN;
  bool worse = false;  // the greedy policy is worth less than that of the start

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Sampled, mdp, transitions, epsilon, sup, uniform, greedy, worse)
};

std::vector<Rate> rates(std::uint64_t seed, int mdps, const std::vector<double>& gammas,
                        const std::vector<double>& epsilons);
std::vector<Region> regions(std::uint64_t seed, int mdps, int starts, const std::vector<double>& deltas,
                            const std::vector<double>& epsilons);
/// Constant ε beside schedules, as parse_exploration takes them.
std::vector<Region> decays(std::uint64_t seed, int mdps, int starts, const std::vector<double>& deltas,
                           const std::vector<std::string>& schedules);
/// Processes of networks with two hidden layers of six.
std::vector<Region> layered_regions(std::uint64_t seed, int mdps, int starts, const std::vector<double>& deltas,
                                    const std::vector<double>& epsilons);
std::vector<Sampled> sample_errors(std::uint64_t seed, int mdps, const std::vector<std::int64_t>& sizes,
                                   const std::vector<double>& epsilons);

/// A user's own runs: one on each process.
struct Fitted {
  double gamma = 0.8, delta = 0.3;
  std::int64_t states = 60, actions = 4, features = 8, width = 5, layers = 1;
  std::string epsilon = "geometric:1:0.02:0.9";
  std::int64_t iterations = 70, transitions = 0;  // samples of an iteration; 0: the limit of infinitely many
  int mdps = 3;
  std::uint64_t seed = 1;
};
struct FittedRun {
  double residual = NAN, gap = NAN;                   // of Bellman's equation, of actions
  double rho = NAN, bound = NAN;                      // at the last ε
  std::vector<double> epsilon, sup, uniform, greedy;  // by iteration
};
std::vector<FittedRun> fitted_runs(const Fitted& o);

// ── control (E4, E6) ─────────────────────────────────────────────────────────────────────────────────────────────────

/// A run of DQN, or of PQN.
struct Control {
  std::string environment = "cartpole", epsilon = "linear:1:0.05:250000";
  std::uint64_t seed = 1;
  std::int64_t steps = 500000, evaluate_every = 5000, episodes = 20;
  std::vector<std::int64_t> hidden = {120, 84};
  double lr = 2.5e-4, gamma = 0.99, huber = 0, tau = 1;
  std::int64_t batch = 128, buffer = 10000, learning_starts = 10000, train_every = 10, target_every = 500, n_step = 1;
  bool double_q = false, prioritized = false, dueling = false, norm = false, pqn = false;
  std::int32_t side = 8;                 // of deepsea
  std::string weights, checkpoint, log;  // files; empty: none
  std::int64_t save_every = 50000;       // steps between checkpoints
  bool resume = false;
  tenzo::DeviceOption device = tenzo::DeviceOption::cpu;

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Control, environment, epsilon, seed, steps, evaluate_every, episodes, hidden, lr,
                                 gamma, huber, tau, batch, buffer, learning_starts, train_every, target_every, n_step,
                                 double_q, prioritized, dueling, norm, pqn, side)
};

struct Course {
  std::uint64_t seed = 0;
  std::string epsilon;
  std::vector<double> step, greedy;  // evaluations: mean greedy return
  std::vector<double> episode_end, episode_return;
  double first = NAN, last = NAN, best = NAN;  // greedy
  double last_hundred = NAN;                   // mean return of the last hundred episodes of the behaviour
  double solved = NAN;                         // step of the first evaluation of 475 or more
  double seconds = NAN;

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Course, seed, epsilon, step, greedy, episode_end, episode_return, first, last, best,
                                 last_hundred, solved, seconds)
};

/// The environments' names. Beside them, the path of a shared library (tenzo/rl/emulator.h) is one.
const std::vector<std::string>& environments();
bool is_library(const std::string& environment);
/// Throws ValueError for what can not be run.
void check(const Control& c);
/// Runs, or goes on with a run from its checkpoint.   watch(steps) is called now and then.
Course run_control(const Control& c, const std::function<void(std::int64_t)>& watch = {});
/// Frames of a greedy episode of the weights in a file, as the bytes of an animated PNG; `frames` at most.
std::string rendered(const std::string& environment, const std::string& weights, std::uint64_t seed, int frames,
                     std::int32_t side = 8);
/// The same as one still picture: `frames` moments of the episode beside each other.
std::string strip(const std::string& environment, const std::string& weights, std::uint64_t seed, int frames,
                  std::int32_t side = 8);

// ── grids (E5) ───────────────────────────────────────────────────────────────────────────────────────────────────────

/// Tabular Q-learning on the cliff with a constant ε.
struct CliffRun {
  double epsilon = NAN;
  double greedy = NAN, behaviour = NAN;  // return of the greedy policy, and mean of the last 100 episodes
  double error = NAN;                    // largest |Q − Q*| over |Q*|

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(CliffRun, epsilon, greedy, behaviour, error)
};
/// Episodes until the treasure of DeepSea is first found.
struct SeaRun {
  std::int32_t side = 0;
  double uniform = NAN, learning = NAN;  // medians: uniform actions, and Q-learning with ε 0.1
  double least = NAN, most = NAN;        // of the uniform ones, quartiles
  bool censored = false;                 // more than half of the learning runs gave up
  double q_star = NAN;                   // of the first cell, by value iteration

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(SeaRun, side, uniform, learning, least, most, censored, q_star)
};
std::vector<CliffRun> cliff_runs(std::uint64_t seed, const std::vector<double>& epsilons);
std::vector<SeaRun> sea_runs(std::uint64_t seed, int least, int most, int runs, std::int64_t give_up);

// ── speed (E7) ───────────────────────────────────────────────────────────────────────────────────────────────────────

struct Speed {
  double one = NAN, many = NAN, all = NAN;  // CartPole steps/s: 1 environment, 1024 on one thread, 8192 on all
  double end_to_end = NAN;                  // steps/s of DQN at published settings, all threads busy with a run each
  double update = NAN;                      // seconds of dqn_update/4-64-64-2/b32
  double gflops = NAN;                      // of that
  double scaling = NAN;                     // of 64 seeds on all threads, over perfect
  int threads = 1;

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Speed, one, many, all, end_to_end, update, gflops, scaling, threads)
};
Speed speeds(double seconds);

// ── all of it ────────────────────────────────────────────────────────────────────────────────────────────────────────

struct Results {
  std::vector<Rate> rates;
  std::vector<Region> regions, decays, layered;
  std::vector<Sampled> samples;
  std::vector<Course> published, sweep, pqn;  // CartPole: published settings; constant ε and a schedule; PQN
  std::vector<Course> game;                   // Breakout, where it was asked for
  std::vector<CliffRun> cliff;
  std::vector<SeaRun> sea;
  Speed speed;
  std::vector<std::string> sweep_epsilons;
};

}  // namespace dqn
