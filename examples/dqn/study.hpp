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
  double size = 1;  // share of the steps, processes and starts; below 1 the figures prove nothing
  bool full = false, resume = false, breakout = false;
  tenzo::DeviceOption device = tenzo::DeviceOption::cpu;
};

// ── in the limit, and with samples (E1 to E3) ────────────────────────────────────────────────────────────────────────

/// A process of the study. The first is of seed 1000 · seed.
struct Process {
  std::uint64_t seed = 0;
  double residual = NAN, gap = NAN;  // of Bellman's equation at Q*, relative; least of the actions' values

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Process, seed, residual, gap)
};

/// A run of the population algorithm from near W*, beside its theory.
struct Rate {
  std::int64_t mdp = 0;
  double gamma = NAN, epsilon = NAN;
  double rho = NAN, norm = NAN, bound = NAN;  // theory (rl/local_rate.hpp)
  double tail = NAN;                          // measured over the last 15 iterations before 1e-12
  double sooner = NAN;                        // over the last 15 before 1e-8
  double early = NAN;                         // over the first 8 behind the fourth
  double whole_r2 = NAN, last_r2 = NAN;       // of log error against t down to 1e-8: all, and the last 20
  std::vector<double> errors;                 // largest, relative

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Rate, mdp, gamma, epsilon, rho, norm, bound, tail, sooner, early, whole_r2, last_r2,
                                 errors)
};

/// What counts as success from a distance: a largest relative error below `enough` within `iterations`.
struct Success {
  static constexpr double enough = 1e-3;
  static constexpr std::int64_t iterations = 70;
};

/// Runs from a distance: how many succeeded, how soon, and how fast at the end.
struct Region {
  std::int64_t mdp = 0;
  double delta = NAN, epsilon = NAN;  // ε is NaN where it is not constant
  std::string schedule;               // of ε, as parse_exploration takes it
  int runs = 0, successes = 0;
  int worse = 0;                        // runs whose greedy policy was worth less in the end than at first
  double iterations = NAN, tail = NAN;  // means over successes; tail over the last five iterations
  std::vector<double> errors;           // of the first run

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Region, mdp, delta, epsilon, schedule, runs, successes, worse, iterations, tail,
                                 errors)
};

/// A run with N samples an iteration: final relative errors.
struct Sampled {
  std::int64_t mdp = 0, transitions = 0;
  double epsilon = NAN;
  double sup = NAN, uniform = NAN, greedy = NAN;
  bool worse = false;  // the greedy policy is worth less than that of the start

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Sampled, mdp, transitions, epsilon, sup, uniform, greedy, worse)
};

/// The first processes of a seed.   Throws ValueError where one does not solve Bellman's equation to 1e-12.
std::vector<Process> processes(std::uint64_t seed, int mdps);
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
  std::string optimizer = "adam";  // one of optimizers() (optimizer.hpp); PQN has its own
  double lr = 2.5e-4, gamma = 0.99, huber = 0, tau = 1;
  double alpha = 0.6, beta = 0.4;  // exponents of prioritized replay: of priorities, of weights at first
  std::int64_t batch = 128, buffer = 10000, learning_starts = 10000, train_every = 10, target_every = 500, n_step = 1;
  bool double_q = false, prioritized = false, dueling = false, norm = false, pqn = false;
  std::int32_t side = 8;                 // of deepsea
  std::string weights, checkpoint, log;  // files; empty: none
  std::int64_t save_every = 50000;       // steps between checkpoints
  bool resume = false;
  tenzo::DeviceOption device = tenzo::DeviceOption::cpu;

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Control, environment, epsilon, seed, steps, evaluate_every, episodes, hidden,
                                 optimizer, lr, gamma, huber, tau, alpha, beta, batch, buffer, learning_starts,
                                 train_every, target_every, n_step, double_q, prioritized, dueling, norm, pqn, side)
};

struct Course {
  std::uint64_t seed = 0;
  std::string epsilon;
  std::vector<double> step, greedy;                 // evaluations, the last at the end: mean greedy return
  std::vector<double> episode_end, episode_return;  // of the behaviour: the run's step at the end, and the return
  double first = NAN, last = NAN, best = NAN;       // greedy
  double last_hundred = NAN;                        // mean return of the last hundred episodes of the behaviour
  double solved = NAN;                              // step of the first evaluation of 475 or more
  std::int64_t made = 0;                            // steps of these seconds: fewer than all behind a checkpoint
  double seconds = NAN;

  double speed() const { return double(made) / seconds; }  // steps/s

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Course, seed, epsilon, step, greedy, episode_end, episode_return, first, last, best,
                                 last_hundred, solved, made, seconds)
};

/// Runs on all threads, and the seconds that all of them took.
struct Courses {
  std::vector<Course> runs;
  double seconds = NAN;

  /// Steps/s of all together.
  double speed() const {
    std::int64_t steps = 0;
    for (const Course& c : runs) steps += c.made;
    return double(steps) / seconds;
  }

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Courses, runs, seconds)
};

/// The environments' names. Beside them, the path of a shared library (tenzo/rl/emulator.h) is one.
const std::vector<std::string>& environments();
bool is_library(const std::string& environment);
/// Throws ValueError for what can not be run.
void check(const Control& c);
/// Runs, or goes on with a run from its checkpoint where there is one.   watch(steps) is called now and then.
Course run_control(const Control& c, const std::function<void(std::int64_t)>& watch = {});
/// All of them, on all threads.
Courses run_all(const std::vector<Control>& runs, const std::function<void(std::int64_t)>& watch = {});

/// A greedy episode as the bytes of a PNG, and its steps as far as they are shown.
struct Picture {
  std::string png;
  std::int64_t steps = 0;
};
/// By the weights in a file, animated: the first `frames` steps.
Picture rendered(const std::string& environment, const std::string& weights, std::uint64_t seed, int frames,
                 std::int32_t side = 8);
/// The same as one still picture: `frames` moments of the whole episode beside each other.
Picture strip(const std::string& environment, const std::string& weights, std::uint64_t seed, int frames,
              std::int32_t side = 8);

// ── grids (E5) ───────────────────────────────────────────────────────────────────────────────────────────────────────

/// Tabular Q-learning on the cliff with a constant ε, 2,000 episodes.
struct CliffRun {
  std::uint64_t seed = 0;
  double epsilon = NAN;
  double greedy = NAN, behaviour = NAN;  // return of the greedy policy, and mean of the last 100 episodes
  double error = NAN;                    // largest |Q − Q*| over the largest |Q*|
  bool worse = false;                    // the greedy policy returns less than that of the start

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(CliffRun, seed, epsilon, greedy, behaviour, error, worse)
};
/// Episodes until the treasure of DeepSea is first found, run by run.
struct SeaRun {
  std::int32_t side = 0;
  std::vector<double> uniform;   // with uniform actions
  std::vector<double> learning;  // with Q-learning and ε 0.1; where it gave up, so many; empty of large sides
  std::int64_t patience = 0;     // of the learning ones, episodes
  int censored = 0;              // of the learning ones, those that gave up
  int worse = 0;                 // of the learning ones, those whose greedy policy returns less than that of the start
  double q_star = NAN;           // Q* of the first cell, by value iteration

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(SeaRun, side, uniform, learning, patience, censored, worse, q_star)
};
std::vector<CliffRun> cliff_runs(std::uint64_t seed, const std::vector<double>& epsilons, int runs);
/// Uniform actions on each side, and learning on those up to 8 with `learners` runs.
std::vector<SeaRun> sea_runs(std::uint64_t seed, int least, int most, int runs, int learners, std::int64_t patience);

// ── speed (E7) ───────────────────────────────────────────────────────────────────────────────────────────────────────

struct Speed {
  double one = NAN, many = NAN, all = NAN;  // CartPole steps/s: 1 environment, 1024 on one thread, 8192 on all
  double update = NAN;                      // seconds of dqn_update/4-64-64-2/b32
  double gflops = NAN;                      // of that
  double scaling = NAN;  // steps/s of 64 seeds on all threads, over those of one thread times threads
  int threads = 1;

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Speed, one, many, all, update, gflops, scaling, threads)
};
/// About so many seconds, and runs of so many steps to measure the scaling with.
Speed speeds(double seconds, std::int64_t steps);

// ── all of it ────────────────────────────────────────────────────────────────────────────────────────────────────────

struct Results {
  std::vector<Process> processes;
  std::vector<Rate> rates;
  std::vector<Region> regions, decays, layered;
  std::vector<Sampled> samples;
  Courses published;               // CartPole with published settings
  std::vector<Course> sweep, pqn;  // CartPole: constant ε and a schedule; PQN
  std::vector<Course> game;        // Breakout, where it was asked for
  std::vector<CliffRun> cliff;
  std::vector<SeaRun> sea;
  Speed speed;
  std::vector<std::string> sweep_epsilons;
  Control sweep_settings;  // but for seed and ε
};

/// All experiments, claims and the report.   Returns the status to end with.
int study(const Options& o);

}  // namespace dqn
