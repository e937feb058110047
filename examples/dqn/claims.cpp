#include "claims.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include "../shared/claims.hpp"
#include "../shared/text.hpp"
#include "tenzo/core/error.hpp"
#include "tenzo/stats/bootstrap.hpp"

namespace dqn {

using namespace tenzo;
using program_claims::log_slope;
using program_text::fixed;

namespace {

template <class Keep>
double share_of(const std::vector<Region>& cells, Keep&& keep) {
  double successes = 0, runs = 0;
  for (const Region& c : cells)
    if (keep(c)) successes += c.successes, runs += c.runs;
  return runs > 0 ? successes / runs : NAN;
}

/// The difference of two shares of successes with Student's interval over processes.
template <class A, class B>
Measured difference(const std::vector<Region>& cells, A&& first, B&& second) {
  std::set<std::int64_t> processes;
  for (const Region& c : cells) processes.insert(c.mdp);
  std::vector<double> each;
  for (const std::int64_t k : processes)
    each.push_back(share_of(cells, [&](const Region& c) { return c.mdp == k && first(c); }) -
                   share_of(cells, [&](const Region& c) { return c.mdp == k && second(c); }));
  return mean_interval(each);
}

auto cell(double delta, double epsilon) {
  return [=](const Region& c) { return c.delta == delta && c.epsilon == epsilon; };
}

std::array<double, 2> ends(const Measured& m) { return {m.low, m.high}; }

Claim geometric(const Results& r) {
  Claim c{.id = "C1",
          .statement =
              "Errors fall geometrically: in the limit of samples, log error is straight in t (R² ≥ 0.93 in all, "
              "≥ 0.999 at the end) in nine of ten processes",
          .threshold = 0.9,
          .relation = "≥"};
  std::map<std::int64_t, bool> straight;
  double least_whole = 1, least_last = 1;
  for (const Rate& each : r.rates) {
    if (each.gamma != 0.8 || (each.epsilon != 0.2 && each.epsilon != 1)) continue;
    straight.emplace(each.mdp, true);
    const bool is = each.whole_r2 >= 0.93 && each.last_r2 >= 0.999;
    straight[each.mdp] = straight[each.mdp] && is;
    if (std::isfinite(each.whole_r2)) least_whole = std::min(least_whole, each.whole_r2);
    if (std::isfinite(each.last_r2)) least_last = std::min(least_last, each.last_r2);
  }
  double good = 0;
  for (const auto& [mdp, is] : straight) good += is;
  c.value = good / double(straight.size()), c.seeds = int(straight.size());
  c.holds = c.value >= c.threshold;
  c.reason = cat("least R²: ", fixed(least_whole, 3), " in all, ", fixed(least_last, 4),
                 " over the last 20 iterations; ε 0.2 and 1, from distance 0.02 to an error of 1e-8");
  return c;
}

Claim rate_theory(const Results& r) {
  Claim c{.id = "C2",
          .statement =
              "The rate worsens with ε as theory says: the tail's rate is ρ(ε) within 0.003, is at least 0.03 "
              "larger at ε 1 than at 0.2 in every process, and ρ ≤ norm ≤ bound",
          .threshold = 0.03,
          .relation = "≥"};
  double off = 0;
  bool ordered = true, whole = true;
  std::map<std::int64_t, double> fast, slow;
  for (const Rate& each : r.rates) {
    if (std::isfinite(each.rho))
      ordered = ordered && each.rho <= each.norm * (1 + 1e-9) && each.norm <= each.bound * (1 + 1e-9);
    if (each.gamma != 0.8) continue;
    if (each.epsilon == 0.2 || each.epsilon == 1) {
      whole = whole && std::isfinite(each.tail);
      if (std::isfinite(each.tail)) off = std::max(off, std::abs(each.tail - each.rho));
    }
    if (each.epsilon == 0.2) fast[each.mdp] = each.tail;
    if (each.epsilon == 1) slow[each.mdp] = each.tail;
  }
  std::vector<double> gaps;
  for (const auto& [mdp, rate] : fast) gaps.push_back(slow[mdp] - rate);
  c.value = *std::ranges::min_element(gaps), c.seeds = int(gaps.size());
  c.ci95 = ends(mean_interval(gaps));
  c.holds = whole && ordered && off <= 0.003 && c.value >= c.threshold;
  c.reason =
      cat("largest |rate − ρ| ", fixed(off, 5), "; the least of the differences of rates is judged, their mean is ",
          fixed(mean_of(gaps), 3), ordered ? "; ρ ≤ norm ≤ bound throughout" : "; ρ ≤ norm ≤ bound is violated");
  return c;
}

Claim region_grows(const Results& r) {
  const Measured near = difference(r.regions, cell(0.3, 0.2), cell(0.3, 0)),
                 far = difference(r.regions, cell(0.6, 1), cell(0.6, 0.05));
  Claim c{.id = "C3",
          .statement =
              "The region of convergence grows with ε: successes from distance 0.3 with ε 0.2 exceed those with 0 "
              "by 0.5, from 0.6 with ε 1 those with 0.05 by 0.4",
          .value = near.value,
          .threshold = 0.5,
          .ci95 = ends(near),
          .relation = "≥"};
  std::set<std::int64_t> processes;
  for (const Region& each : r.regions) processes.insert(each.mdp);
  c.seeds = int(processes.size());
  c.holds = near.value >= 0.5 && far.value >= 0.4;
  c.reason =
      cat("at 0.3: ", fixed(success(r.regions, 0.3, 0.2), 2), " against ", fixed(success(r.regions, 0.3, 0.0), 2),
          "; at 0.6: ", fixed(success(r.regions, 0.6, 1.0), 2), " against ", fixed(success(r.regions, 0.6, 0.05), 2),
          ", difference ", fixed(far.value, 2), " (want 0.4)");
  return c;
}

Claim decay_gets_both(const Results& r) {
  const std::string slow = "constant:1", decay = "geometric:1:0.02:0.9";
  const double rate = success(r.decays, 0.6, decay), all = success(r.decays, 0.6, slow);
  const double iterations = mean_of_cells(r.decays, 0.6, decay, &Region::iterations) /
                            mean_of_cells(r.decays, 0.6, slow, &Region::iterations);
  const double tail =
      mean_of_cells(r.decays, 0.6, slow, &Region::tail) - mean_of_cells(r.decays, 0.6, decay, &Region::tail);
  Claim c{.id = "C4",
          .statement =
              "A decaying ε (1 → 0.02, × 0.9) has the region of ε 1 (within 0.1) and converges sooner (× 0.85) and "
              "faster in the end (by 0.03)",
          .value = iterations,
          .threshold = 0.85,
          .relation = "≤"};
  std::set<std::int64_t> processes;
  for (const Region& each : r.decays) processes.insert(each.mdp);
  c.seeds = int(processes.size());
  c.holds = rate >= all - 0.1 && iterations <= 0.85 && tail >= 0.03;
  c.reason = cat("from distance 0.6: successes ", fixed(rate, 2), " against ", fixed(all, 2), "; iterations × ",
                 fixed(iterations, 2), "; tail rate lower by ", fixed(tail, 3));
  return c;
}

Claim samples(const Results& r) {
  std::map<std::int64_t, std::pair<std::vector<double>, std::vector<double>>> by;
  for (const Sampled& s : r.samples) {
    if (s.epsilon != 0.3) continue;
    by[s.mdp].first.push_back(double(s.transitions)), by[s.mdp].second.push_back(s.uniform);
  }
  std::vector<double> slopes;
  for (const auto& [mdp, xy] : by) slopes.push_back(log_slope(xy.first, xy.second));
  const Measured m = mean_interval(slopes);
  Claim c{.id = "C5",
          .statement = "The final error falls as N^(-1/2): its slope by log N is in [-0.62, -0.35]",
          .value = m.value,
          .threshold = -0.35,
          .seeds = int(slopes.size()),
          .ci95 = ends(m),
          .relation = "≤"};
  c.holds = m.value >= -0.62 && m.value <= -0.35;
  c.reason = cat("mean slope of ", slopes.size(), " processes, N from 250 to 16,000, ε 0.3");
  return c;
}

Claim metrics_disagree(const Results& r) {
  std::vector<double> few, many, few_greedy, many_greedy;
  for (const Sampled& s : r.samples) {
    if (s.transitions != 4000) continue;
    if (s.epsilon <= 0.05) few.push_back(s.uniform), few_greedy.push_back(s.greedy);
    if (s.epsilon == 0.5) many.push_back(s.uniform), many_greedy.push_back(s.greedy);
  }
  Claim c{.id = "C6",
          .statement =
              "What is faster depends on the metric: with N 4000 samples the uniform error is larger for ε ≤ 0.05 "
              "than for ε 0.5",
          .value = mean_of(few) / mean_of(many),
          .threshold = 1,
          .seeds = int(many.size()),
          .relation = ">"};
  c.holds = c.value > 1;
  c.reason = cat("uniform: ", fixed(mean_of(few), 4), " against ", fixed(mean_of(many), 4),
                 "; weighted by the greedy "
                 "policy's states: ",
                 fixed(mean_of(few_greedy), 4), " against ", fixed(mean_of(many_greedy), 4));
  return c;
}

Claim cartpole(const Results& r) {
  std::vector<double> last, solved;
  for (const Course& c : r.published) {
    last.push_back(c.last_hundred);
    solved.push_back(std::isnan(c.solved) ? INFINITY : c.solved);
  }
  const Measured m = mean_interval(last);
  std::ranges::sort(solved);
  const double median = quantile_of_sorted(solved, 0.5);
  Claim c{.id = "C7",
          .statement =
              "CartPole with published settings: the last 100 episodes return 460 or more on average, the interval "
              "overlaps 488.7 ± 16.1, and half of the runs first reach 475 between 180k and 350k steps",
          .value = m.value,
          .threshold = 460,
          .seeds = int(last.size()),
          .ci95 = ends(m),
          .relation = "≥"};
  const bool overlaps = m.low <= 488.7 + 16.1 && m.high >= 488.7 - 16.1;
  c.holds = m.value >= 460 && overlaps && median >= 180000 && median <= 350000;
  c.reason = cat("median of the first evaluation of 475: ", median / 1000,
                 "k steps; CleanRL's curve is there at about 270k", overlaps ? "" : "; the intervals do not overlap");
  return c;
}

Claim inverted_u(const Results& r) {
  Claim c{.id = "C8",
          .statement =
              "Some exploration is best: with constant ε the final greedy return has its maximum inside (0, 1), 50 "
              "above both ends with intervals apart, and the decaying schedule is within 25 of it",
          .threshold = 50,
          .relation = "≥"};
  Measured best, zero, one, decayed;
  std::string best_name;
  for (const std::string& name : r.sweep_epsilons) {
    const Measured m = final_return(r.sweep, name);
    if (name == "constant:0") zero = m;
    else if (name == "constant:1") one = m;
    else if (name.starts_with("linear")) decayed = m;
    else if (std::isnan(best.value) || m.value > best.value) best = m, best_name = name;
  }
  for (const Course& each : r.sweep) c.seeds = std::max(c.seeds, int(each.seed - r.sweep.front().seed) + 1);
  c.value = best.value - std::max(zero.value, one.value);
  const bool apart = best.low > std::max(zero.high, one.high);
  c.holds = c.value >= 50 && apart && decayed.value >= std::max({best.value, zero.value, one.value}) - 25;
  const auto with = [](const Measured& m) {
    return cat(fixed(m.value, 0), " (", fixed(m.low, 0), " to ", fixed(m.high, 0), ")");
  };
  c.reason = cat("ε 0: ", with(zero), "; ", shown(best_name), ": ", with(best), "; ε 1: ", with(one),
                 "; decaying: ", with(decayed), c.holds ? "" : ". Not reproduced with these seeds");
  return c;
}

Claim deep_sea(const Results& r) {
  std::vector<double> x, y;
  double ratio = NAN;
  for (const SeaRun& s : r.sea) {
    if (s.side <= 10) x.push_back(std::exp2(double(s.side))), y.push_back(s.uniform);
    if (s.side == 8) ratio = s.learning / s.uniform;
  }
  Claim c{.id = "C9",
          .statement =
              "ε-greedy does not explore deeply: in DeepSea uniform actions need 2^N episodes (slope of log2 in [0.85, "
              "1.15]), and ε 0.1 that has learnt to go left needs four times as many at N 8",
          .value = log_slope(x, y),
          .threshold = 0.85,
          .relation = "≥"};
  c.seeds = 200;
  c.holds = c.value >= 0.85 && c.value <= 1.15 && ratio >= 4;
  c.reason = cat("slope over N up to ", std::log2(x.back()), "; at N 8 ", fixed(ratio, 1),
                 " times as many or more: most runs of ε 0.1 were given up");
  return c;
}

Claim speed(const Results& r) {
  Claim c{.id = "C10",
          .statement =
              "Speed: 5 million CartPole steps/s on one core, and DQN end to end at 17,000 steps/s, five times the "
              "reference",
          .value = r.speed.end_to_end,
          .threshold = 17000,
          .relation = "≥"};
  c.holds = r.speed.end_to_end >= 17000 && r.speed.many >= 5e6;
  c.reason =
      cat("environments alone: ", fixed(r.speed.one * 1e-6, 1), " M/s one by one, ", fixed(r.speed.many * 1e-6, 1),
          " M/s side by side on one thread; an update of 4-64-64-2 on 32: ", fixed(r.speed.update * 1e6, 1), " µs, ",
          fixed(r.speed.gflops, 0), " GFLOP/s; 64 seeds on ", r.speed.threads, " threads: ", fixed(r.speed.scaling, 2),
          " of perfect");
  return c;
}

}  // namespace

std::string shown(const std::string& schedule) {
  if (schedule.starts_with("constant:")) return "ε " + schedule.substr(9);
  const std::size_t a = schedule.find(':'), b = schedule.find(':', a + 1), c = schedule.find(':', b + 1);
  const std::string ends = "ε " + schedule.substr(a + 1, b - a - 1) + " → " + schedule.substr(b + 1, c - b - 1);
  return schedule.starts_with("geometric") ? ends + ", × " + schedule.substr(c + 1) : ends;
}

double success(const std::vector<Region>& cells, double delta, double epsilon) {
  return share_of(cells, cell(delta, epsilon));
}
double success(const std::vector<Region>& cells, double delta, const std::string& schedule) {
  return share_of(cells, [&](const Region& c) { return c.delta == delta && c.schedule == schedule; });
}

double mean_of_cells(const std::vector<Region>& cells, double delta, const std::string& schedule,
                     double Region::*figure) {
  double total = 0, weight = 0;
  for (const Region& c : cells)
    if (c.delta == delta && c.schedule == schedule && c.successes > 0)
      total += c.*figure * c.successes, weight += c.successes;
  return weight > 0 ? total / weight : NAN;
}

Measured final_return(const std::vector<Course>& courses, const std::string& epsilon) {
  std::vector<double> x;
  for (const Course& c : courses)
    if (c.epsilon == epsilon) x.push_back(c.last);
  return bootstrap(x, interquartile_mean);
}

std::vector<Claim> judge(const Results& r) {
  return {geometric(r),        rate_theory(r), region_grows(r), decay_gets_both(r), samples(r),
          metrics_disagree(r), cartpole(r),    inverted_u(r),   deep_sea(r),        speed(r)};
}

}  // namespace dqn
