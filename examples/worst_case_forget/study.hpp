// The study behind the claims: forget sets chosen in several ways, unlearnt by several methods, on several seeds.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "lab.hpp"
#include "step_sizes.hpp"
#include "tenzo/stats/interval.hpp"

namespace worst_case {

struct Options {
  bool full = false, resume = false;
  std::string data = "mnist5k", path, arch = "cnn", out = "worst_case_forget-out";
  std::uint64_t seed = 1;
  int seeds = 0;  // 0: three in quick, five in full
  int threads = 0;
  tenzo::DeviceOption device = tenzo::DeviceOption::cpu;
};

/// How the sets are chosen, in the order in which they are shown.
inline const std::vector<std::string> kinds = {"random", "worst", "lowest loss", "easiest"};

/// One forget set of one original model, and what the methods make of it.
struct Trial {
  std::uint64_t seed = 1;
  double ratio = 0.1;
  std::string kind;
  Rows set;
  double overlap = NAN;                       // with the lowest losses of the original model
  std::map<std::string, Evaluation> methods;  // "original" is the model before
};

/// The original model of a seed: what is drawn of it.
struct Original {
  std::uint64_t seed = 1;
  std::vector<double> losses;                // ℓ(θ_o) of each sample
  std::vector<double> changed;               // members that the search exchanged, by iteration
  std::vector<std::vector<double>> weights;  // how many weights w are in each tenth of [0, 1], by iteration
};

/// One class forgotten whole: its weight in the search among classes, and what methods make of it.
struct ClassTrial {
  std::int64_t label = 0;
  double weight = 0, loss = 0;                // mean loss under the original model
  std::map<std::string, Evaluation> methods;  // UA is that of the class's samples, TA of all test samples
};

/// Test accuracy of models that are trained on a part of the samples, in percent.
struct Coreset {
  std::uint64_t seed = 1;
  double kept = 1;
  std::map<std::string, double> accuracy;  // by how the kept samples were chosen
};

/// What a likelihood-ratio attack by shadow models says of one set after one method.
struct Lira {
  std::string kind, method;
  double efficacy = NAN;  // share of the set that it takes for samples never seen, in percent
  double auc = NAN;       // P(a sample's score is above one of the retrained model's on the set): ½ is like retrained
};

/// An upper step and start of the search, as claim C11 has them.
struct Start {
  std::uint64_t seed = 1;
  double rate = 0;  // 0: normalised
  bool binary = false;
  double ua = NAN, moved = NAN;  // UA after retraining without the set; share of the set that is not in the first one

  NLOHMANN_DEFINE_TYPE_INTRUSIVE(Start, seed, rate, binary, ua, moved)
};

void to_json(nlohmann::json& j, const Trial& t);
void from_json(const nlohmann::json& j, Trial& t);
void to_json(nlohmann::json& j, const Original& o);
void from_json(const nlohmann::json& j, Original& o);
void to_json(nlohmann::json& j, const ClassTrial& c);
void from_json(const nlohmann::json& j, ClassTrial& c);
void to_json(nlohmann::json& j, const Coreset& c);
void from_json(const nlohmann::json& j, Coreset& c);
void to_json(nlohmann::json& j, const Lira& l);
void from_json(const nlohmann::json& j, Lira& l);

/// The share of these rows that is among the others.
double share_in(const Rows& rows, const Rows& others);

/// Settings of the search as the study runs it: uniform start, normalised steps.
tenzo::unlearn::WorstCase search_options(std::int64_t size, std::uint64_t seed);

/// The step size of each method by the rule least_gap, on random forget sets of some seeds, from `seed` on, that no
/// claim is judged on. Steps are tried from a hundredth of `largest`, training's own, up to that; of the boundary
/// methods, which want far smaller ones, from 3e-5 to 3e-3.
std::map<std::string, StepSize> tuned_rates(Lab& lab, const std::vector<std::string>& methods, std::int64_t size,
                                            std::uint64_t seed, int seeds, double largest);

/// A method of that name with its tuned step size. Boundary shrink takes the nearest wrong class where the attack
/// leaves a sample in its own: at the attack's published size that is where most of a worst set stays.
tenzo::unlearn::Method method_of(const std::string& name, const std::map<std::string, StepSize>& rates);

/// The sets of one original model, which is trained first, and the figures of all methods on them.
std::vector<Trial> trials(Lab& lab, Original& original, double ratio, const std::vector<std::string>& methods,
                          const std::map<std::string, StepSize>& rates, std::uint64_t seed);

/// UA after retraining without each tenth of the samples, in percent: the first tenth has the lowest losses.
std::vector<double> deciles(const Lab& lab, const Original& original);

/// The classes by falling weight in a search for one of them, each forgotten by all methods.
std::vector<ClassTrial> class_trials(const Lab& lab, const Original& original, const tenzo::Indices& labels,
                                     const std::vector<std::string>& methods,
                                     const std::map<std::string, StepSize>& rates);

Coreset coreset(const Lab& lab, const Original& original, double kept, std::uint64_t seed);

/// The attack on the random and the worst sets among the trials, before and after each method. A method that has
/// diverged has no figures.
std::vector<Lira> likelihood_ratios(const Lab& lab, const std::vector<Trial>& trials,
                                    const std::vector<std::string>& methods,
                                    const std::map<std::string, StepSize>& rates, std::int64_t models,
                                    std::uint64_t seed);

/// What comes of steps from 1e-3 to 1e4 and of normalised ones, from binary and from uniform starts.
std::vector<Start> starts(const Lab& lab, std::int64_t size, std::uint64_t seed);

/// The same figure of all trials of a kind, seed by seed.
template <class F>
std::vector<double> of_kind(const std::vector<Trial>& all, double ratio, const std::string& kind, F&& figure) {
  std::vector<double> out;
  for (const Trial& t : all)
    if (t.kind == kind && t.ratio == ratio) out.push_back(figure(t));
  return out;
}

/// The average gap of a method to retraining on the same set.
inline double gap(const Trial& t, const std::string& method) {
  return tenzo::unlearn::average_gap(t.methods.at(method), t.methods.at("retrain"));
}

}  // namespace worst_case
