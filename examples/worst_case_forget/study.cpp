#include "study.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "tenzo/core/permutation.hpp"

namespace worst_case {

using namespace tenzo;

namespace {

Rows random_rows(std::int64_t m, std::int64_t n, std::uint64_t seed) {
  Rows all = permutation(n, NoiseKey{.seed = seed, .step = 0, .query = 3}.of(Purpose::data_order));
  all.resize(std::size_t(m));
  return all;
}

/// The samples by falling loss, or by rising.
Rows by_loss(const std::vector<double>& losses, bool rising) {
  Rows order(losses.size());
  std::iota(order.begin(), order.end(), std::int64_t(0));
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    const double x = losses[std::size_t(a)], y = losses[std::size_t(b)];
    return rising ? x < y : x > y;
  });
  return order;
}

nlohmann::json numbers(const std::vector<double>& x) {
  nlohmann::json j = nlohmann::json::array();
  for (const double v : x) j.push_back(std::isfinite(v) ? nlohmann::json(v) : nlohmann::json(nullptr));
  return j;
}
double number(const nlohmann::json& j) { return j.is_null() ? NAN : j.get<double>(); }
std::vector<double> numbers_of(const nlohmann::json& j) {
  std::vector<double> out;
  for (const auto& v : j) out.push_back(number(v));
  return out;
}

nlohmann::json json_of(const std::map<std::string, Evaluation>& methods) {
  nlohmann::json j = nlohmann::json::object();
  for (const auto& [name, e] : methods) j[name] = numbers({e.ua, e.ra, e.ta, e.mia});
  return j;
}
std::map<std::string, Evaluation> evaluations_of(const nlohmann::json& j) {
  std::map<std::string, Evaluation> out;
  for (const auto& [name, e] : j.items())
    out[name] = {
        .ua = number(e.at(0)), .ra = number(e.at(1)), .ta = number(e.at(2)), .mia = number(e.at(3)), .attacks = {}};
  return out;
}

}  // namespace

double share_in(const Rows& rows, const Rows& others) {
  const std::set<std::int64_t> known(others.begin(), others.end());
  return double(std::count_if(rows.begin(), rows.end(), [&](std::int64_t r) { return known.count(r) > 0; })) /
         double(rows.size());
}

void to_json(nlohmann::json& j, const Trial& t) {
  j = {{"seed", t.seed}, {"ratio", t.ratio}, {"kind", t.kind}, {"set", t.set}, {"overlap", t.overlap}};
  j["methods"] = json_of(t.methods);
}
void from_json(const nlohmann::json& j, Trial& t) {
  j.at("seed").get_to(t.seed), j.at("ratio").get_to(t.ratio), j.at("kind").get_to(t.kind), j.at("set").get_to(t.set);
  t.overlap = number(j.at("overlap"));
  t.methods = evaluations_of(j.at("methods"));
}
void to_json(nlohmann::json& j, const Original& o) {
  j = {{"seed", o.seed}, {"losses", numbers(o.losses)}, {"changed", numbers(o.changed)}, {"weights", o.weights}};
}
void from_json(const nlohmann::json& j, Original& o) {
  j.at("seed").get_to(o.seed);
  o.losses = numbers_of(j.at("losses")), o.changed = numbers_of(j.at("changed"));
  j.at("weights").get_to(o.weights);
}
void to_json(nlohmann::json& j, const ClassTrial& c) {
  j = {{"label", c.label}, {"weight", c.weight}, {"loss", c.loss}, {"methods", json_of(c.methods)}};
}
void from_json(const nlohmann::json& j, ClassTrial& c) {
  j.at("label").get_to(c.label), j.at("weight").get_to(c.weight), j.at("loss").get_to(c.loss);
  c.methods = evaluations_of(j.at("methods"));
}
void to_json(nlohmann::json& j, const Coreset& c) {
  j = {{"seed", c.seed}, {"kept", c.kept}, {"accuracy", c.accuracy}};
}
void from_json(const nlohmann::json& j, Coreset& c) {
  j.at("seed").get_to(c.seed), j.at("kept").get_to(c.kept), j.at("accuracy").get_to(c.accuracy);
}

void to_json(nlohmann::json& j, const Lira& l) {
  j = {{"kind", l.kind}, {"method", l.method}, {"figures", numbers({l.efficacy, l.auc})}};
}
void from_json(const nlohmann::json& j, Lira& l) {
  j.at("kind").get_to(l.kind), j.at("method").get_to(l.method);
  l.efficacy = number(j.at("figures").at(0)), l.auc = number(j.at("figures").at(1));
}

unlearn::WorstCase search_options(std::int64_t size, std::uint64_t seed) {
  return {.size = size, .upper_steps = 20, .epochs = 2, .batch = 256, .lower_rate = 1e-4, .seed = seed};
}

unlearn::Method method_of(const std::string& name, const std::map<std::string, StepSize>& rates) {
  unlearn::Method m = unlearn::method_named(name);
  if (const auto rate = rates.find(name); rate != rates.end())
    if (TrainOptions* train = unlearn::training_of(m)) train->sgd.lr = rate->second.lr;
  if (auto* shrink = std::get_if<unlearn::BoundaryShrink>(&m)) shrink->only_wrong = true;
  return m;
}

std::map<std::string, StepSize> tuned_rates(Lab& lab, const std::vector<std::string>& methods, std::int64_t size,
                                            std::uint64_t seed, int seeds, double largest) {
  std::map<std::string, std::map<double, Tried>> tried;
  Evaluation exact;
  const double part = 1 / double(seeds);
  for (std::uint64_t s = seed; s < seed + std::uint64_t(seeds); ++s) {
    lab.train(s);
    const Rows set = random_rows(size, lab.samples(), s);
    const Evaluation retrained = lab.unlearned(unlearn::method_named("retrain"), set);
    exact.ua += part * retrained.ua, exact.ra += part * retrained.ra;
    for (const std::string& name : methods) {
      unlearn::Method m = unlearn::method_named(name);
      if (name == "retrain" || !unlearn::training_of(m)) continue;
      const bool shifts = name == "bs" || name == "be";
      for (const double lr :
           shifts ? std::vector<double>{3e-5, 1e-4, 3e-4, 1e-3, 3e-3}
                  : std::vector<double>{0.01 * largest, 0.03 * largest, 0.1 * largest, 0.3 * largest, largest}) {
        const Evaluation e = lab.unlearned(method_of(name, {{name, {.lr = lr}}}), set);
        Tried& t = tried[name][lr];
        t.gap += part * unlearn::average_gap(e, retrained), t.ua += part * e.ua, t.ra += part * e.ra;
      }
    }
  }
  std::map<std::string, StepSize> best;
  for (const auto& [name, by_rate] : tried)
    if (const auto step = least_gap(by_rate, exact, unlearn::relabels(unlearn::method_named(name)))) best[name] = *step;
  return best;
}

std::vector<Trial> trials(Lab& lab, Original& original, double ratio, const std::vector<std::string>& methods,
                          const std::map<std::string, StepSize>& rates, std::uint64_t seed) {
  original.seed = seed;
  original.losses = lab.losses();
  const auto n = std::int64_t(original.losses.size()), m = std::int64_t(std::llround(ratio * double(n)));
  const Rows rising = by_loss(original.losses, true);
  const Rows lowest(rising.begin(), rising.begin() + m), highest(rising.end() - m, rising.end());
  const unlearn::WorstCaseSet found = lab.search(search_options(m, seed));
  original.changed.clear(), original.weights.clear();
  for (const auto& step : found.history) {
    original.changed.push_back(double(step.changed));
    original.weights.emplace_back(step.histogram.begin(), step.histogram.end());
  }
  unlearn::WorstCase easiest = search_options(m, seed);
  easiest.easiest = true;
  std::vector<Trial> out;
  for (const std::string& kind : kinds) {
    Trial t{.seed = seed, .ratio = ratio, .kind = kind, .set = {}, .methods = {}};
    t.set = kind == "random"        ? random_rows(m, n, seed + 17)
            : kind == "worst"       ? found.groups
            : kind == "lowest loss" ? lowest
                                    : lab.search(easiest).groups;
    t.overlap = share_in(t.set, kind == "easiest" ? highest : lowest);
    t.methods["original"] = lab.original(t.set);
    for (const std::string& name : methods)
      if (kind == "random" || kind == "worst" || name == "retrain" || (kind == "lowest loss" && name == "rl"))
        t.methods[name] = lab.unlearned(method_of(name, rates), t.set);
    out.push_back(std::move(t));
  }
  return out;
}

std::vector<double> deciles(const Lab& lab, const Original& original) {
  const Rows rising = by_loss(original.losses, true);
  const auto n = std::ptrdiff_t(rising.size());
  std::vector<double> out;
  for (std::ptrdiff_t d = 0; d < 10; ++d) {
    const Rows tenth(rising.begin() + d * n / 10, rising.begin() + (d + 1) * n / 10);
    out.push_back(lab.unlearned(unlearn::method_named("retrain"), tenth).ua);
  }
  return out;
}

std::vector<ClassTrial> class_trials(const Lab& lab, const Original& original, const Indices& labels,
                                     const std::vector<std::string>& methods,
                                     const std::map<std::string, StepSize>& rates) {
  const unlearn::WorstCaseSet found = lab.search_classes(search_options(1, original.seed));
  std::vector<ClassTrial> out;
  for (const std::int64_t label : unlearn::largest(found.weights, found.weights.size())) {
    ClassTrial c{.label = label, .weight = found.weights(label), .methods = {}};
    Rows members;
    for (std::int64_t i = 0; i < labels.size(); ++i)
      if (labels(i) == label) members.push_back(i), c.loss += original.losses[std::size_t(i)];
    c.loss /= double(members.size());
    for (const std::string& name : methods) c.methods[name] = lab.unlearned(method_of(name, rates), members);
    out.push_back(std::move(c));
  }
  return out;
}

std::vector<Lira> likelihood_ratios(const Lab& lab, const std::vector<Trial>& trials,
                                    const std::vector<std::string>& methods,
                                    const std::map<std::string, StepSize>& rates, std::int64_t models,
                                    std::uint64_t seed) {
  const unlearn::Shadows shadows = lab.shadows(models, seed);
  std::vector<Lira> out;
  for (const Trial& t : trials) {
    if (t.kind != "random" && t.kind != "worst") continue;
    const auto scored = [&](const Tensor<double>& confidence) {
      std::vector<double> of_set;
      for (const double v : confidence.values())
        if (!std::isfinite(v)) return of_set;
      const Tensor<double> all = unlearn::lira_scores(shadows, confidence);
      for (const std::int64_t row : t.set) of_set.push_back(all(row));
      return of_set;
    };
    const std::vector<double> retrained = scored(lab.unlearned_confidence(method_of("retrain", rates), t.set));
    const auto add = [&](const std::string& name, const std::vector<double>& score) {
      Lira l{.kind = t.kind, .method = name};
      if (!score.empty() && !retrained.empty()) {
        const auto strangers = std::count_if(score.begin(), score.end(), [](double s) { return s <= 0; });
        l.efficacy = 100 * double(strangers) / double(score.size());
        l.auc = unlearn::attack_auc(score, retrained);
      }
      out.push_back(std::move(l));
    };
    add("original", scored(lab.original_confidence()));
    for (const std::string& name : methods)
      add(name, name == "retrain" ? retrained : scored(lab.unlearned_confidence(method_of(name, rates), t.set)));
  }
  return out;
}

std::vector<Start> starts(const Lab& lab, std::int64_t size, std::uint64_t seed) {
  std::vector<Start> out;
  for (const bool binary : {true, false})
    for (const double rate : {1e-3, 1e-1, 10.0, 1e4, 0.0}) {
      unlearn::WorstCase w = search_options(size, seed);
      w.binary_start = binary, w.upper_rate = rate, w.upper_steps = 10;
      unlearn::WorstCase before = w;
      before.upper_steps = 0;
      const Rows first = lab.search(before).groups, set = lab.search(w).groups;
      out.push_back(
          {seed, rate, binary, lab.unlearned(unlearn::method_named("retrain"), set).ua, 1 - share_in(set, first)});
    }
  return out;
}

Coreset coreset(const Lab& lab, const Original& original, double kept, std::uint64_t seed) {
  const auto n = std::int64_t(original.losses.size()), k = std::int64_t(std::llround(kept * double(n)));
  Coreset c{.seed = seed, .kept = kept, .accuracy = {}};
  c.accuracy["random"] = lab.trained_on(random_rows(k, n, seed + 29));
  c.accuracy["complement of the worst set"] =
      lab.trained_on(complement(lab.search(search_options(n - k, seed)).groups, n));
  Rows by = by_loss(original.losses, false);
  by.resize(std::size_t(k));
  c.accuracy["highest losses"] = lab.trained_on(by);
  by = by_loss(original.losses, true);
  by.resize(std::size_t(k));
  c.accuracy["lowest losses"] = lab.trained_on(by);
  return c;
}

}  // namespace worst_case
