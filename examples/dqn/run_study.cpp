// The study, stage by stage.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "../shared/claims.hpp"
#include "claims.hpp"
#include "report.hpp"
#include "stage_json.hpp"
#include "tenzo/io/outputs.hpp"
#include "tenzo/io/progress.hpp"
#include "tenzo/rl/exploration.hpp"
#include "tenzo/version.hpp"

namespace dqn {

using namespace tenzo;
namespace fs = std::filesystem;

namespace {

/// A share of a run: fewer steps, with what happens along them.
Control shortened(Control c, double share) {
  const auto part = [&](std::int64_t& x) { x = std::max<std::int64_t>(1, std::llround(double(x) * share)); };
  part(c.steps), part(c.learning_starts), part(c.evaluate_every);
  auto e = rl::parse_exploration(c.epsilon);
  if (e.kind == rl::Exploration::Kind::linear) e.length = std::max(1.0, e.length * share);
  c.epsilon = e.text();
  return c;
}

/// Runs with seeds from the first on.
std::vector<Control> with_seeds(const Control& c, std::uint64_t first, int seeds) {
  std::vector<Control> runs(std::size_t(seeds), c);
  for (std::size_t i = 0; i < runs.size(); ++i) runs[i].seed = first + i;
  return runs;
}

/// Moments of a greedy episode, and its beginning, played.
std::vector<Shown> pictures_of(const std::string& environment, const std::string& weights, std::uint64_t seed,
                               int moments, int frames) {
  if (!fs::exists(weights)) return {};
  const Picture still = strip(environment, weights, seed, moments),
                played = rendered(environment, weights, seed, frames);
  return {{still.png, cat("A greedy episode of ", still.steps, " steps: ", std::min<std::int64_t>(moments, still.steps),
                          " moments from its beginning to its end.")},
          {played.png,
           cat(played.steps == still.steps ? "That episode" : cat("Its first ", played.steps, " steps"), ", played.")}};
}

}  // namespace

int study(const Options& o) {
  const auto start = std::chrono::steady_clock::now();
  const auto in = [&](const char* name) { return (fs::path(o.out) / name).string(); };
  std::vector<std::string> files{"stages.json", "metrics.json", "report.html", "cartpole.safetensors"};
  if (o.breakout) files.push_back("breakout.safetensors");
  check_folder(o.out, files);
  fs::create_directories(o.out);
  const int seeds = o.seeds > 0 ? o.seeds : o.full ? 10 : 4;
  Stages stages(in("stages.json"),
                {{"mode", o.full ? "full" : "quick"},
                 {"seed", o.seed},
                 {"seeds", seeds},
                 {"size", o.size},
                 {"breakout", o.breakout},
                 {"device", name_of(o.device)},
                 {"version", TENZO_VERSION}},
                o.resume);
  Progress bar("claims", 10 + o.full + o.breakout);
  stages.watch([&, done = std::int64_t(0)](const std::string& name) mutable { bar.update(++done, name); });
  const auto stage = [&](const std::string& name, auto&& make) { return result_of(stages, name, make); };
  const auto some = [&](int most, int least) { return std::max(least, int(std::lround(most * o.size))); };

  Results r;
  const int lines = some(10, 2), mdps = some(o.full ? 10 : 4, 2), starts = some(o.full ? 24 : 6, 1);
  r.processes = processes(o.seed, lines);
  {
    const auto gap = [](const Process& p) { return p.gap; };
    std::printf("%zu processes of seed %llu on: Bellman residuals up to %.1e, action gaps %.4f to %.4f\n",
                r.processes.size(), static_cast<unsigned long long>(r.processes.front().seed),
                std::ranges::max(r.processes, {}, &Process::residual).residual,
                gap(std::ranges::min(r.processes, {}, gap)), gap(std::ranges::max(r.processes, {}, gap)));
  }
  const std::vector<double> epsilons{0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1}, deltas{0.1, 0.3, 0.6, 0.8, 1};
  r.rates = stage("rates", [&] {
    return rates(o.seed, lines, o.full ? std::vector<double>{0.6, 0.8, 0.9} : std::vector<double>{0.8}, epsilons);
  });
  r.regions = stage("regions", [&] {
    return regions(o.seed, mdps, starts, deltas, {0, 0.02, 0.05, 0.2, 0.4, 0.8, 1});
  });
  r.decays = stage("decays", [&] {
    // Few successes more or fewer decide C4: it takes more processes than the maps do.
    return decays(o.seed, o.full ? some(30, 2) : mdps, starts, {0.3, 0.6, 0.8},
                  {"constant:0.02", "constant:0.2", "constant:1", "geometric:1:0.02:0.9", "geometric:1:0.02:0.7",
                   "linear:1:0.02:20"});
  });
  if (o.full)
    r.layered = stage("two layers", [&] { return layered_regions(o.seed, 3, 6, {0.1, 0.3}, {0.05, 0.2, 1}); });
  r.samples = stage("samples", [&] {
    const int few = some(o.full ? 5 : 3, 1);
    auto all = sample_errors(o.seed, few, {250, 1000, 4000, 16000}, {0.3});
    const auto others = sample_errors(o.seed, few, {4000}, {0.02, 0.05, 0.5, 1});
    all.insert(all.end(), others.begin(), others.end());
    return all;
  });
  r.cliff = stage("cliff", [&] { return cliff_runs(o.seed, {0, 0.02, 0.1, 0.3}, some(10, 2)); });
  r.sea = stage("deepsea", [&] { return sea_runs(o.seed, 5, o.full ? 12 : 10, some(200, 5), some(15, 3), 5000); });

  Control published = shortened({}, o.size);
  published.device = o.device;
  r.published = stage("cartpole", [&] {
    std::vector<Control> runs = with_seeds(published, o.seed, seeds);
    runs.front().weights = in("cartpole.safetensors");
    return run_all(runs);
  });
  // The full sweep has the published settings, and among its schedules the published one, which has been run.
  Control& small = r.sweep_settings;
  small = published;
  r.sweep_epsilons = {"constant:0", "constant:0.1", "constant:0.5", "constant:1"};
  if (o.full) {
    r.sweep_epsilons = {"constant:0",   "constant:0.01", "constant:0.05", "constant:0.1",
                        "constant:0.2", "constant:0.5",  "constant:1"};
  } else {
    Control quick;
    quick.device = o.device;
    quick.steps = 100000, quick.hidden = {64, 64}, quick.lr = 1e-3, quick.batch = 64, quick.train_every = 4;
    quick.learning_starts = 1000, quick.epsilon = "linear:1:0.05:30000";
    small = shortened(quick, o.size);
    r.sweep_epsilons.push_back(small.epsilon);
  }
  r.sweep = stage("epsilons", [&] {
    std::vector<Control> runs;
    for (const Control& each : with_seeds(small, o.seed, o.full ? seeds : seeds + 1))
      for (const std::string& e : r.sweep_epsilons) runs.push_back(each), runs.back().epsilon = e;
    return run_all(runs).runs;
  });
  if (o.full) {
    r.sweep_epsilons.push_back(published.epsilon);
    r.sweep.insert(r.sweep.end(), r.published.runs.begin(), r.published.runs.end());
  }
  r.pqn = stage("pqn", [&] {
    Control c = shortened({}, o.size);
    c.pqn = true;
    return run_all(with_seeds(c, o.seed, o.full ? seeds : std::min(2, seeds))).runs;
  });
  if (o.breakout)
    r.game = stage("breakout", [&] {
      Control c;
      c.environment = "minatar-breakout", c.epsilon = "linear:1:0.1:100000", c.optimizer = "rmsprop";
      c.steps = 1000000, c.evaluate_every = 50000, c.batch = 32, c.buffer = 100000, c.learning_starts = 5000;
      c.train_every = 4, c.target_every = 4000, c.huber = 1;
      c = shortened(c, o.size);
      c.device = o.device, c.seed = o.seed, c.weights = in("breakout.safetensors");
      return run_all({c}).runs;
    });
  r.speed = stage("speed", [&] { return speeds((o.full ? 10 : 3) * o.size, some(3000, 500)); });
  bar.finish();

  const std::vector<Claim> verdicts = judge(r);
  for (const Claim& c : verdicts) program_claims::print(c);
  const auto game = o.breakout ? pictures_of("minatar-breakout", in("breakout.safetensors"), o.seed + 1, 6, 200)
                               : std::vector<Shown>();
  write_report(o, r, verdicts, pictures_of("cartpole", in("cartpole.safetensors"), o.seed + 1, 6, 150), game,
               std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  stages.clear();
  std::printf("report: %s\n", in("report.html").c_str());
  return 0;
}

}  // namespace dqn
