#include "figures.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>

#include "claims.hpp"
#include "tenzo/stats/bootstrap.hpp"

namespace dqn {

using namespace tenzo;

namespace {

std::vector<double> values_of(const std::vector<Rate>& rates, double gamma, double epsilon, double Rate::*figure) {
  std::vector<double> out;
  for (const Rate& r : rates)
    if (r.gamma == gamma && r.epsilon == epsilon && std::isfinite(r.*figure)) out.push_back(r.*figure);
  return out;
}

/// Where there is no interval, the value alone.
void add_point(plot::Series& s, double x, const Measured& m) {
  s.x.push_back(x), s.y.push_back(m.value);
  s.low.push_back(std::isnan(m.low) ? m.value : m.low), s.high.push_back(std::isnan(m.high) ? m.value : m.high);
}

/// Interquartile mean over seeds of the greedy return, with the interval of the bootstrap.
plot::Series curve(const std::string& name, const std::vector<Course>& courses) {
  plot::Series s{.name = name};
  if (courses.empty()) return s;
  for (std::size_t i = 0; i < courses.front().step.size(); ++i) {
    std::vector<double> x;
    for (const Course& c : courses)
      if (i < c.greedy.size()) x.push_back(c.greedy[i]);
    add_point(s, courses.front().step[i] / 1000, bootstrap(x, interquartile_mean, 400));
  }
  return s;
}

/// Mean over seeds of the running mean of the behaviour's last 20 returns, where the evaluations are, likewise.
plot::Series behaviour(const std::vector<Course>& all) {
  plot::Series s{.name = "behaviour, 20 episodes"};
  if (all.empty()) return s;
  for (const double at : all.front().step) {
    std::vector<double> x;
    for (const Course& c : all) {
      const auto ended = std::size_t(std::ranges::upper_bound(c.episode_end, at) - c.episode_end.begin());
      if (ended >= 20) x.push_back(mean_of(std::span(c.episode_return).first(ended).last(20)));
    }
    if (!x.empty()) add_point(s, at / 1000, bootstrap(x, mean_of, 400));
  }
  return s;
}

}  // namespace

std::vector<Course> with_epsilon(const std::vector<Course>& all, const std::string& epsilon) {
  std::vector<Course> out;
  for (const Course& c : all)
    if (c.epsilon == epsilon) out.push_back(c);
  return out;
}

plot::Lines rate_plot(const Results& r) {
  plot::Lines p{
      .title = "Rate of convergence, γ 0.8", .x = {"ε"}, .y = {.title = "error of an iteration over that before"}};
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

plot::HeatMap region_map(const std::vector<Region>& cells, const char* title, int Region::*count) {
  std::map<std::pair<double, double>, std::pair<double, double>> shares;  // of (δ, ε): counted, runs
  std::set<double> deltas, epsilons;
  for (const Region& c : cells) {
    deltas.insert(c.delta), epsilons.insert(c.epsilon);
    auto& [counted, runs] = shares[{c.delta, c.epsilon}];
    counted += c.*count, runs += c.runs;
  }
  plot::HeatMap m{.title = title,
                  .x = {"ε"},
                  .y = {"distance δ of the start"},
                  .rows = std::int64_t(deltas.size()),
                  .columns = std::int64_t(epsilons.size()),
                  .value_title = "share of runs",
                  .low = 0,
                  .high = 1,
                  .numbers = true};
  for (auto d = deltas.rbegin(); d != deltas.rend(); ++d) {
    m.row_names.push_back(cat(*d));
    for (const double e : epsilons) m.values.push_back(shares[{*d, e}].first / shares[{*d, e}].second);
  }
  for (const double e : epsilons) m.column_names.push_back(cat(e));
  return m;
}

// Of the process in which most schedules come to the solution from this distance, all from its first start.
plot::Lines decay_curves(const Results& r, double delta) {
  std::map<std::int64_t, int> reached;
  for (const Region& c : r.decays)
    if (c.delta == delta) reached[c.mdp] += c.errors.back() < Success::enough;
  const auto most = std::ranges::max_element(reached, {}, [](const auto& each) { return each.second; });
  plot::Lines p{.title = cat("One process, from distance ", delta),
                .x = {"outer iteration"},
                .y = {.title = "largest error, relative", .log = true}};
  for (const Region& c : r.decays)
    if (most != reached.end() && c.mdp == most->first && c.delta == delta)
      p.series.push_back({.name = shown(c.schedule), .y = c.errors, .dashed = !std::isnan(c.epsilon)});
  p.references = {{.value = Success::enough, .label = "success"}};
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

plot::Lines published_plot(const Results& r) {
  plot::Lines p{
      .title = "CartPole, published settings", .x = {"steps", "thousands"}, .y = {.title = "return", .low = 0}};
  p.series = {behaviour(r.published.runs), curve("greedy", r.published.runs)};
  p.series.push_back({.name = "CleanRL (read off its figure)",
                      .x = {100, 145, 170, 200, 237, 270, 320, 480},
                      .y = {60, 125, 200, 300, 400, 475, 500, 470},
                      .style = plot::Series::Style::points,
                      .muted = true});
  if (!r.pqn.empty()) {
    plot::Series s = curve("PQN, greedy", r.pqn);
    s.dashed = true;
    p.series.push_back(s);
  }
  p.references = {{.value = 475, .label = "solved"}};
  return p;
}

plot::Lines sweep_plot(const Results& r) {
  plot::Lines p{.title = "CartPole by ε", .x = {"steps", "thousands"}, .y = {.title = "greedy return", .low = 0}};
  for (const std::string& e : r.sweep_epsilons) p.series.push_back(curve(shown(e), with_epsilon(r.sweep, e)));
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
  const auto add = [&](const std::string& name, const std::vector<Course>& runs) {
    const double steps = solved_by_half(runs);
    b.categories.push_back(name), s.value.push_back(std::isfinite(steps) ? steps / 1000 : NAN);
  };
  for (const std::string& e : r.sweep_epsilons) add(shown(e), with_epsilon(r.sweep, e));
  add("published", r.published.runs);
  b.series = {s};
  return b;
}

plot::Lines game_plot(const Results& r) {
  plot::Lines p{.title = "MinAtar's Breakout", .x = {"frames", "thousands"}, .y = {.title = "return", .low = 0}};
  p.series = {behaviour(r.game), curve("greedy", r.game)};
  p.references = {{.value = 0.5, .label = "random policy"}};
  return p;
}

plot::Lines sea_plot(const Results& r) {
  plot::Lines p{.title = "DeepSea: episodes to the first reward",
                .x = {"side N"},
                .y = {.title = "episodes, median", .log = true}};
  plot::Series uniform{.name = "uniform actions", .style = plot::Series::Style::both},
      learning{.name = "Q-learning, ε 0.1 (given up at the top)", .style = plot::Series::Style::both},
      law{.name = "2^N log 2", .dashed = true, .muted = true};
  for (const SeaRun& s : r.sea) {
    std::vector<double> sorted = s.uniform;
    std::ranges::sort(sorted);
    uniform.x.push_back(s.side), uniform.y.push_back(quantile_of_sorted(sorted, 0.5));
    uniform.low.push_back(quantile_of_sorted(sorted, 0.25)), uniform.high.push_back(quantile_of_sorted(sorted, 0.75));
    if (!s.learning.empty()) learning.x.push_back(s.side), learning.y.push_back(median_of(s.learning));
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
          .categories = {"here, all runs", "here, one run", "CleanRL, torch", "CleanRL, JAX"},
          .series = {{.name = "published settings",
                      .value = {r.published.speed() / 1000, mean_speed(r.published.runs) / 1000, 3.4, 6.6}}}};
}

}  // namespace dqn
