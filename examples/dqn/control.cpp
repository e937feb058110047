// Which run is compiled for what.
#include <algorithm>

#include "control_of.hpp"
#include "tenzo/core/parallel.hpp"

namespace dqn {

const std::vector<std::string>& environments() {
  static const std::vector<std::string> names{"cartpole", "mountaincar", "acrobot",
                                              "cliff",    "deepsea",     "minatar-breakout"};
  return names;
}

bool is_library(const std::string& environment) { return environment.ends_with(".so"); }

void check(const Control& c) {
  const auto& known = environments();
  const auto among = [](const std::string& name, const std::vector<std::string>& names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  require(is_library(c.environment) || among(c.environment, known), "unknown environment ", printable(c.environment),
          "; want one of ", listed(known), ", or a shared library (.so)");
  require(c.steps >= 1 && c.evaluate_every >= 1 && c.episodes >= 1 && c.save_every >= 1, "control: ", c.steps,
          " steps, an evaluation of ", c.episodes, " episodes every ", c.evaluate_every, ", a checkpoint every ",
          c.save_every);
  require(c.lr > 0 && std::isfinite(c.lr), "control: a step size of ", c.lr, "; want more than 0");
  for (const std::int64_t w : c.hidden) require(w >= 1 && w <= 1 << 14, "control: a hidden layer of ", w);
  require(c.side >= 1 && c.side <= 64, "control: deepsea of ", c.side, " rows; want 1 to 64");
  require(among(c.optimizer, optimizers()), "unknown optimizer ", printable(c.optimizer), "; want one of ",
          listed(optimizers()));
  require(c.optimizer != "radam" || c.device == DeviceOption::cpu, "radam is for the CPU; want --device cpu");
  agent_options(c).check();
  require(c.environment != "minatar-breakout" || (!c.norm && !c.dueling),
          "minatar-breakout: its network is convolutional, without layer norms and a dueling head");
  const bool classic = c.environment == "cartpole" || c.environment == "mountaincar" || c.environment == "acrobot";
  const bool usual = c.hidden == std::vector<std::int64_t>{120, 84} ||
                     (c.environment == "cartpole" && c.hidden == std::vector<std::int64_t>{64, 64});
  require(!c.pqn || c.device == DeviceOption::cpu, "pqn: its networks are compiled for the CPU; want --device cpu");
  require(!c.pqn || (!c.dueling && !c.double_q && !c.prioritized && c.n_step == 1),
          "pqn: has no replay, no target and no dueling head");
  require(!c.pqn || (classic && usual),
          "pqn: want cartpole, mountaincar or acrobot, and hidden layers of 120,84, or of 64,64 with cartpole");
}

Courses run_all(const std::vector<Control>& runs, const Watch& watch) {
  const auto start = std::chrono::steady_clock::now();
  Courses out;
  out.runs.resize(runs.size());
  parallel_for(std::int64_t(runs.size()), 1, [&](std::int64_t from, std::int64_t to) {
    for (auto i = std::size_t(from); i < std::size_t(to); ++i) out.runs[i] = run_control(runs[i], watch);
  });
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return out;
}

Course run_control(const Control& c, const Watch& watch) {
  check(c);
  if (is_library(c.environment)) return on_device(c.device, [&]<class D>(D) { return emulator_course<D>(c, watch); });
  if (c.environment == "minatar-breakout")
    return on_device(c.device, [&]<class D>(D) { return game_course<D>(c, watch); });
  const bool large = c.hidden == std::vector<std::int64_t>{120, 84} && c.batch == 128;
  const bool small = c.hidden == std::vector<std::int64_t>{64, 64} && c.batch == 64 && c.environment == "cartpole";
  // On the CPU, networks of a known size are faster than any launch. They are compiled with Adam.
  const bool plain = c.device == DeviceOption::cpu && !c.norm && !c.dueling && c.optimizer == "adam";
  const bool fixed = c.pqn || (plain && (large || small));
  if (fixed && c.environment == "cartpole") return cartpole_course(c, watch);
  if (fixed && (c.environment == "acrobot" || c.environment == "mountaincar")) return classic_course(c, watch);
  return on_device(c.device, [&]<class D>(D) { return tensor_course<D>(c, watch); });
}

}  // namespace dqn
