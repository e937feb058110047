// The study behind the claims: which experiments there are.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lab.hpp"
#include "task.hpp"
#include "tenzo/stats/interval.hpp"

namespace vpns {

/// The density that most claims are of.
inline constexpr double sparse = 0.02;

/// On how many seeds ablations, and sparsities below 95 %, are measured.
inline constexpr int few_seeds = 3;

/// The seeds that step sizes were tuned on.
inline constexpr std::array<std::uint64_t, 3> tuning_seeds = {1001, 1002, 1003};

/// Experiments on the target at one density: methods beside each other, with 20 or with 40 epochs of updates, which are
/// 200 or 400 of 300 samples. The larger budget is for high sparsities, in quick for 98 % alone. IMP alone is outside
/// of both: its rounds are as many as the sparsity takes, 460 updates at 98 %, 180 at 50 %. Tables show the updates of
/// each.
std::vector<Arm> methods_at(double density, bool full, bool first_seed);
std::vector<double> densities(bool full);

/// Further experiments at 98 % sparsity, by the claim that they are of; and "larger steps", the methods with steps of
/// the weights ten times the paper's.
///   noise_norm   of the noise that stands for a prompt: that of the learnt one
std::map<std::string, std::vector<Arm>> ablations(std::int64_t image, double noise_norm = 0);

/// Whole channels, half and a quarter of each layer.
std::vector<Arm> structured_arms();

/// Masks found on the source, on the target or at random, tuned on a target.
std::vector<Outcome> transfer(Lab& lab, const tenzo::DataSet& source, const tenzo::DataSet& target, const Rates& rates,
                              std::uint64_t seed);

/// What is known of a pretrained network.
struct Source {
  std::uint64_t seed = 1;
  double accuracy = NAN;             // on its own test set
  std::vector<std::int64_t> counts;  // K[s, t]: (classes, targets)
  std::int64_t classes = 0, targets = 0;
};
void to_json(nlohmann::json& j, const Source& s);
void from_json(const nlohmann::json& j, Source& s);

/// All that a run has measured.
struct Results {
  std::vector<std::uint64_t> seeds;
  std::vector<Source> sources;
  std::vector<Outcome> curves;                            // methods by density and seed
  std::map<std::string, std::vector<Outcome>> ablations;  // by claim
  std::map<std::string, std::vector<Outcome>> transfers;  // by target
  std::vector<Outcome> structured;
  std::vector<Compact> compacts;
  std::vector<Queries> queries;
  std::vector<Latency> latencies;
  std::vector<std::pair<std::string, std::vector<double>>> overlaps;  // of the methods' masks, row by row
};

/// A figure of one experiment, seed by seed. A density of 0 is any.
std::vector<double> figures(const std::vector<Outcome>& all, const std::string& arm, double density = 0,
                            double Outcome::*figure = &Outcome::accuracy);

/// A figure of one experiment by seed.
using BySeed = std::map<std::uint64_t, double>;
BySeed by_seed(const std::vector<Outcome>& all, const std::string& arm, double density = 0,
               double Outcome::*figure = &Outcome::accuracy);

/// The same figures on the seeds that all of them have.
std::vector<BySeed> paired(std::vector<BySeed> all);

/// The overlap of two masks of outcomes: weights that both keep over weights that either keeps.
double overlap(const std::string& a, const std::string& b);

/// The rates of the least error over the tuning seeds, of grids that are gone through one after another; told line by
/// line. That of the weights stays.
///   make   a laboratory with a network that is to be pretrained, or is that of --model
Rates tuned(const Options& o, const std::function<std::unique_ptr<Lab>()>& make);

}  // namespace vpns
