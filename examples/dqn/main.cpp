// dqn: deep Q-networks with ε-greedy exploration (Zhang et al. 2023): their convergence shown exactly, and control.
#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <string>
#include <system_error>
#include <vector>

#include <CLI/CLI.hpp>

#include "../shared/claims.hpp"
#include "../shared/command_line.hpp"
#include "../shared/text.hpp"
#include "claims.hpp"
#include "report.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/io/atomic_file.hpp"
#include "tenzo/io/outputs.hpp"
#include "tenzo/io/progress.hpp"
#include "tenzo/io/stages.hpp"
#include "tenzo/stats/interval.hpp"
#include "tenzo/version.hpp"

namespace dqn {

using namespace tenzo;
namespace fs = std::filesystem;

namespace {

std::string in(const std::string& folder, const std::string& name) { return (fs::path(folder) / name).string(); }

/// JSON has no NaN, and what a stage has not measured is to come back as such: as text, and back.
void hide_nan(nlohmann::json& j) {
  if (j.is_structured())
    for (nlohmann::json& each : j) hide_nan(each);
  else if (j.is_number_float() && std::isnan(j.get<double>())) j = "nan";
}
void show_nan(nlohmann::json& j) {
  if (j.is_structured())
    for (nlohmann::json& each : j) show_nan(each);
  else if (j == "nan") j = NAN;
}

/// The result of a stage, from the record or made.
template <class F>
auto result_of(Stages& stages, const std::string& name, F&& make) -> decltype(make()) {
  nlohmann::json j = stages(name, [&] {
    nlohmann::json made = make();
    hide_nan(made);
    return made;
  });
  show_nan(j);
  return j.get<decltype(make())>();
}

/// All runs, on all threads.
std::vector<Course> run_all(const std::vector<Control>& runs, const std::function<void(std::int64_t)>& watch = {}) {
  std::vector<Course> out(runs.size());
  parallel_for(std::int64_t(runs.size()), 1, [&](std::int64_t from, std::int64_t to) {
    for (auto i = std::size_t(from); i < std::size_t(to); ++i) out[i] = run_control(runs[i], watch);
  });
  return out;
}

/// CartPole's runs with a small network and constant or falling ε.
std::vector<Control> sweep_of(const Options& o, int seeds, const std::vector<std::string>& epsilons) {
  std::vector<Control> runs;
  for (int s = 0; s < seeds; ++s)
    for (const std::string& e : epsilons) {
      Control c;
      c.device = o.device, c.epsilon = e, c.seed = o.seed + std::uint64_t(s);
      if (!o.full) {
        c.steps = 100000, c.hidden = {64, 64}, c.lr = 1e-3, c.batch = 64, c.train_every = 4;
        c.learning_starts = 1000;
      }
      runs.push_back(c);
    }
  return runs;
}

int claims(const Options& o) {
  const auto start = std::chrono::steady_clock::now();
  check_folder(o.out, {"stages.json", "metrics.json", "report.html", "cartpole.safetensors"});
  fs::create_directories(o.out);
  const int seeds = o.seeds > 0 ? o.seeds : o.full ? 10 : 4;
  Stages stages(in(o.out, "stages.json"),
                {{"mode", o.full ? "full" : "quick"},
                 {"seed", o.seed},
                 {"seeds", seeds},
                 {"breakout", o.breakout},
                 {"device", name_of(o.device)},
                 {"version", TENZO_VERSION}},
                o.resume);
  Progress bar("claims", o.breakout ? 13 : 12);
  stages.watch([&, done = std::int64_t(0)](const std::string& name) mutable { bar.update(++done, name); });

  const auto stage = [&](const std::string& name, auto&& make) { return result_of(stages, name, make); };

  Results r;
  const int mdps = o.full ? 10 : 4, starts = o.full ? 24 : 6;
  const std::vector<double> epsilons{0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1}, deltas{0.1, 0.3, 0.6, 0.8, 1};
  r.rates = stage("rates", [&] {
    return rates(o.seed, 10, o.full ? std::vector<double>{0.6, 0.8, 0.9} : std::vector<double>{0.8}, epsilons);
  });
  r.regions = stage("regions", [&] {
    return regions(o.seed, mdps, starts, deltas, {0, 0.02, 0.05, 0.2, 0.4, 0.8, 1});
  });
  r.decays = stage("decays", [&] {
    return decays(o.seed, mdps, starts, {0.3, 0.6, 0.8},
                  {"constant:0.02", "constant:0.2", "constant:1", "geometric:1:0.02:0.9", "geometric:1:0.02:0.7",
                   "linear:1:0.02:20"});
  });
  if (o.full)
    r.layered = stage("two layers", [&] { return layered_regions(o.seed, 3, 6, {0.1, 0.3}, {0.05, 0.2, 1}); });
  r.samples = stage("samples", [&] {
    auto all = sample_errors(o.seed, o.full ? 5 : 3, {250, 1000, 4000, 16000}, {0.3});
    const auto others = sample_errors(o.seed, o.full ? 5 : 3, {4000}, {0.02, 0.05, 0.5, 1});
    all.insert(all.end(), others.begin(), others.end());
    return all;
  });
  r.cliff = stage("cliff", [&] { return cliff_runs(o.seed, {0, 0.02, 0.1, 0.3}); });
  r.sea = stage("deepsea", [&] { return sea_runs(o.seed, 5, o.full ? 12 : 10, 200, 5000); });
  r.published = stage("cartpole", [&] {
    std::vector<Control> runs;
    for (int s = 0; s < seeds; ++s) {
      Control c;
      c.device = o.device, c.seed = o.seed + std::uint64_t(s);
      if (s == 0) c.weights = in(o.out, "cartpole.safetensors");
      runs.push_back(c);
    }
    return run_all(runs);
  });
  r.sweep_epsilons = {"constant:0", "constant:0.1", "constant:0.5", "constant:1", "linear:1:0.05:30000"};
  if (o.full)
    r.sweep_epsilons = {"constant:0",   "constant:0.01", "constant:0.05", "constant:0.1",
                        "constant:0.2", "constant:0.5",  "constant:1",    "linear:1:0.05:250000"};
  r.sweep = stage("epsilons", [&] { return run_all(sweep_of(o, o.full ? seeds : seeds + 1, r.sweep_epsilons)); });
  r.pqn = stage("pqn", [&] {
    std::vector<Control> runs;
    for (int s = 0; s < (o.full ? seeds : 2); ++s) {
      Control c;
      c.pqn = true, c.seed = o.seed + std::uint64_t(s);
      runs.push_back(c);
    }
    return run_all(runs);
  });
  if (o.breakout)
    r.game = stage("breakout", [&] {
      Control c;
      c.device = o.device, c.environment = "minatar-breakout", c.seed = o.seed, c.epsilon = "linear:1:0.1:100000";
      c.steps = 1000000, c.evaluate_every = 50000, c.batch = 32, c.buffer = 100000, c.learning_starts = 5000;
      c.train_every = 4, c.target_every = 4000, c.huber = 1, c.weights = in(o.out, "breakout.safetensors");
      return run_all({c});
    });
  r.speed = stage("speed", [&] { return speeds(o.full ? 10 : 3); });
  bar.finish();

  std::vector<std::pair<std::string, std::string>> episodes;
  if (fs::exists(in(o.out, "cartpole.safetensors"))) {
    episodes.emplace_back(strip("cartpole", in(o.out, "cartpole.safetensors"), o.seed + 1, 6),
                          "Six moments of a greedy episode of 500 steps, from its beginning to its end.");
    episodes.emplace_back(rendered("cartpole", in(o.out, "cartpole.safetensors"), o.seed + 1, 150),
                          "The first three seconds of that episode, played.");
  }
  if (!r.game.empty())
    episodes.emplace_back(rendered("minatar-breakout", in(o.out, "breakout.safetensors"), o.seed + 1, 200),
                          "Breakout: a greedy episode.");
  const std::vector<Claim> verdicts = judge(r);
  for (const Claim& c : verdicts) program_claims::print(c);
  write_report(o, r, verdicts, episodes,
               std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  stages.clear();
  std::printf("report: %s\n", in(o.out, "report.html").c_str());
  return 0;
}

int convergence(const Fitted& o, const std::string& save) {
  check_outputs({}, {save});
  check_file(save);
  const auto runs = fitted_runs(o);
  std::printf("%-8s %10s %10s %8s %8s %10s %10s %10s %6s\n", "process", "residual", "gap", "rho", "bound", "largest",
              "uniform", "greedy", "rate");
  std::string lines = "process,iteration,epsilon,largest,uniform,greedy\n";
  for (std::size_t k = 0; k < runs.size(); ++k) {
    const FittedRun& r = runs[k];
    const std::size_t n = r.sup.size(), last = std::min<std::size_t>(5, n - 1);
    std::printf("%-8zu %10.2e %10.4f %8.4f %8.4f %10.2e %10.2e %10.2e %6.3f\n", k, r.residual, r.gap, r.rho, r.bound,
                r.sup.back(), r.uniform.back(), r.greedy.back(),
                std::pow(r.sup.back() / r.sup[n - 1 - last], 1 / double(last)));
    for (std::size_t t = 0; t < n; ++t)
      lines += cat(k, ',', t, ',', t < r.epsilon.size() ? cat(r.epsilon[t]) : "", ',', r.sup[t], ',', r.uniform[t], ',',
                   r.greedy[t], '\n');
  }
  if (!save.empty()) write_file(save, lines);
  return 0;
}

struct Command {
  Control run;
  int seeds = 1, threads = 0;
  std::string out = "dqn-control", hidden, render;
};

std::vector<std::int64_t> widths_of(const std::string& text) {
  std::vector<std::int64_t> out;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    std::int64_t w = 0;
    const auto [last, error] = std::from_chars(text.data() + at, text.data() + end, w);
    require(error == std::errc() && last == text.data() + end, "--hidden ", printable(text),
            "; want widths with commas between them");
    out.push_back(w);
    at = end + 1;
  }
  return out;
}

int control(const Command& o) {
  Control c = o.run;
  if (!o.hidden.empty()) c.hidden = widths_of(o.hidden);
  if (c.epsilon.empty()) c.epsilon = cat("linear:1:0.05:", std::max<std::int64_t>(1, c.steps / 2));
  check(c);
  require(!is_library(c.environment) || (!c.resume && o.render.empty()),
          "a library's environments have no snapshots and "
          "no pictures: --resume and --render are for those that are built in");
  std::vector<Control> runs;
  std::vector<std::string> files;
  for (int s = 0; s < o.seeds; ++s) {
    Control each = c;
    each.seed = c.seed + std::uint64_t(s);
    const std::string name = cat("seed", each.seed);
    each.weights = in(o.out, name + ".safetensors"), each.log = in(o.out, name + ".csv");
    if (!c.pqn && !is_library(c.environment)) each.checkpoint = in(o.out, name + ".run.safetensors");
    for (const char* end : {".safetensors", ".csv", ".run.safetensors"}) files.push_back(name + end);
    runs.push_back(each);
  }
  check_folder(o.out, files);
  check_file(o.render);
  fs::create_directories(o.out);
  Progress bar(c.environment, c.steps * o.seeds);
  std::mutex mutex;
  std::int64_t done = 0;
  const auto courses = run_all(runs, [&](std::int64_t) {
    const std::lock_guard lock(mutex);
    bar.update(done += c.evaluate_every);
  });
  bar.finish();
  std::printf("%-6s %10s %10s %10s %12s %10s\n", "seed", "first", "last", "best", "last 100", "steps/s");
  std::vector<double> last;
  for (const Course& each : courses) {
    std::printf("%-6llu %10.2f %10.2f %10.2f %12.2f %10.0f\n", static_cast<unsigned long long>(each.seed), each.first,
                each.last, each.best, each.last_hundred, double(c.steps) / each.seconds);
    last.push_back(each.last);
  }
  if (courses.size() > 1) {
    const Measured m = mean_interval(last);
    std::printf("greedy return in the end: %.2f (%.2f to %.2f)\n", m.value, m.low, m.high);
  }
  if (!o.render.empty())
    write_file(o.render, rendered(c.environment, runs.front().weights, runs.front().seed + 1, 300, c.side));
  for (const Control& each : runs) {
    std::error_code ignored;
    if (!each.checkpoint.empty()) fs::remove(each.checkpoint, ignored);
  }
  return 0;
}

}  // namespace

}  // namespace dqn

namespace {

using command_line::a_path, command_line::at_least, command_line::between;

void add_threads(CLI::App& app, int& threads) {
  app.add_option("--threads", threads, "Threads; 0 takes all")->check(CLI::Range(0, 1024))->capture_default_str();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Deep Q-networks with epsilon-greedy exploration. Without a subcommand: the paper's claims.");
  app.set_version_flag("--version", TENZO_VERSION);
  app.require_subcommand(0, 1);
  dqn::Options claims;
  bool quick = false;
  auto* const q = app.add_flag("--quick", quick, "A small study of one to two minutes (the default)");
  app.add_flag("--full", claims.full, "All: ten seeds, published settings, three discounts")->excludes(q);
  app.add_flag("--breakout", claims.breakout, "MinAtar's Breakout, too: some minutes more");
  app.add_option("--seed", claims.seed, "First seed")->check(at_least(0))->capture_default_str();
  app.add_option("--seeds", claims.seeds, "Seeds of CartPole; 0: four, or ten with --full")
      ->check(at_least(0))
      ->capture_default_str();
  app.add_option("--out", claims.out, "Folder for metrics.json and report.html")->check(a_path)->capture_default_str();
  app.add_flag("--resume", claims.resume, "Go on with what an interrupted run has finished");
  add_threads(app, claims.threads);
  command_line::add_device(app, claims.device);

  dqn::Fitted fitted;
  std::string save;
  int fitted_threads = 0;
  CLI::App* const f = app.add_subcommand("convergence", "Fitted Q-iteration on random processes with a known solution");
  f->add_option("--eps", fitted.epsilon, "constant:P, linear:FIRST:LAST:ITERATIONS or geometric:FIRST:LAST:FACTOR")
      ->capture_default_str();
  f->add_option("--gamma", fitted.gamma, "Discount")->check(between(0, 0.999))->capture_default_str();
  f->add_option("--delta", fitted.delta, "Distance of the start, relative")
      ->check(between(0, 100))
      ->capture_default_str();
  f->add_option("--iterations", fitted.iterations, "Outer iterations")->check(at_least(1))->capture_default_str();
  f->add_option("--samples", fitted.transitions, "Transitions of an iteration; 0: infinitely many")
      ->check(at_least(0))
      ->capture_default_str();
  f->add_option("--mdps", fitted.mdps, "Processes")->check(at_least(1))->capture_default_str();
  f->add_option("--states", fitted.states, "States")->check(at_least(1))->capture_default_str();
  f->add_option("--actions", fitted.actions, "Actions")->check(at_least(1))->capture_default_str();
  f->add_option("--features", fitted.features, "Features of a state and an action")
      ->check(at_least(1))
      ->capture_default_str();
  f->add_option("--width", fitted.width, "Neurons of a hidden layer")->check(at_least(1))->capture_default_str();
  f->add_option("--layers", fitted.layers, "Hidden layers")->check(at_least(1))->capture_default_str();
  f->add_option("--seed", fitted.seed, "Seed")->check(at_least(0))->capture_default_str();
  f->add_option("--save", save, "File for the errors, as CSV")->check(a_path);
  add_threads(*f, fitted_threads);

  dqn::Command command;
  dqn::Control& run = command.run;
  run.epsilon.clear();
  CLI::App* const c = app.add_subcommand("control", "Train an agent in an environment");
  c->add_option("--env", run.environment,
                "cartpole, mountaincar, acrobot, cliff, deepsea, minatar-breakout, or a shared library (.so) with an "
                "emulator of your "
                "own (tenzo/rl/emulator.h)")
      ->capture_default_str();
  c->add_option("--eps", run.epsilon,
                "constant:P, linear:FIRST:LAST:STEPS or geometric:FIRST:LAST:FACTOR; by default "
                "linear from 1 to 0.05 over half of the steps");
  c->add_option("--seed", run.seed, "First seed")->check(at_least(0))->capture_default_str();
  c->add_option("--seeds", command.seeds, "Seeds, trained side by side")->check(at_least(1))->capture_default_str();
  c->add_option("--steps,--frames", run.steps, "Steps of the environment")->check(at_least(1))->capture_default_str();
  c->add_option("--hidden", command.hidden, "Widths of hidden layers: 120,84");
  auto* const lr = c->add_option("--lr", run.lr, "Step size")->check(between(0, 1))->capture_default_str();
  c->add_option("--gamma", run.gamma, "Discount")->check(between(0, 1))->capture_default_str();
  auto* const batch = c->add_option("--batch", run.batch, "Transitions of an update")->check(at_least(1));
  auto* const buffer = c->add_option("--buffer", run.buffer, "Transitions that are kept")->check(at_least(1));
  auto* const starts =
      c->add_option("--learning-starts", run.learning_starts, "Steps before the first update")->check(at_least(0));
  auto* const every = c->add_option("--train-every", run.train_every, "Steps between updates")->check(at_least(1));
  auto* const target =
      c->add_option("--target-every", run.target_every, "Steps between updates of the target")->check(at_least(1));
  c->add_option("--tau", run.tau, "Share by which the target follows")->check(between(0, 1))->capture_default_str();
  auto* const huber =
      c->add_option("--huber", run.huber, "Bound of the Huber loss; 0: squared errors")->check(between(0, 1e9));
  c->add_option("--n-step", run.n_step, "Steps of a return")->check(at_least(1))->capture_default_str();
  c->add_flag("--double", run.double_q, "Double DQN");
  c->add_flag("--prioritized", run.prioritized, "Prioritized replay");
  c->add_flag("--dueling", run.dueling, "A value and advantages");
  c->add_flag("--layer-norm", run.norm, "Layer norms before relu");
  c->add_flag("--pqn", run.pqn, "PQN: no replay, no target, layer norms");
  c->add_option("--side", run.side, "Rows of deepsea")->check(at_least(1))->capture_default_str();
  c->add_option("--evaluate-every", run.evaluate_every, "Steps between evaluations")
      ->check(at_least(1))
      ->capture_default_str();
  c->add_option("--episodes", run.episodes, "Greedy episodes of an evaluation")
      ->check(at_least(1))
      ->capture_default_str();
  c->add_option("--save-every", run.save_every, "Steps between checkpoints")->check(at_least(1))->capture_default_str();
  c->add_option("--out", command.out, "Folder for weights, logs and checkpoints")->check(a_path)->capture_default_str();
  c->add_option("--render", command.render, "File for a greedy episode of the first seed, an animated PNG")
      ->check(a_path);
  c->add_flag("--resume", run.resume, "Go on from the checkpoints of an interrupted run");
  add_threads(*c, command.threads);
  command_line::add_device(*c, run.device);

  return command_line::run("dqn", app, argc, argv, [&] {
    for (const int threads : {claims.threads, fitted_threads, command.threads})
      if (threads > 0) tenzo::set_threads(threads);
    if (*f) return dqn::convergence(fitted, save);
    if (!*c) return dqn::claims(claims);
    if (run.environment == "minatar-breakout") {  // the settings that were published with it
      const auto unless = [](const CLI::Option* option, auto& value, auto usual) {
        if (option->count() == 0) value = usual;
      };
      unless(lr, run.lr, 2.5e-4), unless(batch, run.batch, 32), unless(buffer, run.buffer, 100000);
      unless(starts, run.learning_starts, 5000), unless(every, run.train_every, 1);
      unless(target, run.target_every, 1000), unless(huber, run.huber, 1.0);
      if (run.epsilon.empty()) run.epsilon = "linear:1:0.1:100000";
    }
    return dqn::control(command);
  });
}
