// Claims about agents, exploration and speed.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>

#include "claims.hpp"
#include "tenzo/stats/bootstrap.hpp"
#include "tenzo/stats/log_slope.hpp"

namespace dqn {

using namespace tenzo;
using program_text::fixed;

namespace {

Claim cartpole(const Results& r) {
  std::vector<double> last;
  for (const Course& c : r.published.runs) last.push_back(c.last_hundred);
  const Measured m = bootstrap(last, mean_of);
  const double median = solved_by_half(r.published.runs);
  Claim c{.id = "C7",
          .statement =
              "CartPole with published settings: the last 100 episodes return 460 or more on average, the interval "
              "overlaps 488.7 ± 16.1, and half of the runs first reach 475 between 180k and 350k steps",
          .value = m.value,
          .threshold = 460,
          .seeds = int(last.size()),
          .ci95 = {m.low, m.high},
          .relation = "≥"};
  const bool overlaps = m.low <= 488.7 + 16.1 && m.high >= 488.7 - 16.1;
  c.holds = m.value >= 460 && overlaps && median >= 180000 && median <= 350000;
  c.reason = cat(last.size(), last.size() == 1 ? " seed" : " seeds", ", interval of the bootstrap; ",
                 std::isfinite(median) ? cat("median of the first evaluation of 475: ", median / 1000, "k steps")
                                       : "half of the runs or more never reach 475",
                 "; CleanRL's curve is there at about 270k", overlaps ? "" : "; the intervals do not overlap");
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
  const std::vector<std::vector<double>> groups{final_returns(r.sweep, best_name), final_returns(r.sweep, "constant:0"),
                                                final_returns(r.sweep, "constant:1")};
  const Measured above = stratified_bootstrap(groups, [&](std::span<const double> x) {
    double mean[3];
    for (std::size_t i = 0, at = 0; i < 3; at += groups[i++].size())
      mean[i] = interquartile_mean(x.subspan(at, groups[i].size()));
    return mean[0] - std::max(mean[1], mean[2]);
  });
  c.value = above.value, c.ci95 = {above.low, above.high}, c.seeds = int(groups[0].size());
  const bool apart = best.low > std::max(zero.high, one.high);
  c.holds = c.value >= 50 && apart && decayed.value >= std::max({best.value, zero.value, one.value}) - 25;
  c.reason = cat("ε 0: ", with_interval(zero, 0), "; ", shown(best_name), ": ", with_interval(best, 0),
                 "; ε 1: ", with_interval(one, 0), "; decaying: ", with_interval(decayed, 0),
                 "; interquartile means of ", c.seeds, " seeds", apart ? "" : "; the intervals are not apart",
                 c.holds ? "" : ". Not reproduced with these seeds");
  return c;
}

Claim deep_sea(const Results& r) {
  std::vector<double> cells;  // 2^N
  std::vector<std::vector<double>> uniform;
  const SeaRun* eight = nullptr;
  for (const SeaRun& s : r.sea) {
    if (s.side <= 10) cells.push_back(std::exp2(double(s.side))), uniform.push_back(s.uniform);
    if (s.side == 8) eight = &s;
  }
  const Measured slope = stratified_bootstrap(uniform, [&](std::span<const double> x) {
    std::vector<double> medians;
    std::size_t at = 0;
    for (const auto& side : uniform) medians.push_back(median_of(x.subspan(at, side.size()))), at += side.size();
    return log_slope(cells, medians);
  });
  Measured ratio;
  if (eight)
    ratio = stratified_bootstrap({eight->learning, eight->uniform}, [&](std::span<const double> x) {
      return median_of(x.first(eight->learning.size())) / median_of(x.subspan(eight->learning.size()));
    });
  Claim c{.id = "C9",
          .statement =
              "ε-greedy does not explore deeply: in DeepSea uniform actions need 2^N episodes (slope of log2 in [0.85, "
              "1.15]), and ε 0.1 that has learnt to go left needs four times as many at N 8",
          .value = slope.value,
          .threshold = 0.85,
          .ci95 = {slope.low, slope.high},
          .relation = "≥"};
  c.seeds = uniform.empty() ? 0 : int(std::ranges::min(uniform, {}, &std::vector<double>::size).size());
  c.holds = slope.value >= 0.85 && slope.value <= 1.15 && ratio.value >= 4;
  if (eight)
    c.reason = cat("slope of the medians of ", c.seeds, " runs a side, N up to ", std::log2(cells.back()),
                   "; at N 8 ε 0.1 needs ", with_interval(ratio, 1), " times as many",
                   eight->censored > 0 ? cat(" at least: ", eight->censored, " of ", eight->learning.size(),
                                             " runs were given up after ", eight->patience, " episodes")
                                       : cat(": ", eight->learning.size(), " runs, none was given up"),
                   "; intervals of the bootstrap");
  return c;
}

Claim speed(const Results& r) {
  Claim c{.id = "C10",
          .statement =
              "Speed: DQN end to end at 17,000 steps/s, five times the reference, and no run of 500,000 steps above "
              "29 s; 5 million CartPole steps/s on one core; 64 seeds at 0.8 of perfect scaling; an update of "
              "4-64-64-2 on 32 in a tenth of PyTorch's 560 µs",
          .threshold = 17000,
          .relation = "≥"};
  std::vector<double> seconds;  // of a run of 500,000 steps
  for (const Course& each : r.published.runs) seconds.push_back(500000 / each.speed());
  if (seconds.empty()) return c;
  // How many runs go on at once is what the wall clock says; how long one takes, is drawn again.
  const double all = r.published.speed(), mean = mean_of(seconds), longest = std::ranges::max(seconds);
  const Measured m = bootstrap(seconds, [&](std::span<const double> x) { return all * mean / mean_of(x); });
  c.value = all, c.ci95 = {m.low, m.high}, c.seeds = int(seconds.size());
  std::string missed;
  const auto part = [&](bool holds, const char* name) {
    if (!holds) missed += cat(missed.empty() ? ". Missed: " : ", ", name);
    return holds;
  };
  c.holds = part(all >= 17000, "end to end");
  c.holds &= part(longest <= 29, "a run's time");
  c.holds &= part(r.speed.many >= 5e6, "environments");
  c.holds &= part(r.speed.scaling >= 0.8, "scaling");
  c.holds &= part(r.speed.update <= 56e-6, "an update's time");
  c.reason = cat(
      "end to end: ", fixed(all, 0), " steps/s, ", seconds.size(), seconds.size() == 1 ? " run on " : " runs on ",
      r.speed.threads, " threads; one run: ", fixed(mean_speed(r.published.runs), 0), " steps/s, the longest ",
      fixed(longest, 1), " s of 29; environments alone: ", fixed(r.speed.one * 1e-6, 1), " M/s one by one, ",
      fixed(r.speed.many * 1e-6, 1),
      " M/s side by side on one thread (want 5); an update: ", fixed(r.speed.update * 1e6, 1), " µs (want 56), ",
      fixed(r.speed.gflops, 0), " GFLOP/s; 64 seeds: ", fixed(r.speed.scaling, 2), " of perfect (want 0.8)", missed);
  return c;
}

}  // namespace

std::string shown(const std::string& schedule) {
  if (schedule.starts_with("constant:")) return "ε " + schedule.substr(9);
  const std::size_t a = schedule.find(':'), b = schedule.find(':', a + 1), c = schedule.find(':', b + 1);
  const std::string ends = "ε " + schedule.substr(a + 1, b - a - 1) + " → " + schedule.substr(b + 1, c - b - 1);
  return schedule.starts_with("geometric") ? ends + ", × " + schedule.substr(c + 1) : ends;
}

std::vector<double> final_returns(const std::vector<Course>& courses, const std::string& epsilon) {
  std::vector<double> x;
  for (const Course& c : courses)
    if (c.epsilon == epsilon) x.push_back(c.last);
  return x;
}

double solved_by_half(const std::vector<Course>& runs) {
  std::vector<double> x;
  for (const Course& c : runs) x.push_back(std::isnan(c.solved) ? INFINITY : c.solved);
  return median_of(x);
}

double mean_speed(const std::vector<Course>& runs) {
  double steps = 0, seconds = 0;
  for (const Course& c : runs) steps += double(c.made), seconds += c.seconds;
  return steps / seconds;
}

Measured final_return(const std::vector<Course>& courses, const std::string& epsilon) {
  return bootstrap(final_returns(courses, epsilon), interquartile_mean);
}

std::vector<Claim> control_claims(const Results& r) { return {cartpole(r), inverted_u(r), deep_sea(r), speed(r)}; }

}  // namespace dqn
