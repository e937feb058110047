#include "transfer.hpp"

#include <memory>

namespace worst_case {

using namespace tenzo;

namespace {

/// A set's figures after retraining without it.
Trial retrained(const Lab& lab, std::uint64_t seed, double ratio, const std::string& kind, const Rows& set) {
  Trial t{.seed = seed, .ratio = ratio, .kind = kind, .set = set, .methods = {}};
  t.methods["retrain"] = lab.unlearned(unlearn::method_named("retrain"), set);
  return t;
}

}  // namespace

std::vector<Trial> transferred(const DataSet& data, const std::string& other, DeviceOption device, const Recipe& recipe,
                               const std::vector<Trial>& from, Lab& own, double ratio) {
  std::vector<Trial> out;
  const std::unique_ptr<Lab> lab = make_lab(other, device, data, recipe);
  for (const Trial& t : from) {
    if (t.kind != "worst" || t.ratio != ratio) continue;
    for (Lab* each : {&own, lab.get()}) {
      each->train(t.seed + 500);
      out.push_back(retrained(*each, t.seed + 500, ratio, each == &own ? "other seed" : other, t.set));
    }
  }
  return out;
}

std::vector<Trial> residual(const DataSet& data, DeviceOption device, const std::vector<Trial>& from,
                            std::map<std::string, StepSize> rates, double lr) {
  const std::unique_ptr<Lab> lab = make_lab("resnet18-pooled", device, data, beside);
  const std::vector<std::string> methods = {"ft", "rl", "cf-k", "scrub", "salun"};
  const std::uint64_t seed = from.front().seed;
  const auto size = std::int64_t(from.front().set.size());
  for (auto& [name, step] : rates) step.lr *= beside.lr / lr;
  lab->train(seed);
  std::vector<Trial> out;
  for (const Trial& t : from) {
    if (t.seed != seed || (t.kind != "random" && t.kind != "worst")) continue;
    Trial moved = retrained(*lab, seed, t.ratio, t.kind, t.set);
    moved.methods["original"] = lab->original(t.set);
    for (const std::string& name : methods) moved.methods[name] = lab->unlearned(method_of(name, rates), t.set);
    out.push_back(std::move(moved));
  }
  unlearn::WorstCase w = search_options(size, seed);
  w.upper_steps = steps_beside, w.epochs = epochs_beside;
  out.push_back(retrained(*lab, seed, from.front().ratio, "worst of its own", lab->search(w).groups));
  return out;
}

}  // namespace worst_case
