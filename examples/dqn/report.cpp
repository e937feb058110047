#include "report.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "../shared/text.hpp"
#include "claims.hpp"
#include "figures.hpp"
#include "machine.hpp"
#include "tenzo/io/metrics.hpp"
#include "tenzo/io/process.hpp"
#include "tenzo/io/report.hpp"
#include "tenzo/rl/exploration.hpp"
#include "tenzo/stats/bootstrap.hpp"

namespace dqn {

using namespace tenzo;
using program_text::fixed;

namespace {

void write_metrics(const Options& o, const Results& r, const std::vector<Claim>& verdicts, double seconds) {
  Metrics m;
  m.example = "dqn";
  m.mode = o.full ? "full" : "quick";
  m.seed = o.seed, m.wall_seconds = seconds, m.peak_rss_bytes = std::int64_t(peak_memory());
  m.claims = verdicts;
  for (std::size_t k = 0; k < r.processes.size(); ++k) {
    m.set(cat("process/mdp", k, "/residual"), r.processes[k].residual);
    m.set(cat("process/mdp", k, "/gap"), r.processes[k].gap);
  }
  for (const Rate& each : r.rates) {
    const std::string at = cat("rate/gamma", each.gamma, "/mdp", each.mdp, "/eps", each.epsilon, '/');
    m.set(at + "rho", each.rho), m.set(at + "norm", each.norm), m.set(at + "bound", each.bound);
    m.set(at + "tail", each.tail), m.set(at + "sooner", each.sooner), m.set(at + "early", each.early),
        m.set(at + "r2", each.whole_r2);
  }
  for (const auto& [name, cells] : {std::pair{"region", &r.regions}, {"decay", &r.decays}, {"two_layers", &r.layered}})
    for (const Region& c : *cells) {
      const std::string at = cat(name, "/mdp", c.mdp, "/delta", c.delta, '/', c.schedule, '/');
      m.set(at + "successes", c.successes), m.set(at + "runs", c.runs), m.set(at + "iterations", c.iterations);
      m.set(at + "worse", c.worse);
    }
  for (const Sampled& s : r.samples) {
    const std::string at = cat("samples/mdp", s.mdp, "/n", s.transitions, "/eps", s.epsilon, '/');
    m.set(at + "sup", s.sup), m.set(at + "uniform", s.uniform), m.set(at + "greedy", s.greedy);
    m.set(at + "worse", s.worse);
  }
  for (const auto& [name, courses] :
       {std::pair{"cartpole", &r.published.runs}, {"sweep", &r.sweep}, {"pqn", &r.pqn}, {"breakout", &r.game}})
    for (const Course& c : *courses) {
      const std::string at = cat(name, '/', c.epsilon, "/seed", c.seed, '/');
      m.set(at + "last100", c.last_hundred), m.set(at + "greedy", c.last), m.set(at + "best", c.best);
      m.set(at + "first", c.first), m.set(at + "solved", c.solved), m.set(at + "seconds", c.seconds);
    }
  for (const SeaRun& s : r.sea) {
    const std::string at = cat("deepsea/", s.side, '/');
    m.set(at + "uniform", median_of(s.uniform)), m.set(at + "learning", median_of(s.learning));
    m.set(at + "given_up", s.censored), m.set(at + "worse", s.worse), m.set(at + "q_star", s.q_star);
  }
  for (const CliffRun& c : r.cliff) {
    const std::string at = cat("cliff/", c.epsilon, "/seed", c.seed, '/');
    m.set(at + "greedy", c.greedy), m.set(at + "behaviour", c.behaviour), m.set(at + "error", c.error);
  }
  m.set("speed/one", r.speed.one), m.set("speed/many", r.speed.many), m.set("speed/all", r.speed.all);
  m.set("speed/end_to_end", r.published.speed()), m.set("speed/one_run", mean_speed(r.published.runs));
  m.set("speed/update", r.speed.update), m.set("speed/scaling", r.speed.scaling);
  m.set("speed/gflops", r.speed.gflops);
  m.write((std::filesystem::path(o.out) / "metrics.json").string());
}

/// "3 of 24".
std::string of(std::int64_t some, std::int64_t all) { return all > 0 ? cat(some, " of ", all) : "–"; }

/// The rates with the discounts that no plot shows.
void other_discounts(Report& page, const Results& r) {
  std::map<std::pair<double, double>, std::vector<const Rate*>> cells;
  for (const Rate& each : r.rates)
    if (each.gamma != 0.8) cells[{each.gamma, each.epsilon}].push_back(&each);
  if (cells.empty()) return;
  std::vector<TableRow> rows;
  for (const auto& [at, all] : cells) {
    const auto mean = [&](double Rate::*figure) {
      std::vector<double> x;
      for (const Rate* each : all)
        if (std::isfinite(each->*figure)) x.push_back(each->*figure);
      return program_text::spread(x, 3);
    };
    const auto ended = std::ranges::count_if(all, [](const Rate* each) { return std::isfinite(each->tail); });
    rows.push_back({cat(at.first), cat(at.second), mean(&Rate::rho), mean(&Rate::tail), mean(&Rate::norm),
                    fixed(all.front()->bound, 3), of(ended, std::int64_t(all.size()))});
  }
  page.table(
      {"γ", "ε", "ρ(ε)", "measured, last 15", "norm in H", "bound", "at 1e-12"}, rows,
      {.caption = "The same with other discounts: means and deviations over processes, where there is a figure."});
}

void processes_table(Report& page, const Results& r) {
  std::vector<TableRow> rows;
  for (const Process& p : r.processes) {
    char residual[32];
    std::snprintf(residual, sizeof residual, "%.1e", p.residual);
    rows.push_back({cat(p.seed), residual, fixed(p.gap, 4)});
  }
  page.table(
      {"process", "Bellman residual", "action gap"}, rows,
      {.caption = "The processes: how well Q* solves Bellman's equation, and the least difference of the best two "
                  "actions' values."});
}

void decays_table(Report& page, const Results& r) {
  std::set<double> deltas;
  std::vector<std::string> schedules;
  for (const Region& c : r.decays) {
    deltas.insert(c.delta);
    if (std::ranges::find(schedules, c.schedule) == schedules.end()) schedules.push_back(c.schedule);
  }
  std::vector<TableRow> rows;
  for (const double d : deltas)
    for (const std::string& s : schedules) {
      std::int64_t worse = 0, runs = 0;
      for (const Region& c : r.decays)
        if (c.delta == d && c.schedule == s) worse += c.worse, runs += c.runs;
      rows.push_back({cat(d), shown(s), fixed(success(r.decays, d, s), 2),
                      fixed(mean_of_cells(r.decays, d, s, &Region::iterations), 1),
                      fixed(mean_of_cells(r.decays, d, s, &Region::tail), 3), fixed(double(worse) / double(runs), 2)});
    }
  page.table({"distance", "schedule", "successes", "iterations", "tail rate", "policy worse than at first"}, rows,
             {.caption = "Decay keeps the region of ε 1 and has the speed of a small ε: the paper's message. "
                         "Iterations and tail rates are means over successes."});
}

void layers_table(Report& page, const Results& r) {
  if (r.layered.empty()) return;
  std::vector<TableRow> rows;
  for (const Region& c : r.layered)
    rows.push_back({cat(c.mdp), cat(c.delta), shown(c.schedule), of(c.successes, c.runs), of(c.worse, c.runs)});
  page.table({"process", "distance", "schedule", "successes", "policy worse than at first"}, rows,
             {.caption = "Two hidden layers of six, judged by the function's error."});
}

void norms_table(Report& page, const Results& r) {
  std::map<std::pair<std::int64_t, double>, std::array<std::vector<double>, 4>> by;
  for (const Sampled& s : r.samples) {
    auto& [sup, uniform, greedy, worse] = by[{s.transitions, s.epsilon}];
    sup.push_back(s.sup), uniform.push_back(s.uniform), greedy.push_back(s.greedy), worse.push_back(s.worse);
  }
  std::vector<TableRow> rows;
  for (const auto& [key, x] : by)
    rows.push_back({cat(key.first), cat(key.second), program_text::spread(x[0], 4), program_text::spread(x[1], 4),
                    program_text::spread(x[2], 4), fixed(mean_of(x[3]), 2)});
  page.table({"samples N", "ε", "largest", "uniform", "greedy policy's states", "policy worse than at first"}, rows,
             {.caption = "Final relative errors in three norms, which need not agree on the best ε; and how often the "
                         "policy ends worse than it began."});
}

void agents_table(Report& page, const Results& r) {
  std::vector<TableRow> rows;
  const auto add = [&](const std::string& name, const std::vector<Course>& runs) {
    if (runs.empty()) return;
    std::vector<double> first, best;
    std::int64_t worse = 0;
    for (const Course& c : runs) first.push_back(c.first), best.push_back(c.best), worse += c.last < c.first;
    const double solved = solved_by_half(runs);
    std::vector<double> last;
    for (const Course& c : runs) last.push_back(c.last);
    rows.push_back({name, cat(runs.size()), fixed(interquartile_mean(first), 0),
                    with_interval(bootstrap(last, interquartile_mean), 0), fixed(interquartile_mean(best), 0),
                    std::isfinite(solved) ? fixed(solved / 1000, 0) : "–", of(worse, std::int64_t(runs.size()))});
  };
  for (const std::string& e : r.sweep_epsilons) add(shown(e), with_epsilon(r.sweep, e));
  add("published", r.published.runs), add("PQN", r.pqn);
  page.table(
      {"ε", "seeds", "first", "last", "best", "475 by, thousand steps", "policy worse than at first"}, rows,
      {.caption = "Greedy returns: interquartile means over seeds, of the last with the interval of the bootstrap; "
                  "the step by which half of the seeds had reached 475."});
}

void grids_tables(Report& page, const Results& r) {
  std::vector<TableRow> sea, cliff;
  for (const SeaRun& s : r.sea) {
    const auto n = std::int64_t(s.learning.size());
    sea.push_back({cat(s.side), fixed(s.q_star, 3), fixed(median_of(s.uniform), 0),
                   n > 0 ? cat(s.censored > n / 2 ? "≥ " : "", fixed(median_of(s.learning), 0)) : "–",
                   of(s.censored, n), of(s.worse, n)});
  }
  page.table(
      {"side N", "Q* at the start", "episodes, uniform", "episodes, ε 0.1", "given up", "policy worse than at first"},
      sea,
      {.caption = "DeepSea: medians of the episodes to the treasure, and what it is worth by value iteration. The "
                  "policies are those of Q-learning with ε 0.1 when it found the treasure or gave up."});
  std::map<double, std::array<std::vector<double>, 4>> by;
  for (const CliffRun& c : r.cliff) {
    auto& [greedy, behaviour, error, worse] = by[c.epsilon];
    greedy.push_back(c.greedy), behaviour.push_back(c.behaviour), error.push_back(c.error), worse.push_back(c.worse);
  }
  std::size_t runs = 0;
  for (const auto& [epsilon, x] : by) {
    cliff.push_back({cat(epsilon), program_text::spread(x[0], 0), program_text::spread(x[1], 1),
                     program_text::spread(x[2], 3), fixed(mean_of(x[3]), 2)});
    runs = x[0].size();
  }
  page.table({"ε", "greedy return", "behaviour's return", "largest error of Q", "policy worse than at first"}, cliff,
             {.caption = cat("The cliff, Q-learning in a table, 2,000 episodes, ", runs,
                             " runs. The shortest way returns −13; exploration falls off it. Q* is known by value "
                             "iteration.")});
}

/// What the agents of the sweep are, in words.
std::string agents_of(const Control& c) {
  std::string widths;
  for (const std::int64_t w : c.hidden) widths += cat(widths.empty() ? "" : "-", w);
  const double falls = rl::parse_exploration(c.epsilon).length / double(c.steps);
  return cat("Networks ", widths, ", Adam ", c.lr, ", batches of ", c.batch, " every ", c.train_every,
             " steps; the schedule falls over the first ", fixed(100 * falls, 0), " % of ", c.steps, " steps.");
}

}  // namespace

void write_report(const Options& o, const Results& r, const std::vector<Claim>& verdicts,
                  const std::vector<Shown>& cartpole, const std::vector<Shown>& game, double seconds) {
  write_metrics(o, r, verdicts, seconds);
  std::vector<double> last;
  for (const Course& c : r.published.runs) last.push_back(c.last_hundred);
  Report page("Deep Q-networks with ε-greedy exploration",
              "how fast they converge and from how far, shown exactly; and control at full speed");
  page.tiles({{"CartPole, last 100 episodes", fixed(mean_of(last), 1),
               cat(last.size(), " seeds, published settings; CleanRL 488.7")},
              {"training", cat(fixed(r.published.speed() / 1000, 0), "k steps/s"),
               cat("end to end, ", r.speed.threads, " threads; CleanRL 3.4k")},
              {"environment", cat(fixed(r.speed.many * 1e-6, 0), "M steps/s"), "CartPole, one core"},
              {"this report", fixed(seconds, 0) + " s", cat(o.full ? "full" : "quick", ", seed ", o.seed)}});
  page.section("Claims").claims(verdicts);

  page.section("Convergence near the solution");
  page.text(
      "Random processes of 60 states and 4 actions whose optimal action values are those of a small network, exactly. "
      "The algorithm is run in the limit of infinitely many samples, so that its rate can be compared with theory: "
      "near the solution the error shrinks by `ρ(ε)`, the spectral radius of γ H⁻¹ C. The bound of a worst case is "
      "far above it.");
  page.figure(rate_plot(r),
              "Means and ranges over processes. The bound γ/√(1 − ε(1 − 1/|A|)) is no rate: it is often above 1.");
  page.figures({{error_curves(r), "Straight lines on a logarithmic axis: geometric convergence."},
                {sample_plot(r), "With N samples an iteration the error ends at a floor. Ranges over processes."}});
  other_discounts(page, r);
  processes_table(page, r);

  page.section("Region of convergence");
  page.figures({{region_map(r.regions, "Share of starts that converge", &Region::successes),
                 cat("Success: largest error below ", Success::enough, " within ", Success::iterations,
                     " iterations. Large ε converges from farther away.")},
                {region_map(r.regions, "Share of starts whose policy ends worse", &Region::worse),
                 "What the greedy policy is worth in the end, below what it was worth at first."}});
  page.figure(
      decay_curves(r, 0.6),
      "Constant ε (dashed) beside decaying ones, all from one start: the first of the process where most of them "
      "succeed.");
  decays_table(page, r);
  layers_table(page, r);
  norms_table(page, r);

  page.section("CartPole");
  page.figure(
      published_plot(r),
      "Means of the behaviour and interquartile means of greedy returns, with 95 % intervals of the bootstrap over "
      "seeds. Greedy returns come from environments of their own; what CleanRL reports is the behaviour's.");
  page.figures(
      {{sweep_plot(r), agents_of(r.sweep_settings)}, {final_bars(r), "With 95 % intervals of the bootstrap."}});
  page.figure(solved_bars(r), "Where there is no bar, half of the seeds or more never got there.");
  agents_table(page, r);
  for (const Shown& picture : cartpole) page.image(picture.png, picture.caption);

  page.section("Where ε-greedy ends");
  page.figure(sea_plot(r), "The theory is local: it does not say that ε-greedy finds anything. Quartiles over runs.");
  grids_tables(page, r);
  if (!r.game.empty()) {
    page.section("Breakout");
    page.figure(game_plot(r), cat("Sticky actions with probability 0.1; ", r.game.size(),
                                  r.game.size() == 1 ? " seed" : " seeds", ". A random policy returns 0.5."));
    for (const Shown& picture : game) page.image(picture.png, picture.caption);
  }
  page.section("Speed");
  page.figures(
      {{speed_bars(r), "Random actions, float32, resets included."},
       {training_bars(r), cat("All runs: ", r.published.runs.size(), " of them on ", r.speed.threads,
                              " threads, steps over the time that all took. CleanRL's figures are read off its "
                              "documentation.")}});
  page.footer(cat("dqn ", o.full ? "--full" : "--quick", " --seed ", o.seed,
                  o.size < 1 ? cat(" --size ", o.size, ": too small to prove anything") : "", " · ", machine()));
  page.write((std::filesystem::path(o.out) / "report.html").string());
}

}  // namespace dqn
