#include "claims.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "files.hpp"
#include "finetune_setup.hpp"
#include "fo_run.hpp"
#include "memory.hpp"
#include "report.hpp"
#include "tenzo/io/progress.hpp"
#include "zo_run.hpp"

namespace zo_llm {

using namespace tenzo;

namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Mean and 95 % interval of a figure over seeds (Student's t).
struct Interval {
  double mean = 0, low = 0, high = 0;

  explicit Interval(const std::vector<double>& x) {
    static constexpr double t[] = {0, 12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262};
    const auto n = x.size();
    for (const double v : x) mean += v / double(n);
    double squares = 0;
    for (const double v : x) squares += (v - mean) * (v - mean);
    const double half = n > 1 ? t[std::min<std::size_t>(n - 1, 9)] * std::sqrt(squares / double(n - 1) / double(n)) : 0;
    low = mean - half;
    high = mean + half;
  }
};

/// One fine-tuning on the last blocks: what it cost and what it brought.
struct Outcome {
  std::string method;
  std::vector<std::array<double, 3>> curve;  // forwards, seconds, smoothed loss
  ScoreSummary test;
  std::vector<double> margins;  // of the test examples
  double lr = 0, eps = 0, stayed = 0, forward_share = 0, largest_rise = 0;
  double forwards_a_step = 0;
};

/// The study: one model, one task, the last four blocks trained, hidden states before them computed once.
class Study {
 public:
  Study(const Claims& o, bool full)
      : full_(full), base_(load_language_model(o.model, WeightFormat::f32)), task_(load_task(o, base_, split(full))) {
    const std::size_t depth = base_.model.depth();
    first_ = depth > 4 ? depth - 4 : 0;
    cache_ = std::make_shared<HiddenCache>(first_, true);
    zero_shot_ = score_examples(base_.model, task_.test, {}, cache_.get());
  }

  const EncodedTask& task() const { return task_; }
  const Scores& zero_shot() const { return zero_shot_; }
  const LanguageModel& base() const { return base_; }
  std::size_t first_block() const { return first_; }

  /// Fine-tunes a copy of the last blocks for a number of steps.
  ///   `lr_factor` multiplies the step size that the rule chooses; selection is on dev.
  Outcome fine_tune(const std::string& method, Scheme scheme, std::int64_t steps, std::uint64_t seed,
                    double lr_factor = 1) {
    Model model = copy();
    Outcome out;
    out.method = method;
    AdapterOptions adapters;
    adapters.scheme = scheme;
    adapters.seed = seed;
    if (scheme != Scheme::prompt && scheme != Scheme::head) {
      adapters.first_layer = first_;
      adapters.last_layer = model.depth();
    }
    const auto cache = scheme == Scheme::full || scheme == Scheme::lora || scheme == Scheme::prefix ? cache_ : nullptr;
    std::unique_ptr<Run> run;
    std::vector<Batch> batches;
    for (std::int64_t i = 0; i < 4; ++i) batches.push_back(batch(seed, i));
    ZoRun* zo = nullptr;
    if (method == "sgd" || method == "adam") {
      FoSettings s;
      s.method = method;
      s.adapters = adapters;
      s.seed = seed;
      auto fo = std::make_unique<FoRun>(model, s, std::string(), cache);
      const auto [norm, gradient] = fo->scales(batches[0], task_.loss);
      const double move = 2e-4 * norm / std::sqrt(double(fo->trained_weights())) * lr_factor;
      fo->settings().adam.lr = move;
      fo->settings().sgd.lr = move / std::max(gradient, 1e-12);
      out.lr = method == "sgd" ? fo->settings().sgd.lr : move;
      run = std::move(fo);
    } else {
      ZoSettings s;
      s.method = method;
      s.adapters = adapters;
      s.seed = seed;
      auto made = std::make_unique<ZoRun>(
          model, s, [this] { return copy(); }, std::string(), cache);
      choose_rates(*made, batches, task_.loss, model, true, true);
      made->settings().update.lr *= lr_factor;
      out.lr = made->settings().update.lr;
      out.eps = made->settings().probe.eps;
      zo = made.get();
      run = std::move(made);
    }
    const auto start = Clock::now();
    double smooth = NAN, forwards = 0, best = -1;
    std::int64_t stayed = 0, forward_moves = 0;
    for (std::int64_t i = 0; i < steps; ++i) {
      const Batch b = batch(seed, i);
      const double old_loss = method == "zo-cons" ? zo->loss_at(b, task_.loss) : 0;
      const StepReport r = run->step(b, task_.loss);
      forwards += double(r.forwards);
      if (method == "zo-cons") {
        const double rise = zo->loss_at(b, task_.loss) - old_loss;
        out.largest_rise = std::max(out.largest_rise, rise);
        const int choice = zo->last_choice();
        stayed += choice == 0;
        forward_moves += choice == 1;
      }
      if (!r.skipped) smooth = std::isnan(smooth) ? r.loss : 0.95 * smooth + 0.05 * r.loss;
      out.curve.push_back({forwards, since(start), smooth});
      if ((i + 1) % std::max<std::int64_t>(1, steps / 4) == 0 || i + 1 == steps) {
        const ScoreSummary dev = score_examples(model, task_.dev, {}, cache.get()).summary();
        if (dev.accuracy - 1e-3 * dev.loss > best) {
          best = dev.accuracy - 1e-3 * dev.loss;
          run->mark_best();
        }
      }
    }
    run->return_to_best();
    const Scores test = score_examples(model, task_.test, {}, cache.get());
    out.test = test.summary();
    for (std::size_t i = 0; i + 1 < test.values.size(); i += 2)
      out.margins.push_back(test.values[i + 1] - test.values[i]);
    out.stayed = double(stayed) / double(steps);
    out.forward_share = double(forward_moves) / double(steps);
    out.forwards_a_step = forwards / double(steps);
    return out;
  }

 private:
  static SplitOptions split(bool full) {
    return full ? SplitOptions{1000, 500, 1000, 0} : SplitOptions{320, 100, 400, 0};
  }

  /// The base model with blocks of its own where they are trained.
  Model copy() const {
    Model m = base_.model;
    for (std::size_t i = first_; i < m.depth(); ++i)
      m.model.layers[i] = map_tree<StoredTensor>(m.model.layers[i], [](const StoredTensor& w) { return w.clone(); });
    return m;
  }

  Batch batch(std::uint64_t seed, std::int64_t step) const { return batch_of(task_.train, seed, step, 16); }

  bool full_;
  LanguageModel base_;
  EncodedTask task_;
  std::size_t first_ = 0;
  std::shared_ptr<HiddenCache> cache_;
  Scores zero_shot_;
};

/// C4: the order of the methods' peaks, and the size of the differences between them.
Claim memory_claim(const Claims& o, const Model& model, std::vector<MemoryRow>& rows, bool full) {
  const auto row = [&](const std::string& method, std::int64_t batch, std::int64_t length) {
    const MemoryCase c{method, "full", batch, length};
    rows.push_back({c, predict_memory(model, "f32", c).total(), double(measure_memory(o.model, "f32", threads(), c))});
    return rows.back().measured;
  };
  const double d = 4 * double(count_elements(model));
  const double zo = row("zo-sgd", 16, 32), sign = row("zo-sign", 16, 32), cons = row("zo-cons", 16, 32);
  const double mmt = row("zo-mmt", 16, 32), zo_adam = row("zo-adam", 16, 32), sgd = row("sgd", 16, 32);
  const double adam = row("adam", 16, 32);
  std::vector<double> ratio;
  // From the length on at which activations outgrow the gradients, which take their place in a backward pass.
  for (const std::int64_t t : full ? std::vector<std::int64_t>{256, 512, 1024} : std::vector<std::int64_t>{256, 1024})
    ratio.push_back(row("sgd", 2, t) / row("zo-sgd", 2, t));
  std::string wrong;
  const auto check = [&](bool holds, const std::string& what) {
    if (!holds) wrong += (wrong.empty() ? "" : "; ") + what;
  };
  check(zo <= 1.05 * (d + predict_memory(model, "f32", {"zo-sgd", "full", 16, 32}).activations + 12e6),
        "ZO-SGD is above 1.05 of inference");
  check(std::abs(sign - zo) <= 0.02 * d && std::abs(cons - zo) <= 0.02 * d, "Sign or Cons differs from ZO-SGD");
  check(std::abs(mmt - zo - d) <= 0.02 * d, cat("MMT keeps ", (mmt - zo) / d, " copies; want 1"));
  check(std::abs(zo_adam - zo - 2 * d) <= 0.04 * d, cat("ZO-Adam keeps ", (zo_adam - zo) / d, " copies; want 2"));
  check(sgd < adam, "FO-SGD needs more than FO-Adam");
  check(std::is_sorted(ratio.begin(), ratio.end()), "FO / ZO does not grow with the length");
  Claim v{.id = "C4",
          .statement =
              "Peak memory: ZO-SGD = Sign = Cons < MMT < ZO-Adam, FO-SGD < FO-Adam; MMT and ZO-Adam keep one and two "
              "copies of the weights; FO / ZO grows with the length once activations outgrow gradients",
          .value = sgd / zo,
          .threshold = 1,
          .relation = ">"};
  v.holds = wrong.empty();
  v.reason = wrong.empty() ? cat("FO-SGD / ZO-SGD at 16 x 32 is ", sgd / zo) : wrong;
  return v;
}

}  // namespace

int claims(const Claims& o) {
  const auto start = Clock::now();
  apply_machine_options(o);
  std::filesystem::create_directories(o.out);
  const int seeds = o.seeds > 0 ? o.seeds : o.full ? 3 : 1;
  const std::int64_t steps = o.full ? 600 : 150;
  std::vector<Claim> verdicts;
  ReportData report;
  const auto note = [&](Claim v) {
    std::printf("%-4s %-9s %s\n     %s\n", v.id.c_str(), v.holds ? "holds" : "fails", v.statement.c_str(),
                v.reason.c_str());
    std::fflush(stdout);
    verdicts.push_back(std::move(v));
  };
  note(estimator_orders());
  note(cosine_law(o.seed));
  note(replay_bits(o.seed));
  {
    const LanguageModel files = load_language_model(o.model, WeightFormat::file);
    note(memory_claim(o, files.model, report.memory, o.full));
  }

  Study study(o, o.full);
  report.zero_shot = study.zero_shot().summary();
  std::vector<double> zo_accuracy, zo_auc, fo_accuracy;
  for (int s = 0; s < seeds; ++s) {
    const std::uint64_t seed = o.seed + std::uint64_t(s);
    Outcome zo = study.fine_tune("zo-sgd", Scheme::full, steps, seed),
            fo = study.fine_tune("adam", Scheme::full, steps / 2, seed);
    zo_accuracy.push_back(zo.test.accuracy);
    zo_auc.push_back(zo.test.auc);
    fo_accuracy.push_back(fo.test.accuracy);
    for (const Outcome* r : {&zo, &fo})
      report.runs.push_back({r->method, "full", seed, r->test, r->curve, r->lr, r->eps, r->forwards_a_step});
    if (s == 0) {
      for (std::size_t i = 0; i < std::min<std::size_t>(8, study.task().texts.test.size()); ++i) {
        const auto& z = study.zero_shot();
        report.reviews.push_back({study.task().texts.test[i].text, study.task().test[i].label,
                                  z.values[2 * i + 1] - z.values[2 * i], zo.margins[i]});
      }
    }
  }
  const Interval gain([&] {
    std::vector<double> g;
    for (const double a : zo_accuracy) g.push_back(a - report.zero_shot.accuracy);
    return g;
  }());
  Claim c5{.id = "C5",
           .statement = "FO-Adam ≥ ZO-SGD ≥ zero-shot + 10 points of accuracy, and AUC ≥ zero-shot + 0.03",
           .value = gain.mean,
           .threshold = 0.10,
           .seeds = seeds,
           .ci95 = {gain.low, gain.high},
           .relation = "≥"};
  const double fo_mean = Interval(fo_accuracy).mean, zo_mean = Interval(zo_accuracy).mean;
  const double auc_gain = Interval(zo_auc).mean - report.zero_shot.auc;
  c5.holds = gain.mean >= 0.10 && auc_gain >= 0.03 && fo_mean >= zo_mean - 0.005;
  c5.reason = cat("accuracy ", report.zero_shot.accuracy, " -> ZO ", zo_mean, ", FO ", fo_mean, "; AUC ",
                  report.zero_shot.auc, " -> ", Interval(zo_auc).mean);
  note(c5);

  // The conservative method at its step size, and at ten times as much.
  const std::int64_t short_run = std::max<std::int64_t>(40, steps / 4);
  const Outcome cons = study.fine_tune("zo-cons", Scheme::full, short_run, o.seed);
  const Outcome wild = study.fine_tune("zo-cons", Scheme::full, short_run, o.seed, 10);
  Claim c9{
      .id = "C9",
      .statement =
          "Cons never raises its batch's loss, costs 2q + 3 forwards, goes downhill in 90 % of the steps, and stays "
          "more often at ten times the step size",
      .value = cons.forward_share,
      .threshold = 0.9,
      .relation = "≥"};
  c9.holds =
      cons.largest_rise <= 1e-6 && cons.forwards_a_step == 5 && cons.forward_share >= 0.9 && wild.stayed >= cons.stayed;
  c9.reason = cat("forward in ", 100 * cons.forward_share, " % of the steps, stayed in ", 100 * cons.stayed,
                  " % and at ten times in ", 100 * wild.stayed, " %; the loss rose by at most ", cons.largest_rise,
                  "; ", cons.forwards_a_step, " forwards a step");
  note(c9);

  // Every method and scheme runs.
  const std::int64_t few = o.full ? 100 : 6;
  for (const char* method : {"zo-sgd", "zo-mmt", "zo-cons", "zo-sign", "zo-adam", "forward-grad", "sgd", "adam"})
    for (const auto& [name, scheme] :
         {std::pair{"full", Scheme::full}, {"lora", Scheme::lora}, {"prefix", Scheme::prefix}}) {
      const Outcome r = study.fine_tune(method, scheme, few, o.seed);
      report.table.push_back({method, name, o.seed, r.test, r.curve, r.lr, r.eps, r.forwards_a_step});
    }

  report.verdicts = verdicts;
  report.mode = o.full ? "full" : "quick";
  report.seed = o.seed;
  report.seconds = since(start);
  report.peak = double(peak_memory());
  write_report(report, o.out);
  std::printf("report: %s\n", (std::filesystem::path(o.out) / "report.html").c_str());
  return 0;
}

}  // namespace zo_llm
