// Fitted Q-iteration on realizable processes: E1 to E3.
#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "study.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/rl/fitted_q.hpp"
#include "tenzo/rl/local_rate.hpp"

namespace dqn {

using namespace tenzo;
using namespace tenzo::rl;

namespace {

std::uint64_t process_seed(std::uint64_t seed, std::int64_t mdp) { return 1000 * seed + std::uint64_t(mdp); }

/// A process, and what was checked of it.
std::pair<RealizableMdp, Process> process(const RealizableOptions& options, std::uint64_t number) {
  RealizableMdp m = realizable_mdp(options, number);
  const double residual = bellman_residual(m.mdp, m.q) / std::max(1.0, m.q.cwiseAbs().maxCoeff());
  require(residual < 1e-12, "the process of seed ", number, " has a Bellman residual of ", residual);
  return {std::move(m), {number, residual, action_gap(m.q, options.actions)}};
}
RealizableMdp process_of(const RealizableOptions& options, std::uint64_t number) {
  return process(options, number).first;
}

/// Whether the greedy policy of the weights at the end is worth less, on average over states, than that at first.
bool ends_worse(const RealizableMdp& m, const Eigen::VectorXd& first, const Eigen::VectorXd& last) {
  const auto worth = [&](const Eigen::VectorXd& w) {
    return policy_value(m.mdp, epsilon_greedy(m.values(w), m.mdp.actions, 0)).mean();
  };
  return !last.allFinite() || worth(last) < worth(first);
}

Exploration always(double epsilon) { return {Exploration::Kind::constant, epsilon, epsilon}; }

/// R² of a straight line through log y.
double log_fit(std::span<const double> y) {
  if (y.size() < 3) return NAN;
  double x1 = 0, y1 = 0, xx = 0, xy = 0, yy = 0;
  const double n = double(y.size());
  for (std::size_t i = 0; i < y.size(); ++i) x1 += double(i) / n, y1 += std::log(y[i]) / n;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double dx = double(i) - x1, dy = std::log(y[i]) - y1;
    xx += dx * dx, xy += dx * dy, yy += dy * dy;
  }
  return xy * xy / (xx * yy);
}

double rate_over_last(std::span<const double> e, std::size_t steps) {
  return e.size() > steps ? std::pow(e.back() / e[e.size() - 1 - steps], 1 / double(steps)) : NAN;
}

std::vector<double> largest(const FittedCourse& c) {
  std::vector<double> e;
  for (const QError& each : c.error) e.push_back(each.sup);
  return e;
}

FittedCourse population_course(const RealizableMdp& m, const Eigen::VectorXd& start, const Exploration& exploration,
                               std::int64_t T, double enough) {
  const PopulationQ population;
  return run_fitted(m, start, exploration, T, enough,
                    [&](const Eigen::VectorXd& w, double e) { return population.step(m, w, e); });
}

/// Cells of regions: all starts of one process, one distance, one schedule.
Region region(const RealizableMdp& m, std::int64_t mdp, double delta, int starts, const Exploration& exploration,
              std::uint64_t seed) {
  Region r;
  r.mdp = mdp, r.delta = delta, r.schedule = exploration.text(), r.runs = starts;
  r.epsilon = exploration.kind == Exploration::Kind::constant ? exploration.first : NAN;
  double iterations = 0, tails = 0;
  for (int i = 0; i < starts; ++i) {
    const Eigen::VectorXd start = start_at_distance(m, delta, 7919 * seed + std::uint64_t(i));
    const FittedCourse c = population_course(m, start, exploration, Success::iterations, Success::enough);
    const auto e = largest(c);
    if (i == 0) r.errors = e;
    r.worse += ends_worse(m, start, c.weights);
    if (!(e.back() < Success::enough)) continue;
    ++r.successes;
    iterations += double(e.size() - 1);
    tails += rate_over_last(e, std::min<std::size_t>(5, e.size() - 1));
  }
  if (r.successes > 0) r.iterations = iterations / r.successes, r.tail = tails / r.successes;
  return r;
}

std::vector<Region> all_regions(std::uint64_t seed, int mdps, int starts, const std::vector<double>& deltas,
                                const std::vector<Exploration>& schedules, const RealizableOptions& options = {}) {
  std::vector<RealizableMdp> all;
  for (int k = 0; k < mdps; ++k) all.push_back(process_of(options, process_seed(seed, k)));
  const std::size_t of_each = deltas.size() * schedules.size();
  std::vector<Region> out(of_each * std::size_t(mdps));
  parallel_for(std::int64_t(out.size()), 1, [&](std::int64_t from, std::int64_t to) {
    for (auto i = std::size_t(from); i < std::size_t(to); ++i) {
      const std::size_t k = i / of_each, d = i % of_each / schedules.size(), s = i % schedules.size();
      out[i] = region(all[k], std::int64_t(k), deltas[d], starts, schedules[s], process_seed(seed, std::int64_t(k)));
    }
  });
  return out;
}

}  // namespace

std::vector<Process> processes(std::uint64_t seed, int mdps) {
  std::vector<Process> out;
  for (int k = 0; k < mdps; ++k) out.push_back(process({}, process_seed(seed, k)).second);
  return out;
}

std::vector<Rate> rates(std::uint64_t seed, int mdps, const std::vector<double>& gammas,
                        const std::vector<double>& epsilons) {
  const std::size_t of_each = gammas.size() * epsilons.size();
  std::vector<Rate> out(of_each * std::size_t(mdps));
  parallel_for(std::int64_t(out.size()), 1, [&](std::int64_t from, std::int64_t to) {
    for (auto i = std::size_t(from); i < std::size_t(to); ++i) {
      Rate& r = out[i];
      r.mdp = std::int64_t(i / of_each);
      r.gamma = gammas[i % of_each / epsilons.size()], r.epsilon = epsilons[i % epsilons.size()];
      const std::uint64_t number = process_seed(seed, r.mdp);
      const RealizableMdp m = process_of({.gamma = r.gamma}, number);
      const LocalRate theory = local_rate(m, r.epsilon);
      r.rho = theory.rho, r.norm = theory.norm, r.bound = theory.bound;
      // Where a run contracts fast, it is at 1e-8 before its slowest direction shows: ρ is looked for down to 1e-12.
      auto e = largest(population_course(m, start_at_distance(m, 0.02, number + 1), always(r.epsilon), 600, 1e-12));
      if (e.back() < 1e-12) r.tail = rate_over_last(e, 15);
      if (const auto end = std::ranges::find_if(e, [](double x) { return x < 1e-8; }); end != e.end()) {
        const std::span<const double> sooner(e.begin(), end + 1);
        r.sooner = rate_over_last(sooner, 15);
        r.whole_r2 = log_fit(sooner);
        if (sooner.size() > 20) r.last_r2 = log_fit(sooner.last(20));
      }
      if (e.size() > 12) r.early = std::pow(e[12] / e[4], 1. / 8);
      r.errors = std::move(e);
    }
  });
  return out;
}

std::vector<Region> regions(std::uint64_t seed, int mdps, int starts, const std::vector<double>& deltas,
                            const std::vector<double>& epsilons) {
  std::vector<Exploration> schedules;
  for (const double e : epsilons) schedules.push_back(always(e));
  return all_regions(seed, mdps, starts, deltas, schedules);
}

std::vector<Region> layered_regions(std::uint64_t seed, int mdps, int starts, const std::vector<double>& deltas,
                                    const std::vector<double>& epsilons) {
  std::vector<Exploration> schedules;
  for (const double e : epsilons) schedules.push_back(always(e));
  return all_regions(seed, mdps, starts, deltas, schedules, {.network = {.width = 6, .layers = 2}});
}

std::vector<Region> decays(std::uint64_t seed, int mdps, int starts, const std::vector<double>& deltas,
                           const std::vector<std::string>& schedules) {
  std::vector<Exploration> parsed;
  for (const std::string& s : schedules) parsed.push_back(parse_exploration(s));
  return all_regions(seed, mdps, starts, deltas, parsed);
}

std::vector<Sampled> sample_errors(std::uint64_t seed, int mdps, const std::vector<std::int64_t>& sizes,
                                   const std::vector<double>& epsilons) {
  const std::size_t of_each = sizes.size() * epsilons.size();
  std::vector<Sampled> out(of_each * std::size_t(mdps));
  parallel_for(std::int64_t(out.size()), 1, [&](std::int64_t from, std::int64_t to) {
    for (auto i = std::size_t(from); i < std::size_t(to); ++i) {
      Sampled& r = out[i];
      r.mdp = std::int64_t(i / of_each);
      r.transitions = sizes[i % of_each / epsilons.size()], r.epsilon = epsilons[i % epsilons.size()];
      const std::uint64_t number = process_seed(seed, r.mdp);
      const RealizableMdp m = process_of({}, number);
      const SampledQ sampled{.transitions = r.transitions};
      const Eigen::VectorXd start = start_at_distance(m, 0.1, number + 2);
      SampledQ::State state{start};
      const FittedCourse c =
          run_fitted(m, start, always(r.epsilon), 30, 0, [&](const Eigen::VectorXd&, double epsilon) {
            sampled.step(state, m, epsilon, number + 3);
            return state.weights;
          });
      const QError e = c.error.back();
      r.sup = e.sup, r.uniform = e.uniform, r.greedy = e.greedy;
      r.worse = ends_worse(m, start, c.weights);
    }
  });
  return out;
}

std::vector<FittedRun> fitted_runs(const Fitted& o) {
  const Exploration exploration = parse_exploration(o.epsilon);
  require(o.delta >= 0 && o.iterations >= 1 && o.transitions >= 0 && o.mdps >= 1, "convergence: distance ", o.delta,
          ", ", o.iterations, " iterations of ", o.transitions, " samples on ", o.mdps, " processes");
  const RealizableOptions options{.states = o.states,
                                  .actions = o.actions,
                                  .gamma = o.gamma,
                                  .network = {.features = o.features, .width = o.width, .layers = o.layers}};
  process_of(options, 0);  // sizes that can not be are said before the work
  std::vector<FittedRun> out(std::size_t(o.mdps));
  parallel_for(o.mdps, 1, [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t k = from; k < to; ++k) {
      const std::uint64_t number = process_seed(o.seed, k);
      const auto checked = process(options, number);
      const RealizableMdp& m = checked.first;
      FittedRun& r = out[std::size_t(k)];
      r.residual = checked.second.residual, r.gap = checked.second.gap;
      const double last = exploration(double(o.iterations - 1));
      const LocalRate theory = local_rate(m, last);
      r.rho = theory.rho, r.bound = theory.bound;
      const Eigen::VectorXd start = start_at_distance(m, o.delta, number + 1);
      const PopulationQ population;
      const SampledQ sampled{.transitions = o.transitions};
      SampledQ::State state{start};
      const FittedCourse c =
          run_fitted(m, start, exploration, o.iterations, 1e-12, [&](const Eigen::VectorXd& w, double epsilon) {
            r.epsilon.push_back(epsilon);
            if (o.transitions == 0) return population.step(m, w, epsilon);
            sampled.step(state, m, epsilon, number + 3);
            return state.weights;
          });
      for (const QError& e : c.error)
        r.sup.push_back(e.sup), r.uniform.push_back(e.uniform), r.greedy.push_back(e.greedy);
    }
  });
  return out;
}

}  // namespace dqn
