#include "claims.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "../shared/claims.hpp"
#include "files.hpp"
#include "memory.hpp"
#include "report.hpp"
#include "study.hpp"
#include "tenzo/io/progress.hpp"
#include "tenzo/io/stages.hpp"
#include "tenzo/version.hpp"

namespace zo_llm {

using namespace tenzo;

namespace {

/// Times the step size that the rule chooses, in the claims, whose runs are short: the best of {1, 2, 3} on the dev
/// examples of seeds 11 to 13.
constexpr double tuned = 2;

double rounded(double x) { return std::round(x * 1e4) / 1e4; }

/// What is run to show that it runs: back-propagation and forward passes mixed are of all weights only.
std::vector<std::pair<std::string, std::string>> table_rows() {
  std::vector<std::pair<std::string, std::string>> rows;
  for (const char* method : {"zo-sgd", "zo-mmt", "zo-cons", "zo-sign", "zo-adam", "forward-grad", "sgd", "adam"})
    for (const char* scheme : {"full", "lora", "prefix", "prompt", "head"}) rows.emplace_back(method, scheme);
  rows.emplace_back("hybrid", "full");
  return rows;
}

/// Mean and 95 % interval of a figure over seeds (Student's t); one seed has none.
struct Interval {
  double mean = 0, low = NAN, high = NAN;

  explicit Interval(const std::vector<double>& x) {
    static constexpr double t[] = {0, 12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262};
    const auto n = x.size();
    for (const double v : x) mean += v / double(n);
    double squares = 0;
    for (const double v : x) squares += (v - mean) * (v - mean);
    if (n < 2) return;
    const double half = t[std::min<std::size_t>(n - 1, 9)] * std::sqrt(squares / double(n - 1) / double(n));
    low = mean - half;
    high = mean + half;
  }
};

/// Tokens of each of two sequences.
std::vector<std::int64_t> lengths(bool full) {
  return full ? std::vector<std::int64_t>{64, 256, 512, 1024} : std::vector<std::int64_t>{64, 256, 512};
}

/// Length of two sequences from which on FO-SGD needs more than ZO-Adam, as predicted.
double predicted_crossing(const Model& model) {
  const auto above = [&](std::int64_t length) {
    return predict_memory(model, "f32", {"sgd", "full", 2, length}).total() >=
           predict_memory(model, "f32", {"zo-adam", "full", 2, length}).total();
  };
  std::int64_t low = 1, high = 1 << 16;
  while (high - low > 1) {
    const std::int64_t middle = (low + high) / 2;
    (above(middle) ? high : low) = middle;
  }
  return double(high);
}

/// Where a function that is known at some points crosses zero upwards, on the straight line through two of them: those
/// around it, or the last two.
double crossing(const std::vector<double>& x, const std::vector<double>& y) {
  std::size_t i = 1;
  while (i + 1 < y.size() && y[i] < 0) ++i;
  return x[i - 1] + (x[i] - x[i - 1]) * y[i - 1] / (y[i - 1] - y[i]);
}

/// C4, in three parts: the order of the methods' peaks and the size of the differences between them; where FO-SGD
/// overtakes ZO-Adam; the growth of FO / ZO with the length.
std::vector<Claim> memory_claims(const Claims& o, const Model& model, Stages& stages, std::vector<MemoryRow>& rows) {
  const auto row = [&](const std::string& method, std::int64_t batch, std::int64_t length) {
    const MemoryCase c{method, "full", batch, length};
    const double measured = stages(cat("memory/", method, "/", batch, "x", length),
                                   [&] { return double(measure_memory(o.model, "f32", threads(), c)); });
    rows.push_back({c, predict_memory(model, "f32", c).total(), measured});
    return measured;
  };
  const double d = 4 * double(count_elements(model));
  const double inference = row("inference", 16, 32), zo = row("zo-sgd", 16, 32), sign = row("zo-sign", 16, 32),
               cons = row("zo-cons", 16, 32);
  const double mmt = row("zo-mmt", 16, 32), zo_adam = row("zo-adam", 16, 32), sgd = row("sgd", 16, 32);
  const double adam = row("adam", 16, 32);
  std::vector<double> length, ratio, above;  // above: FO-SGD less ZO-Adam
  for (const std::int64_t t : lengths(o.full)) {
    const double first_order = row("sgd", 2, t), zeroth_order = row("zo-sgd", 2, t);
    length.push_back(double(t));
    ratio.push_back(first_order / zeroth_order);
    above.push_back(first_order - zeroth_order - (zo_adam - zo));
  }

  std::string wrong;
  const auto check = [&](bool holds, const std::string& what) {
    if (!holds) wrong += (wrong.empty() ? "" : "; ") + what;
  };
  check(inference <= zo + 0.002 * d && zo <= 1.05 * inference, cat("ZO-SGD needs ", zo / inference, " of inference"));
  check(std::abs(sign - zo) <= 0.02 * d && std::abs(cons - zo) <= 0.02 * d, "Sign or Cons differs from ZO-SGD");
  check(std::abs(mmt - zo - d) <= 0.02 * d, cat("MMT keeps ", (mmt - zo) / d, " copies; want 1"));
  check(std::abs(zo_adam - zo - 2 * d) <= 0.04 * d, cat("ZO-Adam keeps ", (zo_adam - zo) / d, " copies; want 2"));
  check(sgd < adam, "FO-SGD needs more than FO-Adam");
  Claim order{.id = "C4a",
              .statement =
                  "Peak memory: inference ≤ ZO-SGD ≤ 1.05 inference, ZO-SGD = Sign = Cons < MMT < ZO-Adam, FO-SGD < "
                  "FO-Adam; MMT and ZO-Adam keep one and two copies of the weights",
              .value = sgd / zo,
              .threshold = 1,
              .relation = ">"};
  order.holds = wrong.empty();
  order.reason = wrong.empty() ? cat("at 16 x 32 ZO-SGD needs ", rounded(zo / inference), " of inference, FO-SGD ",
                                     rounded(sgd / zo), " of ZO-SGD")
                               : wrong;

  const double measured = crossing(length, above), predicted = predicted_crossing(model);
  Claim overtakes{.id = "C4b",
                  .statement =
                      "FO-SGD overtakes ZO-Adam within 15 % of the tokens that are predicted from sizes; ZO-Adam is "
                      "ZO-SGD and the moments measured at 16 x 32",
                  .value = std::abs(measured / predicted - 1),
                  .threshold = 0.15,
                  .relation = "≤"};
  overtakes.holds = overtakes.value <= 0.15;
  overtakes.reason = cat("at ", std::round(2 * measured), " tokens, predicted ", 2 * predicted,
                         "; where all activations were kept beside the gradients it would be sooner");

  Claim growth{.id = "C4c",
               .statement = "FO-SGD / ZO-SGD grows with the length of two sequences, from 64 tokens on",
               .value = INFINITY,
               .threshold = 0,
               .relation = ">"};
  growth.reason = "ratio";
  for (std::size_t i = 0; i < ratio.size(); ++i) {
    if (i > 0) growth.value = std::min(growth.value, ratio[i] - ratio[i - 1]);
    growth.reason += cat(i > 0 ? ", " : " ", rounded(ratio[i]), " at ", length[i]);
  }
  growth.holds = growth.value > 0;
  growth.reason += "; activations take the place of gradients, and add to the peak where they outgrow them only";
  return {order, overtakes, growth};
}

/// C5: zeroth-order learning beside zero-shot and back-propagation, on the same data.
Claim learning_claim(const ScoreSummary& zero_shot, const std::vector<Outcome>& runs) {
  std::vector<double> gain, accuracy, auc, of_adam;
  std::int64_t steps = 0;
  for (const Outcome& r : runs) {
    if (r.method == "adam") of_adam.push_back(r.test.accuracy);
    if (r.method != "zo-sgd") continue;
    gain.push_back(r.test.accuracy - zero_shot.accuracy);
    accuracy.push_back(r.test.accuracy);
    auc.push_back(r.test.auc);
    steps = r.steps;
  }
  const Interval g(gain);
  Claim c{
      .id = "C5",
      .statement = "FO-Adam ≥ ZO-SGD (to half a point) ≥ zero-shot + 10 points of accuracy, and AUC ≥ zero-shot + 0.03",
      .value = g.mean,
      .threshold = 0.10,
      .seeds = int(gain.size()),
      .ci95 = {g.low, g.high},
      .relation = "≥"};
  const double zo = Interval(accuracy).mean, fo = Interval(of_adam).mean, area = Interval(auc).mean;
  c.holds = g.mean >= 0.10 && area - zero_shot.auc >= 0.03 && fo >= zo - 0.005;
  c.reason = cat("accuracy ", rounded(zero_shot.accuracy), " -> ZO ", rounded(zo), ", FO ", rounded(fo), "; AUC ",
                 rounded(zero_shot.auc), " -> ", rounded(area), " in ", steps, " steps");
  return c;
}

/// C9, in two parts: the conservative method at its step size and at ten times as much; and there beside ZO-SGD.
std::vector<Claim> conservative_claims(const Outcome& cons, const Outcome& wild, const Outcome& sgd) {
  Claim steps{.id = "C9a",
              .statement =
                  "Cons never raises its batch's loss, costs 2q + 3 forwards, goes downhill in 90 % of the steps, and "
                  "stays more often at ten times the step size",
              .value = cons.forward_share,
              .threshold = 0.9,
              .relation = "≥"};
  steps.holds = cons.largest_rise <= 1e-6 && wild.largest_rise <= 1e-6 && cons.forwards_a_step == 5 &&
                cons.forward_share >= 0.9 && wild.stayed > cons.stayed;
  steps.reason =
      cat("forward in ", rounded(100 * cons.forward_share), " % of the steps, stayed in ", rounded(100 * cons.stayed),
          " % and at ten times in ", rounded(100 * wild.stayed), " %; the loss rose by at most ",
          std::max(cons.largest_rise, wild.largest_rise), "; ", cons.forwards_a_step, " forwards a step");
  Claim divergence{.id = "C9b",
                   .statement =
                       "At ten times the step size ZO-SGD diverges, that is, ends above the loss it began with, and "
                       "Cons does not",
                   .value = sgd.after - sgd.before,
                   .threshold = 0,
                   .relation = ">"};
  divergence.holds = sgd.after > sgd.before && wild.after <= wild.before;
  divergence.reason =
      cat(wild.steps, " steps lead from ", rounded(wild.before), " to ", rounded(sgd.after), " with ZO-SGD and to ",
          rounded(wild.after), " with Cons",
          wild.after > wild.before ? ", which looks at the batch of the step alone: others' loss may rise" : "");
  return {steps, divergence};
}

}  // namespace

int claims(const Claims& o) {
  const auto start = std::chrono::steady_clock::now();
  apply_machine_options(o);
  check_folder(o.out, {"stages.json", "metrics.json", "report.html"});
  require(o.task == "sst2", "--task ", o.task, ": the claims are of sst2; want --task sst2");
  const LanguageModel files = load_language_model(o.model, WeightFormat::file);
  const EncodedTask task =
      load_task(o, files, study_split(o.full));  // what is wrong with the data is said now, not minutes later
  std::filesystem::create_directories(o.out);
  const int seeds = o.seeds > 0 ? o.seeds : o.full ? 3 : 1;
  Stages stages((std::filesystem::path(o.out) / "stages.json").string(),
                {{"mode", o.full ? "full" : "quick"},
                 {"seed", o.seed},
                 {"model", files.hash},
                 {"task", o.task},
                 {"data", fingerprint(task)},
                 {"version", TENZO_VERSION}},
                o.resume);
  if (o.resume) std::printf("resumed after %zu stages\n", stages.finished());
  const auto memory_stages = std::int64_t(8 + 2 * lengths(o.full).size());
  Progress bar("claims", memory_stages + 2 * seeds + 3 + std::int64_t(table_rows().size()));
  stages.watch([&, done = std::int64_t(0)](const std::string& name) mutable { bar.update(++done, name); });
  ReportData report;
  const auto note = [&](Claim v) {
    bar.finish();
    program_claims::print(v);
    std::fflush(stdout);
    report.verdicts.push_back(std::move(v));
  };
  note(estimator_orders());
  note(cosine_law(o.seed));
  note(replay_bits(o.out));
  for (Claim& c : memory_claims(o, files.model, stages, report.memory)) note(std::move(c));

  Study study(o);
  const auto run = [&](const std::string& name, const Plan& plan) {
    return stages(name, [&] { return study.fine_tune(plan); });
  };
  report.zero_shot = study.zero_shot().summary();
  const std::int64_t steps = o.full ? 2400 : 400;
  for (int s = 0; s < seeds; ++s)
    for (const char* method : {"zo-sgd", "adam"}) {
      Plan p{.method = method, .seed = o.seed + std::uint64_t(s), .steps = steps, .batch = 8, .decays = true};
      if (p.method == "zo-sgd") p.lr_factor = tuned;
      else p.steps = steps / 8;
      report.runs.push_back(run(cat("learning/", method, "/", p.seed), p));
    }
  note(learning_claim(report.zero_shot, report.runs));
  const Scores& z = study.zero_shot();
  for (std::size_t i = 0; i < std::min<std::size_t>(8, study.task().texts.test.size()); ++i)
    report.reviews.push_back({study.task().texts.test[i].text, study.task().test[i].label,
                              z.values[2 * i + 1] - z.values[2 * i], report.runs.front().margins.at(i)});

  Plan watched{.method = "zo-cons",
               .seed = o.seed,
               .steps = o.full ? 100 : 30,
               .batch = o.full ? 16 : 8,
               .judged = false,
               .watched = o.full ? 1 : 5};
  watched.lr_factor = tuned;
  const Outcome cons = run("conservative", watched);
  watched.lr = cons.lr;
  watched.eps = cons.eps;
  watched.lr_factor = 10;
  const Outcome wild = run("conservative, ten times", watched);
  watched.method = "zo-sgd";
  watched.watched = watched.steps;  // its ends only
  const Outcome fast = run("zo-sgd, ten times", watched);
  for (Claim& c : conservative_claims(cons, wild, fast)) note(std::move(c));

  // Every method runs under every scheme. In full with figures, but where all blocks are computed in each step.
  for (const auto& [method, scheme] : table_rows()) {
    Plan p{.method = method, .scheme = scheme, .seed = o.seed, .steps = 60, .batch = 8, .decays = true};
    if (!o.full || scheme == "prompt" || method == "hybrid") {
      p.steps = 3;
      p.batch = 4;
      p.judged = false;
      p.probes = 1;
    }
    report.table.push_back(run(cat("table/", method, "/", scheme), p));
  }
  bar.finish();

  report.model = std::filesystem::path(o.model).filename().string();
  report.data = std::filesystem::path(o.data).filename().string();
  report.mode = o.full ? "full" : "quick";
  report.seed = o.seed;
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  report.peak = double(peak_memory());
  write_report(report, o.out);
  stages.clear();
  std::printf("report: %s\n", (std::filesystem::path(o.out) / "report.html").c_str());
  return 0;
}

}  // namespace zo_llm
