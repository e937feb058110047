#include "report.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "../shared/text.hpp"
#include "claims.hpp"
#include "tenzo/io/metrics.hpp"
#include "tenzo/io/process.hpp"
#include "tenzo/io/report.hpp"
#include "tenzo/stats/bootstrap.hpp"

namespace dqn {

using namespace tenzo;
using program_text::fixed;

namespace {

std::vector<double> values_of(const std::vector<Rate>& rates, double gamma, double epsilon, double Rate::*figure) {
  std::vector<double> out;
  for (const Rate& r : rates)
    if (r.gamma == gamma && r.epsilon == epsilon && std::isfinite(r.*figure)) out.push_back(r.*figure);
  return out;
}

plot::Lines rate_plot(const Results& r) {
  plot::Lines p{.title = "Rate of convergence, γ 0.8",
                .x = {"ε"},
                .y = {.title = "error of an iteration over that before", .low = 0.7, .high = 1.35}};
  std::set<double> epsilons;
  for (const Rate& each : r.rates)
    if (each.gamma == 0.8) epsilons.insert(each.epsilon);
  const auto line = [&](const std::string& name, double Rate::*figure, bool points, bool dashed) {
    plot::Series s{
        .name = name, .style = points ? plot::Series::Style::points : plot::Series::Style::line, .dashed = dashed};
    for (const double e : epsilons) {
      const auto x = values_of(r.rates, 0.8, e, figure);
      if (x.empty()) continue;
      const auto [low, high] = std::ranges::minmax(x);
      s.x.push_back(e), s.y.push_back(mean_of(x));
      s.low.push_back(low), s.high.push_back(high);
    }
    return s;
  };
  p.series = {line("ρ(ε)", &Rate::rho, false, false), line("measured, last 15", &Rate::tail, true, false),
              line("norm in H", &Rate::norm, false, false), line("bound", &Rate::bound, false, true)};
  p.references = {{.value = 1, .label = "no convergence is guaranteed above"}};
  return p;
}

plot::HeatMap region_map(const std::vector<Region>& cells) {
  std::set<double> deltas, epsilons;
  for (const Region& c : cells) deltas.insert(c.delta), epsilons.insert(c.epsilon);
  plot::HeatMap m{.title = "Share of starts that converge",
                  .x = {"ε"},
                  .y = {"distance δ of the start"},
                  .rows = std::int64_t(deltas.size()),
                  .columns = std::int64_t(epsilons.size()),
                  .value_title = "successes / runs",
                  .low = 0,
                  .high = 1,
                  .numbers = true};
  for (auto d = deltas.rbegin(); d != deltas.rend(); ++d) {
    m.row_names.push_back(cat(*d));
    for (const double e : epsilons) m.values.push_back(success(cells, *d, e));
  }
  for (const double e : epsilons) m.column_names.push_back(cat(e));
  return m;
}

/// Curves of the process in which most schedules come to the solution from this distance, all from its first start.
plot::Lines decay_curves(const Results& r, double delta) {
  std::map<std::int64_t, int> reached;
  for (const Region& c : r.decays)
    if (c.delta == delta) reached[c.mdp] += c.errors.back() < 1e-3;
  const auto most = std::ranges::max_element(reached, {}, [](const auto& each) { return each.second; });
  plot::Lines p{.title = cat("One process, from distance ", delta),
                .x = {"outer iteration"},
                .y = {.title = "largest error, relative", .log = true}};
  for (const Region& c : r.decays)
    if (most != reached.end() && c.mdp == most->first && c.delta == delta)
      p.series.push_back({.name = shown(c.schedule), .y = c.errors, .dashed = !std::isnan(c.epsilon)});
  p.references = {{.value = 1e-3, .label = "success"}};
  return p;
}

plot::Lines error_curves(const Results& r) {
  plot::Lines p{.title = "Near the solution, one process",
                .x = {"outer iteration"},
                .y = {.title = "largest error, relative", .log = true}};
  for (const Rate& each : r.rates)
    if (each.mdp == 0 && each.gamma == 0.8 &&
        (each.epsilon == 0.05 || each.epsilon == 0.2 || each.epsilon == 0.6 || each.epsilon == 1))
      p.series.push_back({.name = cat("ε ", each.epsilon), .y = each.errors});
  return p;
}

plot::Lines sample_plot(const Results& r) {
  plot::Lines p{.title = "Final error by samples, ε 0.3",
                .x = {.title = "samples N of an iteration", .log = true},
                .y = {.title = "relative error", .log = true}};
  const auto line = [&](const std::string& name, double Sampled::*figure) {
    std::map<double, std::vector<double>> by;
    for (const Sampled& s : r.samples)
      if (s.epsilon == 0.3) by[double(s.transitions)].push_back(s.*figure);
    plot::Series s{.name = name, .style = plot::Series::Style::both};
    for (const auto& [n, x] : by) {
      const auto [low, high] = std::ranges::minmax(x);
      s.x.push_back(n), s.y.push_back(mean_of(x)), s.low.push_back(low), s.high.push_back(high);
    }
    return s;
  };
  p.series = {line("uniform", &Sampled::uniform), line("largest", &Sampled::sup),
              line("greedy policy's states", &Sampled::greedy)};
  plot::Series half{.name = "N^(-1/2)", .dashed = true, .muted = true};
  const plot::Series& first = p.series[0];
  for (std::size_t i = 0; i < first.x.size(); ++i)
    half.x.push_back(first.x[i]), half.y.push_back(first.y[0] * std::sqrt(first.x[0] / first.x[i]));
  p.series.push_back(half);
  return p;
}

/// Mean greedy return over seeds, with the interval of the bootstrap.
plot::Series curve(const std::string& name, const std::vector<const Course*>& courses) {
  plot::Series s{.name = name};
  if (courses.empty()) return s;
  for (std::size_t i = 0; i < courses.front()->step.size(); ++i) {
    std::vector<double> x;
    for (const Course* c : courses)
      if (i < c->greedy.size()) x.push_back(c->greedy[i]);
    const Measured m = bootstrap(x, interquartile_mean, 400);
    s.x.push_back(courses.front()->step[i] / 1000), s.y.push_back(m.value);
    s.low.push_back(std::isnan(m.low) ? m.value : m.low), s.high.push_back(std::isnan(m.high) ? m.value : m.high);
  }
  return s;
}

std::vector<const Course*> with(const std::vector<Course>& all, const std::string& epsilon) {
  std::vector<const Course*> out;
  for (const Course& c : all)
    if (c.epsilon == epsilon) out.push_back(&c);
  return out;
}

/// Running mean of the behaviour's returns, on a grid of steps.
plot::Series behaviour(const std::vector<Course>& all) {
  plot::Series s{.name = "behaviour, 20 episodes"};
  for (double at = 5000; at <= 500000; at += 5000) {
    std::vector<double> x;
    for (const Course& c : all) {
      std::vector<double> last;
      for (std::size_t i = 0; i < c.episode_end.size(); ++i)
        if (c.episode_end[i] <= at) last.push_back(c.episode_return[i]);
      if (last.size() >= 20) x.push_back(mean_of(std::span(last).last(20)));
    }
    if (x.empty()) continue;
    const Measured m = mean_interval(x);
    s.x.push_back(at / 1000), s.y.push_back(m.value);
    s.low.push_back(std::isnan(m.low) ? m.value : m.low), s.high.push_back(std::isnan(m.high) ? m.value : m.high);
  }
  return s;
}

plot::Lines published_plot(const Results& r) {
  plot::Lines p{.title = "CartPole, published settings",
                .x = {"steps", "thousands"},
                .y = {.title = "return", .low = 0, .high = 520}};
  std::vector<const Course*> all;
  for (const Course& c : r.published) all.push_back(&c);
  p.series = {behaviour(r.published), curve("greedy", all)};
  p.series.push_back({.name = "CleanRL (read off its figure)",
                      .x = {100, 145, 170, 200, 237, 270, 320, 480},
                      .y = {60, 125, 200, 300, 400, 475, 500, 470},
                      .style = plot::Series::Style::points,
                      .muted = true});
  if (!r.pqn.empty()) {
    std::vector<const Course*> others;
    for (const Course& c : r.pqn) others.push_back(&c);
    plot::Series s = curve("PQN, greedy", others);
    s.dashed = true;
    p.series.push_back(s);
  }
  p.references = {{.value = 475, .label = "solved"}};
  return p;
}

plot::Lines sweep_plot(const Results& r) {
  plot::Lines p{
      .title = "CartPole by ε", .x = {"steps", "thousands"}, .y = {.title = "greedy return", .low = 0, .high = 520}};
  for (const std::string& e : r.sweep_epsilons) p.series.push_back(curve(shown(e), with(r.sweep, e)));
  return p;
}

plot::Bars final_bars(const Results& r) {
  plot::Bars b{.title = "Final greedy return"};
  plot::BarSeries s{.name = "interquartile mean over seeds"};
  for (const std::string& e : r.sweep_epsilons) {
    const Measured m = final_return(r.sweep, e);
    b.categories.push_back(shown(e));
    s.value.push_back(m.value), s.low.push_back(std::isnan(m.low) ? m.value : m.low),
        s.high.push_back(std::isnan(m.high) ? m.value : m.high);
  }
  b.series = {s};
  return b;
}

plot::Bars solved_bars(const Results& r) {
  plot::Bars b{.title = "Steps to a greedy return of 475, thousands"};
  plot::BarSeries s{.name = "median over seeds; none: never"};
  const auto median = [](const std::vector<const Course*>& all) {
    std::vector<double> x;
    for (const Course* c : all) x.push_back(std::isnan(c->solved) ? INFINITY : c->solved / 1000);
    std::ranges::sort(x);
    const double m = quantile_of_sorted(x, 0.5);
    return std::isfinite(m) ? m : NAN;
  };
  for (const std::string& e : r.sweep_epsilons)
    b.categories.push_back(shown(e)), s.value.push_back(median(with(r.sweep, e)));
  std::vector<const Course*> all;
  for (const Course& c : r.published) all.push_back(&c);
  b.categories.push_back("published"), s.value.push_back(median(all));
  b.series = {s};
  return b;
}

plot::Lines sea_plot(const Results& r) {
  plot::Lines p{.title = "DeepSea: episodes to the first reward",
                .x = {"side N"},
                .y = {.title = "episodes, median", .log = true}};
  plot::Series uniform{.name = "uniform actions", .style = plot::Series::Style::both},
      learning{.name = "Q-learning, ε 0.1 (given up at the top)", .style = plot::Series::Style::both},
      law{.name = "2^N log 2", .dashed = true, .muted = true};
  for (const SeaRun& s : r.sea) {
    uniform.x.push_back(s.side), uniform.y.push_back(s.uniform), uniform.low.push_back(s.least),
        uniform.high.push_back(s.most);
    if (std::isfinite(s.learning)) learning.x.push_back(s.side), learning.y.push_back(s.learning);
    law.x.push_back(s.side), law.y.push_back(std::exp2(double(s.side)) * std::log(2.0));
  }
  p.series = {uniform, learning, law};
  return p;
}

plot::Bars speed_bars(const Results& r) {
  return {.title = "CartPole, million steps/s",
          .categories = {"1 environment", "1024, one thread", cat("8192, ", r.speed.threads, " threads"),
                         "PufferLib, one core (its own figure)"},
          .series = {{.name = "environment alone",
                      .value = {r.speed.one * 1e-6, r.speed.many * 1e-6, r.speed.all * 1e-6, 5}}}};
}
plot::Bars training_bars(const Results& r) {
  return {.title = "DQN end to end, thousand steps/s",
          .categories = {"here", "CleanRL, torch", "CleanRL, JAX"},
          .series = {{.name = "published settings", .value = {r.speed.end_to_end / 1000, 3.4, 6.6}}}};
}

void write_metrics(const Options& o, const Results& r, const std::vector<Claim>& verdicts, double seconds) {
  Metrics m;
  m.example = "dqn";
  m.mode = o.full ? "full" : "quick";
  m.seed = o.seed, m.wall_seconds = seconds, m.peak_rss_bytes = std::int64_t(peak_memory());
  m.claims = verdicts;
  for (const Rate& each : r.rates) {
    const std::string at = cat("rate/gamma", each.gamma, "/mdp", each.mdp, "/eps", each.epsilon, '/');
    m.set(at + "rho", each.rho), m.set(at + "norm", each.norm), m.set(at + "bound", each.bound);
    m.set(at + "tail", each.tail), m.set(at + "early", each.early), m.set(at + "r2", each.whole_r2);
  }
  for (const auto& [name, cells] : {std::pair{"region", &r.regions}, {"decay", &r.decays}, {"two_layers", &r.layered}})
    for (const Region& c : *cells) {
      const std::string at = cat(name, "/mdp", c.mdp, "/delta", c.delta, '/', c.schedule, '/');
      m.set(at + "successes", c.successes), m.set(at + "runs", c.runs), m.set(at + "iterations", c.iterations);
    }
  for (const Sampled& s : r.samples) {
    const std::string at = cat("samples/mdp", s.mdp, "/n", s.transitions, "/eps", s.epsilon, '/');
    m.set(at + "sup", s.sup), m.set(at + "uniform", s.uniform), m.set(at + "greedy", s.greedy);
  }
  for (const auto& [name, courses] :
       {std::pair{"cartpole", &r.published}, {"sweep", &r.sweep}, {"pqn", &r.pqn}, {"breakout", &r.game}})
    for (const Course& c : *courses) {
      const std::string at = cat(name, '/', c.epsilon, "/seed", c.seed, '/');
      m.set(at + "last100", c.last_hundred), m.set(at + "greedy", c.last), m.set(at + "best", c.best);
      m.set(at + "first", c.first), m.set(at + "solved", c.solved), m.set(at + "seconds", c.seconds);
    }
  for (const SeaRun& s : r.sea)
    m.set(cat("deepsea/", s.side, "/uniform"), s.uniform), m.set(cat("deepsea/", s.side, "/learning"), s.learning);
  for (const CliffRun& c : r.cliff)
    m.set(cat("cliff/", c.epsilon, "/greedy"), c.greedy), m.set(cat("cliff/", c.epsilon, "/behaviour"), c.behaviour);
  m.set("speed/one", r.speed.one), m.set("speed/many", r.speed.many), m.set("speed/all", r.speed.all);
  m.set("speed/end_to_end", r.speed.end_to_end), m.set("speed/update", r.speed.update);
  m.set("speed/scaling", r.speed.scaling), m.set("speed/gflops", r.speed.gflops);
  m.write((std::filesystem::path(o.out) / "metrics.json").string());
}

}  // namespace

void write_report(const Options& o, const Results& r, const std::vector<Claim>& verdicts,
                  const std::vector<std::pair<std::string, std::string>>& episodes, double seconds) {
  write_metrics(o, r, verdicts, seconds);
  std::vector<double> last;
  for (const Course& c : r.published) last.push_back(c.last_hundred);
  Report page("Deep Q-networks with ε-greedy exploration",
              "how fast they converge and from how far, shown exactly; and control at full speed");
  page.tiles({{"CartPole, last 100 episodes", fixed(mean_of(last), 1),
               cat(last.size(), " seeds, published settings; CleanRL 488.7")},
              {"training", cat(fixed(r.speed.end_to_end / 1000, 0), "k steps/s"), "end to end; CleanRL 3.4k"},
              {"environment", cat(fixed(r.speed.many * 1e-6, 0), "M steps/s"), "CartPole, one core"},
              {"this report", fixed(seconds, 0) + " s", cat(o.full ? "full" : "quick", ", seed ", o.seed)}});
  page.section("Claims").claims(verdicts);

  page.section("Convergence near the solution");
  page.text(
      "Random processes of 60 states and 4 actions whose optimal action values are those of a small network, exactly. "
      "The "
      "algorithm is run in the limit of infinitely many samples, so that its rate can be compared with theory: near "
      "the "
      "solution the error shrinks by `ρ(ε)`, the spectral radius of γ H⁻¹ C. The bound of a worst case is far above "
      "it.");
  page.figure(rate_plot(r),
              "Means and ranges over processes. The bound γ/√(1 − ε(1 − 1/|A|)) is no rate: it is often above 1.");
  page.figures({{error_curves(r), "Straight lines on a logarithmic axis: geometric convergence."},
                {sample_plot(r), "With N samples an iteration the error ends at a floor. Ranges over processes."}});

  page.section("Region of convergence");
  page.figures(
      {{region_map(r.regions),
        "Success: largest error below 1e-3 within 70 iterations. Large ε converges from farther away."},
       {decay_curves(r, 0.6),
        "Constant ε (dashed) beside decaying ones, all from one start: the first of the process where most of them "
        "succeed."}});
  std::vector<TableRow> rows;
  std::set<double> deltas;
  std::vector<std::string> schedules;
  for (const Region& c : r.decays) {
    deltas.insert(c.delta);
    if (std::ranges::find(schedules, c.schedule) == schedules.end()) schedules.push_back(c.schedule);
  }
  for (const double d : deltas)
    for (const std::string& s : schedules)
      rows.push_back({cat(d), shown(s), fixed(success(r.decays, d, s), 2),
                      fixed(mean_of_cells(r.decays, d, s, &Region::iterations), 1),
                      fixed(mean_of_cells(r.decays, d, s, &Region::tail), 3)});
  page.table({"distance", "schedule", "successes", "iterations", "tail rate"}, rows,
             {.caption = "Decay keeps the region of ε 1 and has the speed of a small ε: the paper's message. "
                         "Iterations and tail rates are means over successes."});
  if (!r.layered.empty()) {
    std::vector<TableRow> deep;
    for (const Region& c : r.layered)
      deep.push_back({cat(c.mdp), cat(c.delta), shown(c.schedule), cat(c.successes, " of ", c.runs)});
    page.table({"process", "distance", "schedule", "successes"}, deep,
               {.caption = "Two hidden layers of six, judged by the function's error."});
  }
  std::vector<TableRow> metrics;
  std::map<std::pair<std::int64_t, double>, std::array<std::vector<double>, 4>> by;
  for (const Sampled& s : r.samples) {
    auto& [sup, uniform, greedy, worse] = by[{s.transitions, s.epsilon}];
    sup.push_back(s.sup), uniform.push_back(s.uniform), greedy.push_back(s.greedy), worse.push_back(s.worse);
  }
  for (const auto& [key, x] : by)
    metrics.push_back({cat(key.first), cat(key.second), program_text::spread(x[0], 4), program_text::spread(x[1], 4),
                       program_text::spread(x[2], 4), fixed(mean_of(x[3]), 2)});
  page.table({"samples N", "ε", "largest", "uniform", "greedy policy's states", "policy worse than at first"}, metrics,
             {.caption = "Final relative errors in three norms, which need not agree on the best ε; and how often the "
                         "policy ends worse than it began."});

  page.section("CartPole");
  page.figure(published_plot(r),
              "Bands are 95 % intervals over seeds. Greedy returns come from environments of their own; what CleanRL "
              "reports is the behaviour's.");
  page.figures({{sweep_plot(r), "Networks 64-64, Adam 1e-3; the schedule falls over 30 % of the steps."},
                {final_bars(r), "With 95 % intervals of the bootstrap."}});
  page.figure(solved_bars(r), "Where there is no bar, half of the seeds or more never got there.");
  for (const auto& [png, caption] : episodes) page.image(png, caption);

  page.section("Where ε-greedy ends");
  page.figure(sea_plot(r), "The theory is local: it does not say that ε-greedy finds anything. Quartiles over runs.");
  std::vector<TableRow> cliff;
  for (const CliffRun& c : r.cliff)
    cliff.push_back({cat(c.epsilon), fixed(c.greedy, 0), fixed(c.behaviour, 1), fixed(c.error, 3)});
  page.table({"ε", "greedy return", "behaviour's return", "largest error of Q"}, cliff,
             {.caption = "The cliff, Q-learning in a table, 2,000 episodes. The shortest way returns −13; exploration "
                         "falls off it. Q* is known by value iteration."});
  if (!r.game.empty()) {
    page.section("Breakout");
    plot::Lines p{.title = "MinAtar's Breakout", .x = {"frames", "thousands"}, .y = {"greedy return"}};
    for (const Course& c : r.game) {
      plot::Series s{.name = cat("seed ", c.seed), .y = c.greedy};
      for (const double at : c.step) s.x.push_back(at / 1000);
      p.series.push_back(s);
    }
    page.figure(p, "Sticky actions with probability 0.1. A random policy returns 0.5.");
  }
  page.section("Speed");
  page.figures({{speed_bars(r), "Random actions, float32, resets included."},
                {training_bars(r), "One run a thread. CleanRL's figures are read off its documentation."}});
  page.footer(cat("dqn ", o.full ? "--full" : "--quick", " --seed ", o.seed));
  page.write((std::filesystem::path(o.out) / "report.html").string());
}

}  // namespace dqn
