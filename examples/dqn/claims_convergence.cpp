// Claims about fitted Q-iteration on realizable processes.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "claims.hpp"
#include "tenzo/stats/log_slope.hpp"

namespace dqn {

using namespace tenzo;
using program_text::fixed;

namespace {

template <class Keep>
double share_of(const std::vector<Region>& cells, Keep&& keep) {
  double successes = 0, runs = 0;
  for (const Region& c : cells)
    if (keep(c)) successes += c.successes, runs += c.runs;
  return runs > 0 ? successes / runs : NAN;
}

auto cell(double delta, double epsilon) {
  return [=](const Region& c) { return c.delta == delta && c.epsilon == epsilon; };
}
auto cell(double delta, const std::string& schedule) {
  return [=](const Region& c) { return c.delta == delta && c.schedule == schedule; };
}

std::set<std::int64_t> processes_of(const auto& figures) {
  std::set<std::int64_t> numbers;
  for (const auto& each : figures) numbers.insert(each.mdp);
  return numbers;
}

/// f(process), with Student's interval over those of which it is a number.
template <class F>
Measured by_process(const std::set<std::int64_t>& numbers, F&& f) {
  std::vector<double> each;
  for (const std::int64_t k : numbers)
    if (const double x = f(k); !std::isnan(x)) each.push_back(x);
  return mean_interval(each);
}

/// The difference of two shares of successes, process by process.
template <class A, class B>
Measured difference(const std::vector<Region>& cells, A&& first, B&& second) {
  return by_process(processes_of(cells), [&](std::int64_t k) {
    return share_of(cells, [&](const Region& c) { return c.mdp == k && first(c); }) -
           share_of(cells, [&](const Region& c) { return c.mdp == k && second(c); });
  });
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
              "larger at ε 1 than at 0.2 in every process, and the rate ≤ norm ≤ bound",
          .threshold = 0.03,
          .relation = "≥"};
  constexpr double near = 0.003;
  double off = 0, off_sooner = 0;
  int compared = 0, unfinished = 0, singular = 0;
  bool ordered = true, whole = true;
  std::map<std::int64_t, double> fast, slow;
  for (const Rate& each : r.rates) {
    const bool judged = each.gamma == 0.8 && (each.epsilon == 0.2 || each.epsilon == 1);
    whole = whole && std::isfinite(each.bound) && (!judged || (std::isfinite(each.tail) && std::isfinite(each.rho)));
    if (!std::isfinite(each.rho)) {
      ++singular;
    } else {
      ordered = ordered && each.rho <= each.norm * (1 + 1e-9) && each.norm <= each.bound * (1 + 1e-9);
      if (std::isfinite(each.tail)) {
        ordered = ordered && each.tail <= each.norm + near && each.tail <= each.bound + near;
        off = std::max(off, std::abs(each.tail - each.rho)), ++compared;
        off_sooner = std::max(off_sooner, std::abs(each.sooner - each.rho));
      } else {
        ++unfinished;
      }
    }
    if (each.gamma == 0.8 && each.epsilon == 0.2) fast[each.mdp] = each.tail;
    if (each.gamma == 0.8 && each.epsilon == 1) slow[each.mdp] = each.tail;
  }
  const auto gap = [&](std::int64_t k) { return slow[k] - fast[k]; };
  const Measured mean = by_process(processes_of(r.rates), gap);
  double least = INFINITY;
  for (const auto& [mdp, rate] : fast) least = std::min(least, gap(mdp));
  c.value = mean.value, c.ci95 = ends(mean), c.seeds = int(fast.size());
  c.holds = !fast.empty() && whole && ordered && off <= near && least >= c.threshold;
  c.reason = cat("largest |rate − ρ| ", fixed(off, 5), " in ", compared,
                 " runs of all ε and γ, over 15 iterations before 1e-12 (", fixed(off_sooner, 5), " before 1e-8)",
                 unfinished > 0 ? cat("; ", unfinished, " had not come to 1e-12 in 600 iterations") : "",
                 singular > 0 ? cat("; in ", singular, " H is singular") : "",
                 "; of the differences of rates, whose mean this is, the least is ", fixed(least, 4),
                 ordered ? "; rate ≤ norm ≤ bound throughout" : "; rate ≤ norm ≤ bound is violated",
                 whole ? "" : "; a figure is missing at ε 0.2 or 1");
  return c;
}

Claim region_grows(const Results& r) {
  const Measured near = difference(r.regions, cell(0.3, 0.2), cell(0.3, 0.0)),
                 far = difference(r.regions, cell(0.6, 1.0), cell(0.6, 0.05));
  Claim c{.id = "C3",
          .statement =
              "The region of convergence grows with ε: successes from distance 0.3 with ε 0.2 exceed those with 0 "
              "by 0.5, from 0.6 with ε 1 those with 0.05 by 0.4",
          .value = near.value,
          .threshold = 0.5,
          .seeds = int(processes_of(r.regions).size()),
          .ci95 = ends(near),
          .relation = "≥"};
  c.holds = near.value >= 0.5 && far.value >= 0.4;
  c.reason =
      cat("at 0.3: ", fixed(success(r.regions, 0.3, 0.2), 2), " against ", fixed(success(r.regions, 0.3, 0.0), 2),
          "; at 0.6: ", fixed(success(r.regions, 0.6, 1.0), 2), " against ", fixed(success(r.regions, 0.6, 0.05), 2),
          ", difference ", with_interval(far, 2), " (want 0.4)");
  return c;
}

Claim decay_gets_both(const Results& r) {
  const std::string slow = "constant:1", decay = "geometric:1:0.02:0.9";
  const std::set<std::int64_t> numbers = processes_of(r.decays);
  const auto figure = [&](std::int64_t mdp, const std::string& schedule, double Region::*which) -> double {
    for (const Region& c : r.decays)
      if (c.mdp == mdp && cell(0.6, schedule)(c)) return c.*which;
    return NAN;
  };
  const auto of_both = [&](double Region::*which, auto&& f) {
    return by_process(numbers, [&](std::int64_t k) { return f(figure(k, decay, which), figure(k, slow, which)); });
  };
  const Measured iterations = of_both(&Region::iterations, [](double a, double b) { return a / b; }),
                 tail = of_both(&Region::tail, [](double a, double b) { return b - a; }),
                 missed = difference(r.decays, cell(0.6, slow), cell(0.6, decay));
  Claim c{.id = "C4",
          .statement =
              "A decaying ε (1 → 0.02, × 0.9) has the region of ε 1 (within 0.1) and converges sooner (× 0.85) and "
              "faster in the end (by 0.03)",
          .value = iterations.value,
          .threshold = 0.85,
          .seeds = int(numbers.size()),
          .ci95 = ends(iterations),
          .relation = "≤"};
  c.holds = missed.value <= 0.1 && iterations.value <= 0.85 && tail.value >= 0.03;
  c.reason = cat("from distance 0.6: successes ", fixed(success(r.decays, 0.6, decay), 2), " against ",
                 fixed(success(r.decays, 0.6, slow), 2), ", fewer by ", with_interval(missed, 2), "; iterations × ",
                 with_interval(iterations, 2), "; tail rate lower by ", with_interval(tail, 3), "; process by process");
  return c;
}

Claim samples(const Results& r) {
  std::map<std::int64_t, std::pair<std::vector<double>, std::vector<double>>> by;
  for (const Sampled& s : r.samples) {
    if (s.epsilon != 0.3) continue;
    by[s.mdp].first.push_back(double(s.transitions)), by[s.mdp].second.push_back(s.uniform);
  }
  std::vector<double> slopes, sizes;
  for (const auto& [mdp, xy] : by) {
    slopes.push_back(log_slope(xy.first, xy.second));
    sizes.insert(sizes.end(), xy.first.begin(), xy.first.end());
  }
  const Measured m = mean_interval(slopes);
  Claim c{.id = "C5",
          .statement = "The final error falls as N^(-1/2): its slope by log N is in [-0.62, -0.35]",
          .value = m.value,
          .threshold = -0.35,
          .seeds = int(slopes.size()),
          .ci95 = ends(m),
          .relation = "≤"};
  c.holds = m.value >= -0.62 && m.value <= -0.35;
  if (!sizes.empty())
    c.reason = cat("mean slope of ", slopes.size(), slopes.size() == 1 ? " process" : " processes", ", N from ",
                   std::ranges::min(sizes), " to ", std::ranges::max(sizes), ", ε 0.3");
  return c;
}

Claim metrics_disagree(const Results& r) {
  const std::set<std::int64_t> numbers = processes_of(r.samples);
  const auto mean = [&](std::int64_t mdp, bool few, double Sampled::*norm) {
    std::vector<double> x;
    for (const Sampled& s : r.samples)
      if (s.mdp == mdp && s.transitions == 4000 && (few ? s.epsilon <= 0.05 : s.epsilon == 0.5)) x.push_back(s.*norm);
    return mean_of(x);
  };
  const auto ratio = [&](double Sampled::*norm) {
    return by_process(numbers, [&](std::int64_t k) { return mean(k, true, norm) / mean(k, false, norm); });
  };
  const auto both = [&](double Sampled::*norm) {
    const auto all = [&](bool few) {
      return fixed(by_process(numbers, [&](std::int64_t k) { return mean(k, few, norm); }).value, 4);
    };
    return cat(all(true), " against ", all(false), ", × ", with_interval(ratio(norm), 2));
  };
  const Measured uniform = ratio(&Sampled::uniform);
  Claim c{.id = "C6",
          .statement =
              "What is faster depends on the metric: with N 4000 samples the uniform error is larger for ε ≤ 0.05 "
              "than for ε 0.5",
          .value = uniform.value,
          .threshold = 1,
          .seeds = int(numbers.size()),
          .ci95 = ends(uniform),
          .relation = ">"};
  c.holds = c.value > 1;
  c.reason = cat("uniform: ", both(&Sampled::uniform),
                 "; weighted by the greedy policy's states: ", both(&Sampled::greedy), "; process by process");
  return c;
}

}  // namespace

double success(const std::vector<Region>& cells, double delta, double epsilon) {
  return share_of(cells, cell(delta, epsilon));
}
double success(const std::vector<Region>& cells, double delta, const std::string& schedule) {
  return share_of(cells, cell(delta, schedule));
}

double mean_of_cells(const std::vector<Region>& cells, double delta, const std::string& schedule,
                     double Region::*figure) {
  double total = 0, weight = 0;
  for (const Region& c : cells)
    if (cell(delta, schedule)(c) && c.successes > 0) total += c.*figure * c.successes, weight += c.successes;
  return weight > 0 ? total / weight : NAN;
}

std::vector<Claim> convergence_claims(const Results& r) {
  return {geometric(r), rate_theory(r), region_grows(r), decay_gets_both(r), samples(r), metrics_disagree(r)};
}

}  // namespace dqn
