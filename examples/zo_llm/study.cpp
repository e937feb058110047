#include "study.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "finetune_setup.hpp"
#include "fo_run.hpp"
#include "history.hpp"
#include "zo_run.hpp"

namespace zo_llm {

using namespace tenzo;

namespace {

using Clock = std::chrono::steady_clock;

/// JSON knows no number that is not finite: there it is null.
double number(const nlohmann::json& j, const char* key, double otherwise = NAN) {
  return j.at(key).is_null() ? otherwise : j.at(key).get<double>();
}

double finite_or_infinity(double x) { return std::isfinite(x) ? x : INFINITY; }

}  // namespace

void to_json(nlohmann::json& j, const Outcome& o) {
  j = {{"method", o.method},
       {"scheme", o.scheme},
       {"seed", o.seed},
       {"steps", o.steps},
       {"curve", o.curve},
       {"judged", o.judged},
       {"examples", o.test.examples},
       {"accuracy", o.test.accuracy},
       {"calibrated_accuracy", o.test.calibrated_accuracy},
       {"auc", o.test.auc},
       {"loss", o.test.loss},
       {"margins", o.margins},
       {"lr", o.lr},
       {"eps", o.eps},
       {"stayed", o.stayed},
       {"forward_share", o.forward_share},
       {"largest_rise", o.largest_rise},
       {"forwards_a_step", o.forwards_a_step},
       {"before", o.before},
       {"after", o.after}};
}

void from_json(const nlohmann::json& j, Outcome& o) {
  j.at("method").get_to(o.method);
  j.at("scheme").get_to(o.scheme);
  j.at("seed").get_to(o.seed);
  j.at("steps").get_to(o.steps);
  j.at("curve").get_to(o.curve);
  j.at("judged").get_to(o.judged);
  o.test = {j.at("examples").get<std::int64_t>(), number(j, "accuracy"), number(j, "calibrated_accuracy"),
            number(j, "auc"), number(j, "loss")};
  o.margins.clear();
  for (const nlohmann::json& m : j.at("margins")) o.margins.push_back(m.is_null() ? NAN : m.get<double>());
  o.lr = number(j, "lr");
  o.eps = number(j, "eps");
  o.stayed = number(j, "stayed");
  o.forward_share = number(j, "forward_share");
  o.largest_rise = number(j, "largest_rise", INFINITY);
  o.forwards_a_step = number(j, "forwards_a_step");
  o.before = number(j, "before", INFINITY);
  o.after = number(j, "after", INFINITY);
}

SplitOptions study_split(bool full) { return full ? SplitOptions{1000, 500, 1000, 0} : SplitOptions{240, 80, 300, 0}; }

Study::Study(const Claims& o)
    : base_(load_language_model(o.model, WeightFormat::f32)),
      device_(device_named(o.device)),
      task_(load_task(o, base_, study_split(o.full))) {
  const std::size_t depth = base_.model.depth();
  first_ = depth > 4 ? depth - 4 : 0;
  before_blocks_ = std::make_shared<HiddenCache>(first_, true);
  before_head_ = std::make_shared<HiddenCache>(depth, true);
  zero_shot_ = score_examples(Placed(base_.model, device_), task_.test, {}, before_blocks_.get());
}

Model Study::copy(bool whole) const {
  const auto clone = [](const StoredTensor& w) { return w.clone(); };
  if (whole || first_ == 0) return map_tree<StoredTensor>(base_.model, clone);
  Model m = base_.model;
  for (std::size_t i = first_; i < m.depth(); ++i) m.model.layers[i] = map_tree<StoredTensor>(m.model.layers[i], clone);
  return m;
}

std::shared_ptr<HiddenCache> Study::cache_of(Scheme scheme, const std::string& method) const {
  if (method == "hybrid" || scheme == Scheme::prompt) return std::make_shared<HiddenCache>(0, false);
  return scheme == Scheme::head ? before_head_ : before_blocks_;
}

Outcome Study::fine_tune(const Plan& plan) {
  const bool whole = plan.method == "hybrid" || plan.scheme == "head";
  Model host = copy(whole);
  Placed model(host, device_);
  Outcome out;
  out.method = plan.method;
  out.scheme = plan.scheme;
  out.seed = plan.seed;
  out.judged = plan.judged;
  out.steps = plan.steps;
  AdapterOptions adapters;
  adapters.scheme = scheme_named(plan.scheme);
  adapters.seed = plan.seed;
  if (adapters.scheme != Scheme::prompt && adapters.scheme != Scheme::head) {
    adapters.first_layer = first_;
    adapters.last_layer = host.depth();
  }
  const auto cache = cache_of(adapters.scheme, plan.method);
  const auto batch = [&](std::int64_t step) { return batch_of(task_.train, plan.seed, step, plan.batch); };
  std::vector<Batch> batches;
  for (std::int64_t i = 0; i < plan.probes; ++i) batches.push_back(batch(i));
  Schedule schedule;
  if (plan.decays) schedule.kind = Schedule::kind_of("linear");
  schedule.steps = plan.steps;
  std::unique_ptr<Run> run;
  ZoRun* zo = nullptr;
  if (back_propagates(plan.method)) {
    FoSettings s;
    s.method = plan.method;
    s.adapters = adapters;
    s.seed = plan.seed;
    s.schedule = schedule;
    if (plan.method == "hybrid") {
      s.adapters.first_layer = 0;
      s.suffix = host.depth() - std::max<std::size_t>(1, host.depth() / 3);
      s.zo.seed = plan.seed;
      s.zo.update.lr = s.zo.probe.eps = NAN;
    }
    auto fo = std::make_unique<FoRun>(model, s, std::string(), cache);
    fo->choose_rate(batches[0], task_.loss, plan.lr_factor);
    if (plan.method == "hybrid") fo->choose_zo_rates(batches, task_.loss);
    out.lr = fo->rates().lr;
    run = std::move(fo);
  } else {
    ZoSettings s;
    s.method = plan.method;
    s.adapters = adapters;
    s.seed = plan.seed;
    s.schedule = schedule;
    s.update.lr = plan.lr;
    s.probe.eps = plan.eps;
    auto made = std::make_unique<ZoRun>(
        model, s, [this, whole] { return copy(whole); }, std::string(), cache);
    choose_rates(*made, batches, task_.loss, host);
    made->settings().update.lr *= plan.lr_factor;
    out.lr = made->settings().update.lr;
    out.eps = made->settings().probe.eps;
    zo = made.get();
    run = std::move(made);
  }

  const auto first_loss = [&] {
    double total = 0;
    for (const int i : {0, 1}) total += 0.5 * zo->loss_at(batch(i), task_.loss);
    return finite_or_infinity(total);
  };
  if (zo && plan.watched > 0) out.before = first_loss();
  const auto start = Clock::now();
  double smooth = NAN, forwards = 0;
  std::optional<DevPoint> best;
  std::int64_t stayed = 0, forward_moves = 0;
  for (std::int64_t i = 0; i < plan.steps; ++i) {
    const Batch b = batch(i);
    const bool watched = zo && plan.watched > 0 && i % plan.watched == 0;
    const double before = watched ? zo->loss_at(b, task_.loss) : 0;
    const StepReport r = run->step(b, task_.loss);
    forwards += double(r.forwards);
    if (watched) {
      const double rise = finite_or_infinity(zo->loss_at(b, task_.loss) - before);
      out.largest_rise = std::max(out.largest_rise, rise);
    }
    if (plan.method == "zo-cons") {
      stayed += zo->last_choice() == 0;
      forward_moves += zo->last_choice() == 1;
    }
    if (!r.skipped) smooth = std::isnan(smooth) ? r.loss : 0.95 * smooth + 0.05 * r.loss;
    if (std::isfinite(smooth))
      out.curve.push_back({forwards, std::chrono::duration<double>(Clock::now() - start).count(), smooth});
    if (plan.judged && ((i + 1) % std::max<std::int64_t>(1, plan.steps / 4) == 0 || i + 1 == plan.steps)) {
      const ScoreSummary dev = score_examples(model, task_.dev, {}, cache.get()).summary();
      const DevPoint point{i + 1, dev.loss, dev.accuracy, dev.auc};
      if (point.better_than(best ? &*best : nullptr)) {
        best = point;
        run->mark_best();
      }
    }
  }
  if (zo && plan.watched > 0) out.after = first_loss();
  if (plan.judged) {
    run->return_to_best();
    const Scores test = score_examples(model, task_.test, {}, cache.get());
    out.test = test.summary();
    for (std::size_t i = 0; i + 1 < test.values.size(); i += 2)
      out.margins.push_back(test.values[i + 1] - test.values[i]);
  }
  out.stayed = double(stayed) / double(plan.steps);
  out.forward_share = double(forward_moves) / double(plan.steps);
  out.forwards_a_step = forwards / double(plan.steps);
  return out;
}

}  // namespace zo_llm
