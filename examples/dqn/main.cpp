// dqn: deep Q-networks with ε-greedy exploration (Zhang et al. 2023): their convergence shown exactly, and control.
#include <cstdint>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "../shared/command_line.hpp"
#include "commands.hpp"
#include "study.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/version.hpp"

namespace {

using command_line::a_path, command_line::at_least, command_line::between;

/// Throws ValueError where one of these options was given: it would be without effect.
void refuse(const std::vector<CLI::Option*>& options, const std::string& why) {
  for (const CLI::Option* o : options) tenzo::require(o->count() == 0, o->get_name(), ": ", why);
}

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
  app.add_option("--size", claims.size, "Share of the study's steps, processes and starts: a trial that proves nothing")
      ->check(between(0.001, 1))
      ->capture_default_str();
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

  dqn::ControlCommand command;
  int control_threads = 0;
  dqn::Control& run = command.run;
  run.epsilon.clear();
  CLI::App* const c = app.add_subcommand("control", "Train an agent in an environment");
  c->add_option("--env", run.environment,
                "cartpole, mountaincar, acrobot, cliff, deepsea, minatar-breakout, or a shared library (.so) with an "
                "emulator of your own (tenzo/rl/emulator.h)")
      ->capture_default_str();
  c->add_option("--eps", run.epsilon,
                "constant:P, linear:FIRST:LAST:STEPS or geometric:FIRST:LAST:FACTOR; by default "
                "linear from 1 to 0.05 over half of the steps");
  c->add_option("--seed", run.seed, "First seed")->check(at_least(0))->capture_default_str();
  c->add_option("--seeds", command.seeds, "Seeds, trained side by side")->check(at_least(1))->capture_default_str();
  c->add_option("--steps,--frames", run.steps, "Steps of the environment")->check(at_least(1))->capture_default_str();
  auto* const hidden = c->add_option("--hidden", command.hidden, "Widths of hidden layers: 120,84");
  auto* const optimizer = c->add_option("--optimizer", run.optimizer, "adam, radam or rmsprop")->capture_default_str();
  auto* const lr = c->add_option("--lr", run.lr, "Step size")->check(between(0, 1))->capture_default_str();
  c->add_option("--gamma", run.gamma, "Discount")->check(between(0, 1))->capture_default_str();
  auto* const batch = c->add_option("--batch", run.batch, "Transitions of an update")->check(at_least(1));
  auto* const buffer = c->add_option("--buffer", run.buffer, "Transitions that are kept")->check(at_least(1));
  auto* const starts =
      c->add_option("--learning-starts", run.learning_starts, "Steps before the first update")->check(at_least(0));
  auto* const every = c->add_option("--train-every", run.train_every, "Steps between updates")->check(at_least(1));
  auto* const target =
      c->add_option("--target-every", run.target_every, "Steps between updates of the target")->check(at_least(1));
  auto* const tau =
      c->add_option("--tau", run.tau, "Share by which the target follows")->check(between(0, 1))->capture_default_str();
  auto* const huber =
      c->add_option("--huber", run.huber, "Bound of the Huber loss; 0: squared errors")->check(between(0, 1e9));
  auto* const n_step =
      c->add_option("--n-step", run.n_step, "Steps of a return")->check(at_least(1))->capture_default_str();
  auto* const twice = c->add_flag("--double", run.double_q, "Double DQN");
  auto* const prioritized = c->add_flag("--prioritized", run.prioritized, "Prioritized replay");
  auto* const alpha =
      c->add_option("--alpha", run.alpha, "Exponent of its priorities")->check(between(0, 10))->capture_default_str();
  auto* const beta = c->add_option("--beta", run.beta, "Exponent of its weights at first; 1 in the end")
                         ->check(between(0, 1))
                         ->capture_default_str();
  auto* const dueling = c->add_flag("--dueling", run.dueling, "A value and advantages");
  auto* const norm = c->add_flag("--layer-norm", run.norm, "Layer norms before relu");
  auto* const pqn = c->add_flag("--pqn", run.pqn, "PQN: no replay, no target, layer norms");
  auto* const side = c->add_option("--side", run.side, "Rows of deepsea")->check(at_least(1))->capture_default_str();
  c->add_option("--evaluate-every", run.evaluate_every, "Steps between evaluations")
      ->check(at_least(1))
      ->capture_default_str();
  c->add_option("--episodes", run.episodes, "Greedy episodes of an evaluation")
      ->check(at_least(1))
      ->capture_default_str();
  auto* const save_every = c->add_option("--save-every", run.save_every, "Steps between checkpoints")
                               ->check(at_least(1))
                               ->capture_default_str();
  c->add_option("--out", command.out, "Folder for weights, logs and checkpoints")->check(a_path)->capture_default_str();
  auto* const render =
      c->add_option("--render", command.render, "File for a greedy episode of the first seed, an animated PNG")
          ->check(a_path);
  auto* const resume = c->add_flag("--resume", run.resume, "Go on from the checkpoints of an interrupted run");
  add_threads(*c, control_threads);
  command_line::add_device(*c, run.device);

  return command_line::run("dqn", app, argc, argv, [&] {
    for (const int threads : {claims.threads, fitted_threads, control_threads})
      if (threads > 0) tenzo::set_threads(threads);
    if (*f) return dqn::convergence(fitted, save);
    if (!*c) return dqn::study(claims);
    const bool game = run.environment == "minatar-breakout", library = dqn::is_library(run.environment);
    if (run.pqn)
      refuse({twice, prioritized, alpha, beta, dueling, n_step, batch, buffer, starts, every, target, tau, huber,
              optimizer},
             "--pqn has no replay, no target and an optimizer of its own");
    if (!run.prioritized) refuse({alpha, beta}, "is for --prioritized");
    if (run.environment != "deepsea") refuse({side}, "is for --env deepsea");
    if (game) refuse({hidden, dueling, norm, pqn}, "minatar-breakout has a network of its own, a convolutional one");
    if (library) refuse({resume, save_every, render}, "a library's environments have no snapshots and no pictures");
    if (game) {  // the settings that were published with it
      const auto unless = [](const CLI::Option* option, auto& value, auto usual) {
        if (option->count() == 0) value = usual;
      };
      unless(lr, run.lr, 2.5e-4), unless(batch, run.batch, 32), unless(buffer, run.buffer, 100000);
      unless(starts, run.learning_starts, 5000), unless(every, run.train_every, 1);
      unless(target, run.target_every, 1000), unless(huber, run.huber, 1.0);
      unless(optimizer, run.optimizer, std::string("rmsprop"));
      if (run.epsilon.empty()) run.epsilon = "linear:1:0.1:100000";
    }
    return dqn::control(command);
  });
}
