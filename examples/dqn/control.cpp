// Which run is compiled for what.
#include <algorithm>

#include "control_of.hpp"

namespace dqn {

const std::vector<std::string>& environments() {
  static const std::vector<std::string> names{"cartpole", "mountaincar", "acrobot",
                                              "cliff",    "deepsea",     "minatar-breakout"};
  return names;
}

bool is_library(const std::string& environment) { return environment.ends_with(".so"); }

void check(const Control& c) {
  const auto& known = environments();
  std::string list;
  for (const std::string& name : known) list += (list.empty() ? "" : ", ") + name;
  require(is_library(c.environment) || std::find(known.begin(), known.end(), c.environment) != known.end(),
          "unknown environment ", printable(c.environment), "; want one of ", list, ", or a shared library (.so)");
  require(c.steps >= 1 && c.evaluate_every >= 1 && c.episodes >= 1 && c.save_every >= 1, "control: ", c.steps,
          " steps, an evaluation of ", c.episodes, " episodes every ", c.evaluate_every, ", a checkpoint every ",
          c.save_every);
  require(c.lr > 0 && std::isfinite(c.lr), "control: a step size of ", c.lr, "; want more than 0");
  for (const std::int64_t w : c.hidden) require(w >= 1 && w <= 1 << 14, "control: a hidden layer of ", w);
  require(c.side >= 1 && c.side <= 64, "control: deepsea of ", c.side, " rows; want 1 to 64");
  agent_options(c).check();
  const bool classic = c.environment == "cartpole" || c.environment == "mountaincar" || c.environment == "acrobot";
  const bool usual = c.hidden == std::vector<std::int64_t>{120, 84} ||
                     (c.environment == "cartpole" && c.hidden == std::vector<std::int64_t>{64, 64});
  require(!c.pqn || c.device == DeviceOption::cpu, "pqn: its networks are compiled for the CPU; want --device cpu");
  require(!c.pqn || (classic && usual && !c.dueling && !c.double_q && !c.prioritized && c.n_step == 1),
          "pqn: has no replay and no target; want cartpole, mountaincar or acrobot, with the usual hidden layers");
}

Course run_control(const Control& c, const Watch& watch) {
  check(c);
  if (is_library(c.environment)) return on_device(c.device, [&]<class D>(D) { return emulator_course<D>(c, watch); });
  if (c.environment == "minatar-breakout")
    return on_device(c.device, [&]<class D>(D) { return game_course<D>(c, watch); });
  const bool large = c.hidden == std::vector<std::int64_t>{120, 84} && c.batch == 128;
  const bool small = c.hidden == std::vector<std::int64_t>{64, 64} && c.batch == 64 && c.environment == "cartpole";
  const bool on_cpu = c.device == DeviceOption::cpu;  // where networks of a known size are faster than any launch
  const bool fixed = c.pqn || (on_cpu && !c.norm && !c.dueling && (large || small));
  if (fixed && c.environment == "cartpole") return cartpole_course(c, watch);
  if (fixed && (c.environment == "acrobot" || c.environment == "mountaincar")) return classic_course(c, watch);
  return on_device(c.device, [&]<class D>(D) { return tensor_course<D>(c, watch); });
}

}  // namespace dqn
