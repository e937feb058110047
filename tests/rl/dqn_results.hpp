// Made-up results of the program dqn with which all claims hold: each test moves one figure over its margin.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "../../examples/dqn/claims.hpp"

namespace tenzo::test {

inline dqn::Results good_results() {
  dqn::Results r;
  for (std::int64_t mdp = 0; mdp < 10; ++mdp)
    for (const double gamma : {0.8, 0.9})
      for (const double epsilon : {0., 0.05, 0.2, 1.}) {
        dqn::Rate each;
        each.mdp = mdp, each.gamma = gamma, each.epsilon = epsilon;
        each.bound = gamma / std::sqrt(1 - 0.75 * epsilon);
        if (epsilon > 0) {  // without exploration H is singular
          each.rho = gamma - 0.02 + 0.07 * epsilon, each.norm = each.rho + 0.004,
          each.tail = each.sooner = each.rho + 0.0005;
          each.whole_r2 = 0.95, each.last_r2 = 0.9995;
        }
        r.rates.push_back(each);
      }
  const auto region = [](std::int64_t mdp, double delta, double epsilon, const std::string& schedule, int successes) {
    dqn::Region c;
    c.mdp = mdp, c.delta = delta, c.epsilon = epsilon, c.schedule = schedule, c.runs = 10, c.successes = successes;
    return c;
  };
  for (std::int64_t mdp = 0; mdp < 4; ++mdp) {
    r.regions.push_back(region(mdp, 0.3, 0, "constant:0", 2));
    r.regions.push_back(region(mdp, 0.3, 0.2, "constant:0.2", 9));
    r.regions.push_back(region(mdp, 0.6, 0.05, "constant:0.05", 3));
    r.regions.push_back(region(mdp, 0.6, 1, "constant:1", 9));
    r.decays.push_back(region(mdp, 0.6, 1, "constant:1", 9));
    r.decays.back().iterations = 40, r.decays.back().tail = 0.85;
    r.decays.push_back(region(mdp, 0.6, NAN, "geometric:1:0.02:0.9", 9));
    r.decays.back().iterations = 30, r.decays.back().tail = 0.80;
  }
  const auto sampled = [&](std::int64_t mdp, std::int64_t n, double epsilon, double uniform) {
    dqn::Sampled s;
    s.mdp = mdp, s.transitions = n, s.epsilon = epsilon, s.sup = s.greedy = s.uniform = uniform;
    r.samples.push_back(s);
  };
  for (std::int64_t mdp = 0; mdp < 3; ++mdp) {
    for (const std::int64_t n : {250, 1000, 4000, 16000})
      sampled(mdp, n, 0.3, std::pow(double(n), -0.47) * (1 + 0.1 * double(mdp)));
    for (const double epsilon : {0.02, 0.05, 0.5}) sampled(mdp, 4000, epsilon, epsilon < 0.1 ? 0.056 : 0.032);
  }
  const auto course = [](std::uint64_t seed, const std::string& epsilon, double last) {
    dqn::Course c;
    c.seed = seed, c.epsilon = epsilon, c.last = last;
    return c;
  };
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    dqn::Course c = course(seed, "linear:1:0.05:250000", 500);
    c.last_hundred = 480 + double(seed), c.solved = 270000, c.made = 500000, c.seconds = 14;
    r.published.runs.push_back(c);
  }
  r.published.seconds = 70;
  r.sweep_epsilons = {"constant:0", "constant:0.1", "constant:0.5", "constant:1", "linear:1:0.05:30000"};
  for (std::uint64_t seed = 1; seed <= 5; ++seed)
    for (std::size_t i = 0; i < 5; ++i)
      r.sweep.push_back(course(seed, r.sweep_epsilons[i], std::vector<double>{100, 400, 300, 200, 390}[i]));
  for (std::int32_t side = 5; side <= 12; ++side) {
    dqn::SeaRun s;
    s.side = side, s.patience = 5000;
    for (const double part : {0.5, 0.6, 0.7, 0.8, 0.9}) s.uniform.push_back(part * std::exp2(side));
    if (side <= 8) s.learning = {900, 5000, 5000}, s.censored = 2;
    r.sea.push_back(s);
  }
  r.speed.one = 2e7, r.speed.many = 1e8, r.speed.all = 2e8, r.speed.update = 20e-6, r.speed.gflops = 60;
  r.speed.scaling = 0.95, r.speed.threads = 2;
  return r;
}

/// The claim of this number on good results with one change.
template <class Change>
Claim judged(const std::string& id, Change&& change) {
  dqn::Results r = good_results();
  change(r);
  for (const Claim& c : dqn::judge(r))
    if (c.id == id) return c;
  throw ValueError("no claim " + id);
}

}  // namespace tenzo::test
