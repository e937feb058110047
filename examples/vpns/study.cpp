#include "study.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>

#include "../shared/text.hpp"

namespace vpns {

using namespace tenzo;

namespace {

Arm one_shot_arm(const std::string& name, const std::string& method, double density) {
  return {.name = name, .method = method, .density = density, .tune_epochs = 20};
}

/// VPNs as the authors' code has it.
Arm code_arm(const std::string& name, double density) {
  return {.name = name,
          .method = "vpns",
          .density = density,
          .find = "code",
          .tune = "code",
          .prompt = "pad:4",
          .augment = true};
}
/// VPNs as the text has it, with as many updates.
Arm text_arm(const std::string& name, const std::string& prompt) {
  return {.name = name,
          .method = "vpns",
          .find = "text",
          .tune = "text",
          .find_epochs = 20,
          .tune_epochs = 20,
          .prompt = prompt};
}
Arm named(Arm a, const std::string& name) { return a.name = name, a; }
template <class Change>
Arm with(Arm a, Change&& change) {
  change(a);
  return a;
}

}  // namespace

std::vector<double> densities(bool full) {
  if (!full) return {0.05, 0.02};
  return {0.5, 0.3, 0.2, 0.1, 0.05, 0.02};
}

std::vector<Arm> methods_at(double density, bool full, bool first_seed) {
  std::vector<Arm> arms;
  const bool high = density <= 0.05;  // where small networks differ at all
  if (full) {
    arms.push_back(one_shot_arm("random", "random", density));
    arms.push_back({.name = "IMP", .method = "imp", .density = density, .find_epochs = 2});
    arms.push_back(one_shot_arm("GraSP", "grasp", density));
    arms.push_back(one_shot_arm("SynFlow", "synflow", density));
    arms.push_back({.name = "BiP", .method = "bip", .density = density, .find_epochs = 10, .tune_epochs = 0});
  }
  arms.push_back(one_shot_arm("OMP", "omp", density));
  arms.push_back(one_shot_arm("SNIP", "snip", density));
  arms.push_back({.name = "HYDRA", .density = density});
  if (full ? high : density == sparse)
    arms.push_back({.name = "HYDRA-2×", .density = density, .find_epochs = 20, .tune_epochs = 20});
  if (full || density == sparse) arms.push_back(code_arm("VPNs (code)", density));
  if (full ? high : density == sparse)
    arms.push_back(with(text_arm("VPNs (text)", "pad:4"), [&](Arm& a) { a.density = density; }));
  for (Arm& a : arms) a.keep_prompt = first_seed && !a.prompt.empty(), a.keep_mask = first_seed && density == sparse;
  return arms;
}

std::map<std::string, std::vector<Arm>> ablations(std::int64_t image, double noise_norm) {
  std::map<std::string, std::vector<Arm>> all;

  const Arm found{.name = "HYDRA, as found", .tune_epochs = 0};
  const Arm alone = with(text_arm("", "pad:4"), [](Arm& a) {
    a.method = "hydra", a.find = "plain", a.find_epochs = 10, a.prompt_only = true;
  });
  const auto omp = [](Arm& a) { a.method = "omp", a.find_epochs = 0; };
  const Arm tuned = with(alone, [](Arm& a) { a.prompt_only = false; });
  all["C4"] = {found,
               named(alone, "HYDRA, prompt alone"),
               {.name = "HYDRA, tuned", .tune_epochs = 20},
               named(tuned, "HYDRA, tuned with a prompt"),
               {.name = "OMP, as found", .method = "omp", .tune_epochs = 0},
               named(with(alone, omp), "OMP, prompt alone"),
               {.name = "OMP, tuned", .method = "omp", .tune_epochs = 20},
               named(with(tuned, omp), "OMP, tuned with a prompt")};

  all["C5"] = {with(text_arm("prompt in stage 1", "pad:4"), [](Arm& a) { a.tune = "plain"; }),
               with(text_arm("prompt in stage 2", "pad:4"), [](Arm& a) { a.find = "plain"; })};

  all["C6"] = {
      text_arm("scale and shift of the input", "affine"),
      with(text_arm("fixed noise at the border", "pad:4"), [&](Arm& a) { a.noise = true, a.noise_norm = noise_norm; }),
      {.name = "augmentation", .find_epochs = 20, .tune_epochs = 20, .augment = true}};

  const std::int64_t three_quarters = image * 3 / 4, half = image / 2;
  all["C7"] = {
      text_arm("pad:1", "pad:1"), text_arm("pad:2", "pad:2"), text_arm("pad:8", "pad:8"), text_arm("pad:16", "pad:16"),
      // 21² is about as many parameters as a pad of width 4 has
      text_arm("fix:21", "fix:21"), text_arm("fix:21,identity", "fix:21,identity"), text_arm("random:21", "random:21"),
      text_arm("random:21,identity", "random:21,identity"), text_arm("lowrank:4", "lowrank:4"),
      text_arm("pad:4,sigmoid", "pad:4,sigmoid"), text_arm("pad:4,noclip", "pad:4,noclip"),
      with(text_arm("pad:4, i = 3/4 O", "pad:4"), [&](Arm& a) { a.input = three_quarters; }),
      with(text_arm("pad:4, i = 1/2 O", "pad:4"), [&](Arm& a) { a.input = half; }),
      with(text_arm("expansive, i = 3/4 O", "expansive,identity"), [&](Arm& a) { a.input = three_quarters; })};

  for (const char* how : {"flm", "masked", "rlm", "ilm", "remap"}) {
    Arm a{.name = how};
    a.mapping = how;
    all["C8"].push_back(a);
  }
  all["larger steps"] = methods_at(sparse, false, false);
  for (Arm& a : all["larger steps"]) a.net = 0.1;
  for (auto& [unused, arms] : all)
    for (Arm& a : arms) a.density = sparse;
  return all;
}

std::vector<Arm> structured_arms() {
  std::vector<Arm> all;
  for (const double share : {0.5, 0.25}) {
    all.push_back({.name = "channels by magnitude", .method = "omp", .density = share, .tune_epochs = 20});
    all.push_back({.name = "channels by HYDRA", .density = share, .mean_scores = true});
    all.push_back(with(code_arm("channels by VPNs (code)", share), [](Arm& a) { a.mean_scores = true; }));
  }
  for (Arm& a : all) a.structured = true;
  return all;
}

std::vector<Outcome> transfer(Lab& lab, const DataSet& source, const DataSet& target, const Rates& rates,
                              std::uint64_t seed) {
  const Arm found{
      .name = "found", .method = "vpns", .find = "code", .tune_epochs = 0, .prompt = "pad:4", .keep_mask = true};
  const std::string with_prompt = lab.run(found, source, rates, seed).mask;
  const Arm plainly =
      with(found, [](Arm& a) { a.method = "hydra", a.find = "plain", a.prompt.clear(), a.find_epochs = 20; });
  const std::string without = lab.run(plainly, source, rates, seed).mask;
  const Arm given{.method = "given", .tune_epochs = 20};
  std::vector<Outcome> out;
  out.push_back(lab.run(named(given, "found on the source, with a prompt"), target, rates, seed, with_prompt));
  out.push_back(lab.run(named(given, "found on the source, without"), target, rates, seed, without));
  const std::string of_target = lab.run(found, target, rates, seed).mask;
  out.push_back(lab.run(named(given, "found on the target"), target, rates, seed, of_target));
  out.push_back(lab.run({.name = "random", .method = "random", .tune_epochs = 20}, target, rates, seed));
  out.push_back(lab.run({.name = "dense", .method = "dense", .density = 1, .tune_epochs = 20}, target, rates, seed));
  return out;
}

void to_json(nlohmann::json& j, const Source& s) {
  j = {
      {"seed", s.seed}, {"accuracy", s.accuracy}, {"counts", s.counts}, {"classes", s.classes}, {"targets", s.targets}};
}
void from_json(const nlohmann::json& j, Source& s) {
  j.at("seed").get_to(s.seed), j.at("counts").get_to(s.counts), j.at("classes").get_to(s.classes);
  j.at("targets").get_to(s.targets);
  s.accuracy = j.at("accuracy").is_null() ? NAN : j.at("accuracy").get<double>();
}

std::vector<double> figures(const std::vector<Outcome>& all, const std::string& arm, double density,
                            double Outcome::*figure) {
  std::vector<double> out;
  for (const Outcome& o : all)
    if (o.arm == arm && (density == 0 || o.density == density)) out.push_back(o.*figure);
  return out;
}

BySeed by_seed(const std::vector<Outcome>& all, const std::string& arm, double density, double Outcome::*figure) {
  BySeed out;
  for (const Outcome& o : all)
    if (o.arm == arm && (density == 0 || o.density == density)) out[o.seed] = o.*figure;
  return out;
}

std::vector<BySeed> paired(std::vector<BySeed> all) {
  for (BySeed& x : all)
    for (const BySeed& y : all) std::erase_if(x, [&](const auto& e) { return !y.count(e.first); });
  return all;
}

double overlap(const std::string& a, const std::string& b) {
  require(a.size() == b.size(), "overlap: masks of ", a.size(), " and of ", b.size(), " digits");
  const auto bits = [](char c) {
    const int v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    require(v >= 0, "overlap: a mask has the digit ", printable(std::string(1, c)));
    return unsigned(v);
  };
  std::int64_t both = 0, either = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    both += std::popcount(bits(a[i]) & bits(b[i])), either += std::popcount(bits(a[i]) | bits(b[i]));
  return either == 0 ? 1 : double(both) / double(either);
}

Rates tuned(const Options& o, const std::function<std::unique_ptr<Lab>()>& make) {
  struct Case {
    std::uint64_t seed;
    DataSet target;
    std::unique_ptr<Lab> lab;
  };
  std::vector<Case> cases;
  for (const std::uint64_t seed : tuning_seeds) {
    cases.push_back({seed, target_of(o, seed), make()});
    if (o.model.empty()) cases.back().lab->pretrain(source_of(o, seed).train, seed);
  }
  Rates best;
  const auto try_all = [&](const char* what, double Rates::*rate, const std::vector<double>& grid,
                           const std::vector<Arm>& arms) {
    double top = -1, chosen = best.*rate;
    for (const double value : grid) {
      Rates r = best;
      r.*rate = value;
      double mean = 0;
      std::string all;
      for (const Case& c : cases)
        for (const Arm& arm : arms) {
          const double accuracy = c.lab->run(arm, c.target, r, c.seed).accuracy;
          mean += accuracy / double(cases.size() * arms.size());
          all += " " + program_text::fixed(accuracy, 1);
        }
      std::printf("%-16s %8g  %6.2f %% of%s\n", what, value, mean, all.c_str());
      std::fflush(stdout);
      if (mean > top) top = mean, chosen = value;
    }
    std::printf("%-16s %8g  is best\n", what, chosen);
    return chosen;
  };
  const auto choose = [&](const char* what, double Rates::*rate, const std::vector<double>& grid,
                          const std::vector<Arm>& arms) { best.*rate = try_all(what, rate, grid, arms); };
  const Arm hydra{.name = "HYDRA"}, omp = one_shot_arm("OMP", "omp", sparse);
  const std::vector<Arm> vpns{methods_at(sparse, false, false).back()}, alone{ablations(o.image).at("C4")[1]};
  const std::vector<Arm> bip{{.name = "BiP", .method = "bip", .find_epochs = 10, .tune_epochs = 0}};
  choose("scores", &Rates::scores, {3e-4, 1e-3, 3e-3, 1e-2, 3e-2}, {hydra});
  choose("prompt, stage 1", &Rates::prompt, {1e-3, 1e-2, 3e-2, 1e-1}, vpns);
  choose("prompt, stage 2", &Rates::prompt_tune, {1e-3, 1e-2, 1e-1}, vpns);
  choose("prompt alone", &Rates::prompt_alone, {3e-2, 1e-1, 3e-1, 1.0}, alone);
  choose("BiP, scores", &Rates::bip_scores, {1e-3, 3e-3, 1e-2, 3e-2}, bip);
  choose("BiP, weights", &Rates::bip_net, {3e-3, 1e-2, 3e-2, 1e-1}, bip);
  // For knowledge alone: the study keeps the paper's step of the weights, and shows a larger one beside it.
  try_all("weights", &Rates::net, {3e-3, 1e-2, 3e-2, 1e-1}, {omp, hydra});
  return best;
}

}  // namespace vpns
