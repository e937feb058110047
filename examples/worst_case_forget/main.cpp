// worst_case_forget: the forget sets that are hardest to erase (Fan et al. 2024), found by bi-level optimization, and
// what methods of unlearning make of them.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include <CLI/CLI.hpp>

#include "../shared/claims.hpp"
#include "../shared/command_line.hpp"
#include "../shared/data.hpp"
#include "report.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/data/stratified.hpp"
#include "tenzo/io/atomic_file.hpp"
#include "tenzo/io/json.hpp"
#include "tenzo/io/outputs.hpp"
#include "tenzo/io/progress.hpp"
#include "tenzo/io/stages.hpp"
#include "tenzo/version.hpp"
#include "transfer.hpp"

namespace worst_case {

using namespace tenzo;

namespace {

DataSet data_of(const Options& o) { return program_data::set_of(o.data, o.path); }

Recipe recipe_of(const Options& o) {
  if (o.arch == "mlp") return {};
  if (o.arch == "cnn") return {.lr = 0.03, .warmup = 2};
  return {.epochs = 182, .batch = 256, .unlearning_epochs = 10};
}

/// The trials of the ratio that most claims are of.
std::vector<Trial> of_first_ratio(const Results& r) {
  std::vector<Trial> out;
  for (const Trial& t : r.trials)
    if (t.ratio == r.ratios.front()) out.push_back(t);
  return out;
}

int claims(const Options& o) {
  const auto start = std::chrono::steady_clock::now();
  check_folder(o.out, {"stages.json", "metrics.json", "report.html"});
  const DataSet data = data_of(o);
  const Recipe recipe = recipe_of(o);
  const auto lab = make_lab(o.arch, o.device, data, recipe);
  std::filesystem::create_directories(o.out);
  const int seeds = o.seeds > 0 ? o.seeds : o.full ? 5 : 3;
  Stages stages((std::filesystem::path(o.out) / "stages.json").string(),
                {{"mode", o.full ? "full" : "quick"},
                 {"data", o.data},
                 {"path", file_record(program_data::place_of(o.data, o.path))},
                 {"samples", data.train.size()},
                 {"arch", o.arch},
                 {"recipe", recipe},
                 {"device", name_of(o.device)},
                 {"seed", o.seed},
                 {"version", TENZO_VERSION}},
                o.resume);
  Results r;
  r.methods = {"retrain", "ft", "rl", "cf-k", "scrub", "salun"};
  if (o.full) r.methods = {"retrain", "ft", "l1-sparse", "eu-k", "cf-k", "scrub", "rl", "bs", "be", "salun"};
  r.ratios = {0.1};
  if (o.full) r.ratios = {0.1, 0.01, 0.05, 0.2};
  // step sizes and trials of each ratio; tenths; of --full starts, derivatives and three coresets of each seed, and
  // what is of one seed or of all: shadow models, classes, transfer, a ResNet-18
  const bool deep = o.arch.starts_with("resnet");
  const std::int64_t each_seed = std::int64_t(r.ratios.size()) + (o.full ? 5 + !deep : 0);
  const bool with_residual = o.full && !deep && data.train.x.dim(2) < 32;  // of larger images it would take hours
  Progress bar("claims", std::int64_t(r.ratios.size()) + seeds * each_seed + (o.full ? 3 + with_residual : 1));
  stages.watch([&, done = std::int64_t(0)](const std::string& name) mutable { bar.update(++done, name); });
  const auto size = [&](double ratio) { return std::int64_t(std::llround(ratio * double(data.train.size()))); };

  for (const double ratio : r.ratios)
    r.rates[ratio] = stages(cat("step sizes, ", 100 * ratio, " %"),
                            [&] { return tuned_rates(*lab, r.methods, size(ratio), o.seed + 1000, 3, recipe.lr); });
  for (int s = 0; s < seeds; ++s) {
    const std::uint64_t seed = o.seed + std::uint64_t(s);
    bool trained = false;
    const auto ready = [&] {
      if (!trained) lab->train(seed);
      trained = true;
    };
    for (const double ratio : r.ratios) {
      const auto [original, found] = stages(cat("seed ", seed, ", ", 100 * ratio, " %"), [&] {
        ready();
        Original each;
        std::vector<Trial> t = trials(*lab, each, ratio, r.methods, r.rates[ratio], seed);
        return std::pair(std::move(each), std::move(t));
      });
      if (ratio == r.ratios.front()) r.originals.push_back(original);
      r.trials.insert(r.trials.end(), found.begin(), found.end());
    }
    if (o.full || s == 0)
      r.deciles.push_back(stages(cat("tenths of seed ", seed), [&] {
        ready();
        return deciles(*lab, r.originals.back());
      }));
    if (o.full && s == 0) {
      r.shadow_models = 16;
      r.lira = stages(cat(r.shadow_models, " shadow models"), [&] {
        ready();
        return likelihood_ratios(*lab, of_first_ratio(r), r.methods, r.rates[r.ratios.front()], r.shadow_models,
                                 seed + 3000);
      });
    }
    if (o.full)
      for (const Start& each : stages(cat("starts of seed ", seed), [&] {
             ready();
             return starts(*lab, size(r.ratios.front()), seed);
           }))
        r.starts.push_back(each);
    if (o.full && !deep)
      r.derivatives.push_back(stages(cat("derivatives of seed ", seed), [&] {
        ready();
        return lab->derivatives(size(r.ratios.front()));
      }));
    if (o.full && s == 0)
      r.classes = stages("classes", [&] {
        ready();
        return class_trials(*lab, r.originals.back(), data.train.labels, {"retrain", "ft", "rl", "scrub"},
                            r.rates[0.1]);
      });
    if (o.full)
      for (const double kept : {0.5, 0.3, 0.2})
        r.coresets.push_back(stages(cat("coreset ", seed, ", ", kept), [&] {
          ready();
          return coreset(*lab, r.originals.back(), kept, seed);
        }));
  }
  if (o.full) {
    r.other_arch = o.arch == "mlp" ? "cnn" : "mlp";
    Options other = o;
    other.arch = r.other_arch;
    r.transfers = stages(cat("transfer of ", seeds, " seeds"), [&] {
      return transferred(data, r.other_arch, o.device, recipe_of(other), r.trials, *lab, 0.1);
    });
    if (with_residual)
      r.residual = stages("ResNet-18", [&] {
        return residual(data, o.device, of_first_ratio(r), r.rates[r.ratios.front()], recipe.lr);
      });
  }
  bar.finish();
  const std::vector<Claim> verdicts = judge(r);
  for (const Claim& c : verdicts) program_claims::print(c);
  write_report(o, data, recipe, lab->weights(), r, verdicts,
               std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  stages.clear();
  std::printf("report: %s\n", (std::filesystem::path(o.out) / "report.html").c_str());
  return 0;
}

struct Search : Options {
  double ratio = 0.1;
  std::int64_t steps = 20, epochs = 2;
  double lower_rate = 1e-4, upper_rate = 0, lambda = 0, gamma = 1e-4;
  std::string start = "uniform", save = "forget.json";
  bool classes = false, easiest = false;
};

int search(const Search& o) {
  check_outputs({program_data::place_of(o.data, o.path)}, {o.save});
  require(o.start == "uniform" || o.start == "binary", "--w-init ", o.start, "; want uniform or binary");
  const DataSet data = data_of(o);
  const auto lab = make_lab(o.arch, o.device, data, recipe_of(o));
  const std::int64_t groups = o.classes ? data.train.classes : data.train.size();
  unlearn::WorstCase w = search_options(std::int64_t(std::llround(o.ratio * double(groups))), o.seed);
  w.upper_steps = o.steps, w.epochs = o.epochs, w.lower_rate = o.lower_rate, w.upper_rate = o.upper_rate,
  w.lambda = o.lambda;
  w.gamma = o.gamma, w.binary_start = o.start == "binary", w.easiest = o.easiest;
  require(w.size >= 1 && w.size < groups, "--ratio ", o.ratio, " of ", groups, o.classes ? " classes" : " samples",
          " is a set of ", w.size, "; want at least one, and one to retain");
  lab->train(o.seed);
  const auto found = o.classes ? lab->search_classes(w) : lab->search(w);
  Rows samples = found.groups;
  if (o.classes) {
    samples.clear();
    for (std::int64_t i = 0; i < data.train.size(); ++i)
      if (std::find(found.groups.begin(), found.groups.end(), data.train.labels(i)) != found.groups.end())
        samples.push_back(i);
  }
  nlohmann::json out = {{"data", o.data},
                        {"samples", data.train.size()},
                        {"arch", o.arch},
                        {"seed", o.seed},
                        {"forget", samples},
                        {"m", samples.size()},
                        {"weights", std::vector<double>(found.weights.values().begin(), found.weights.values().end())}};
  if (o.classes) out["classes"] = found.groups;
  write_file(o.save, out.dump() + "\n");
  const std::vector<double> losses = lab->losses();
  double of_set = 0;
  for (const std::int64_t row : samples) of_set += losses[std::size_t(row)] / double(samples.size());
  std::printf("original model: %.2f %% on the samples, %.2f %% on the test set\n", lab->train_accuracy(),
              lab->test_accuracy());
  std::printf("mean loss under it: %.3g of the set, %.3g of all\n", of_set, mean_of(losses));
  std::int64_t moved = 0;
  for (const unlearn::WorstCaseStep& step : found.history) moved += step.changed;
  if (moved == 0) std::printf("the search has exchanged no member: the set is the one that it began with\n");
  else
    std::printf("exchanged: %lld in the first step, %lld in the last of %zu\n",
                static_cast<long long>(found.history.front().changed),
                static_cast<long long>(found.history.back().changed), found.history.size());
  if (o.classes) {
    std::printf("%zu of %lld classes:", found.groups.size(), static_cast<long long>(groups));
    for (const std::int64_t c : found.groups)
      std::printf(" %s", std::size_t(c) < data.classes.size() ? data.classes[std::size_t(c)].c_str() : cat(c).c_str());
    std::printf("\n");
  }
  std::printf("%zu samples into %s\n", samples.size(), o.save.c_str());
  return 0;
}

struct Judgement : Options {
  std::string forget, methods = "retrain,ft,rl,salun";
  double rate = 0;
};

/// The names of a list with commas between them, or of all methods.
///   Throws  ValueError where one is none.
std::vector<std::string> methods_named(const std::string& list) {
  std::vector<std::string> names;
  if (list == "all") {
    for (const auto& m : unlearn::all_methods()) names.emplace_back(unlearn::name_of(m));
    return names;
  }
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t end = std::min(list.find(',', at), list.size());
    const std::size_t from = std::min(list.find_first_not_of(' ', at), end), last = list.find_last_not_of(' ', end - 1);
    names.push_back(from < end ? list.substr(from, last + 1 - from) : "");
    at = end + 1;
  }
  for (const std::string& name : names) unlearn::method_named(name);
  return names;
}

int evaluate(const Judgement& o) {
  const DataSet data = data_of(o);
  const nlohmann::json file = JsonObject::open(o.forget).value();
  if (!file.contains("forget") || !file["forget"].is_array()) throw FileError(o.forget, -1, "has no list 'forget'");
  if (file.value("data", nlohmann::json(o.data)) != o.data ||
      file.value("samples", nlohmann::json(data.train.size())) != data.train.size())
    throw FileError(
        o.forget, -1,
        cat("is a set of ", file.value("samples", nlohmann::json()).dump(), " samples of ",
            file.value("data", nlohmann::json()).dump(), "; the data are ", data.train.size(), " of ", o.data));
  Rows set;
  for (const auto& number : file["forget"]) {
    if (!number.is_number_integer() || number < 0 || number >= data.train.size())
      throw FileError(o.forget, -1, cat("names sample ", number.dump(), " of ", data.train.size()));
    set.push_back(number);
  }
  Rows sorted = set;
  std::sort(sorted.begin(), sorted.end());
  if (set.empty()) throw FileError(o.forget, -1, "names no sample");
  if (const auto twice = std::adjacent_find(sorted.begin(), sorted.end()); twice != sorted.end())
    throw FileError(o.forget, -1, cat("names sample ", *twice, " twice"));
  const std::vector<std::string> names = methods_named(o.methods);
  if (file.contains("arch") && (file["arch"] != o.arch || file.value("seed", nlohmann::json()) != o.seed))
    std::printf("the set was found on %s, seed %s; it is forgotten by %s, seed %llu\n", file["arch"].dump().c_str(),
                file.value("seed", nlohmann::json()).dump().c_str(), o.arch.c_str(),
                static_cast<unsigned long long>(o.seed));
  // Samples held out for a method are none that any method is judged on.
  DataSet judged = data;
  Samples<float> held_out;
  const bool wanted = std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return unlearn::wants_held_out(unlearn::method_named(name));
  });
  if (wanted) {
    std::tie(judged.test, held_out) = stratified_split(data.test, data.test.size() / 2, o.seed);
    std::printf("test set: %lld samples to judge by, %lld held out for reference\n",
                static_cast<long long>(judged.test.size()), static_cast<long long>(held_out.size()));
  }
  const auto lab = make_lab(o.arch, o.device, judged, recipe_of(o), wanted ? &held_out : nullptr);
  lab->train(o.seed);
  const Evaluation exact = lab->unlearned(unlearn::method_named("retrain"), set);
  std::map<std::string, StepSize> rates;
  if (o.rate > 0)
    for (const std::string& name : names) rates[name] = {.lr = o.rate};
  std::printf("%-20s %7s %7s %7s %7s %7s\n", "method", "UA", "MIA", "RA", "TA", "gap");
  const auto row = [&](const std::string& name, const Evaluation& e) {
    std::printf("%-20s %7.2f %7.2f %7.2f %7.2f %7.2f\n", name.c_str(), e.ua, e.mia, e.ra, e.ta,
                unlearn::average_gap(e, exact));
    std::fflush(stdout);
  };
  row("original", lab->original(set));
  for (const std::string& name : names)
    row(name, name == "retrain" ? exact : lab->unlearned(method_of(name, rates), set));
  return 0;
}

}  // namespace

}  // namespace worst_case

namespace {

using command_line::a_path, command_line::at_least, command_line::between;

void add_common(CLI::App& app, worst_case::Options& o) {
  app.add_option("--data", o.data,
                 "Data set: mnist5k, digits, faces, idx, cifar10, cifar100, tiny-imagenet, celeba, folder")
      ->capture_default_str();
  app.add_option("--path", o.path, "Its file or folder; empty: where scripts/fetch leaves it, or in $TENZO_DATA")
      ->check(a_path);
  app.add_option("--arch", o.arch, "mlp, cnn, resnet18 or resnet18-pooled")->capture_default_str();
  app.add_option("--seed", o.seed, "Seed of training, sets and methods")->check(at_least(0))->capture_default_str();
  app.add_option("--threads", o.threads, "Threads; 0 takes all")->check(CLI::Range(0, 1024))->capture_default_str();
  command_line::add_device(app, o.device);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Worst-case forget sets in machine unlearning. Without a subcommand: the paper's claims.");
  app.set_version_flag("--version", TENZO_VERSION);
  app.require_subcommand(0, 1);
  worst_case::Options claims;
  add_common(app, claims);
  bool quick = false;
  auto* const q =
      app.add_flag("--quick", quick, "A small study: three seeds, 10 % forgotten, six methods (the default)");
  app.add_flag("--full", claims.full,
               "All: five seeds, four sizes, ten methods, coresets, transfer, derivatives, a ResNet-18")
      ->excludes(q);
  app.add_option("--seeds", claims.seeds, "Seeds to judge the claims on; 0: three, or five with --full")
      ->check(at_least(0))
      ->capture_default_str();
  app.add_option("--out", claims.out, "Folder for metrics.json and report.html")->check(a_path)->capture_default_str();
  app.add_flag("--resume", claims.resume, "Go on with what an interrupted run has finished");

  worst_case::Search search;
  CLI::App* const s =
      app.add_subcommand("search", "Find the worst forget set of a model, and write its sample numbers");
  add_common(*s, search);
  s->add_option("--ratio", search.ratio, "Share of the samples, or classes, to forget")
      ->check(between(0, 1))
      ->capture_default_str();
  s->add_option("--upper-iters", search.steps, "Steps of the upper level")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  s->add_option("--lower-epochs", search.epochs, "Epochs of the lower level")
      ->check(at_least(1))
      ->capture_default_str();
  s->add_option("--lower-lr", search.lower_rate, "Step size of the signs")->check(between(0, 1))->capture_default_str();
  s->add_option("--w-lr", search.upper_rate, "Step size of the upper level; 0: normalised")
      ->check(between(0, 1e9))
      ->capture_default_str();
  s->add_option("--w-init", search.start, "uniform or binary")->capture_default_str();
  s->add_option("--lambda", search.lambda, "Weight of the ascent on what is forgotten")
      ->check(between(0, 1e3))
      ->capture_default_str();
  s->add_option("--gamma", search.gamma, "Weight of the square of w")->check(between(0, 1e3))->capture_default_str();
  s->add_flag("--classes", search.classes, "Choose classes instead of samples");
  s->add_flag("--easiest", search.easiest, "The set that is easiest to forget");
  s->add_option("--save", search.save, "File for the set")->check(a_path)->capture_default_str();

  worst_case::Judgement judgement;
  CLI::App* const e = app.add_subcommand("evaluate", "Unlearn a set by several methods, and print their figures");
  add_common(*e, judgement);
  e->add_option("--forget", judgement.forget, "The set: a JSON object with a list 'forget'")->check(a_path)->required();
  e->add_option(
       "--methods", judgement.methods,
       "Names with commas between them, or all: retrain; ft, fine-tuning on what is retained; l1-sparse; eu-k and "
       "cf-k, of the last layers alone; scrub; rl, random labels; salun; bs and be, boundary shrink and expanding; "
       "ga, gradient ascent; neggrad+; iu, by influence; reference, which wants unseen samples")
      ->capture_default_str();
  e->add_option("--lr", judgement.rate,
                "Step size of all methods; 0: of each its own, which a study would tune. Methods take five epochs at "
                "most, of a ResNet ten")
      ->check(between(0, 10))
      ->capture_default_str();
  e->footer(
      "UA is the error on what is forgotten, MIA the share of it that an attacker takes for unseen, RA and TA the "
      "accuracies "
      "on what is retained and on the test set, gap the mean of their distances from retraining's; all in percent.");

  return command_line::run("worst_case_forget", app, argc, argv, [&] {
    for (const worst_case::Options* o :
         {static_cast<worst_case::Options*>(&claims), static_cast<worst_case::Options*>(&search),
          static_cast<worst_case::Options*>(&judgement)})
      if (o->threads > 0) tenzo::set_threads(o->threads);
    if (app.get_subcommands().empty()) return worst_case::claims(claims);
    if (*s) return worst_case::search(search);
    if (*e) return worst_case::evaluate(judgement);
    return 0;
  });
}
