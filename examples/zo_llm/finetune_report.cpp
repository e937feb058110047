#include "finetune_report.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "report_parts.hpp"
#include "statistics.hpp"
#include "tenzo/io/metrics.hpp"

namespace zo_llm {

using namespace tenzo;

namespace {

std::string arrow(double before, double after) { return cat(fixed(before, 3), " → ", fixed(after, 3)); }

/// Three digits, with a minus sign instead of a hyphen.
std::string figure(double x) {
  const std::string s = fixed(x, 3);
  return s[0] == '-' ? "−" + s.substr(1) : s;
}
std::string with_interval(const Measured& m) {
  if (!std::isfinite(m.value)) return "–";
  return std::isfinite(m.low) ? cat(figure(m.value), " (", figure(m.low), " to ", figure(m.high), ")")
                              : figure(m.value);
}
std::string probability(double p) { return !std::isfinite(p) ? "–" : p < 0.001 ? "< 0.001" : fixed(p, 3); }

/// The run's curve with its losses smoothed, as the progress line shows them.
Outcome curve_of(const FinetuneResult& r) {
  Outcome row;
  row.method = r.options.method;
  double smooth = NAN;
  for (const HistoryPoint& p : r.history.points()) {
    if (std::isfinite(p.loss)) smooth = std::isnan(smooth) ? p.loss : 0.95 * smooth + 0.05 * p.loss;
    row.curve.push_back({double(p.forwards), p.seconds, smooth});
  }
  return row;
}

plot::Series dev_series(const FinetuneResult& r, const std::string& name, double DevPoint::*figure) {
  plot::Series s;
  s.name = name;
  s.style = plot::Series::Style::both;
  for (const DevPoint& d : r.history.dev()) {
    s.x.push_back(double(d.step));
    s.y.push_back(d.*figure);
  }
  return s;
}

std::vector<Figure> dev_figures(const FinetuneResult& r) {
  plot::Lines loss, ranks;
  for (plot::Lines* p : {&loss, &ranks}) {
    p->x.title = "step";
    p->references = {{.value = double(r.history.best()->step), .label = "chosen", .vertical = true}};
  }
  loss.title = "Loss on dev";
  loss.y.title = "loss";
  loss.series = {dev_series(r, "", &DevPoint::loss)};
  ranks.title = "Accuracy and AUC on dev";
  ranks.y.title = "share";
  ranks.series = {dev_series(r, "accuracy", &DevPoint::accuracy), dev_series(r, "AUC", &DevPoint::auc)};
  return {{loss, "Loss of the dev examples."},
          {ranks, "What the checkpoint is chosen by: the highest accuracy, of equal ones the least loss."}};
}

/// What was measured, above what sizes alone foretell, and above what Adam would need.
plot::Bars memory_parts(const FinetuneResult& r) {
  plot::Bars bars;
  bars.title = "Peak memory";
  bars.stacked = true;
  bars.value.title = "resident memory";
  bars.value.unit = "MB";
  bars.categories = {"this run, measured", "this run, predicted", "Adam, predicted"};
  bars.series = {{.name = "measured", .value = {std::round(r.peak / 1e6), 0, 0}},
                 {.name = "program", .value = {0, r.program / 1e6, r.program / 1e6}}};
  const auto part = [&](const char* name, double run, double adam) {
    if (run + adam > 0) bars.series.push_back({.name = name, .value = {0, run / 1e6, adam / 1e6}});
  };
  const MemoryEstimate &run = r.memory, &adam = r.memory_of_adam;
  part("weights", run.weights, adam.weights);
  part("state kept between steps", run.state, adam.state);
  part("gradients", run.all_gradients(), adam.all_gradients());
  part("activations", run.activations(), adam.activations());
  return bars;
}

/// The beginning of a text, cut between characters.
std::string beginning(const std::string& text, std::size_t most = 400) {
  if (text.size() <= most) return text;
  std::size_t end = most;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0u) == 0x80u) --end;
  return text.substr(0, end) + " …";
}

/// The answer that scores highest, and its lead over the next.
std::pair<std::size_t, double> verdict_on(const Scores& s, std::size_t example) {
  const auto k = std::size_t(s.candidates);
  const double* row = s.values.data() + example * k;
  const auto best = std::size_t(std::max_element(row, row + k) - row);
  double next = -INFINITY;
  for (std::size_t c = 0; c < k; ++c)
    if (c != best) next = std::max(next, row[c]);
  return {best, row[best] - next};
}

/// A dozen examples: the first ones whose verdict has changed, eight at most, and then first ones whose has not.
std::vector<VerdictRow> verdicts(const FinetuneResult& r) {
  constexpr std::size_t most = 12, changed_ones = 8;
  const auto& texts = r.task.texts.test;
  std::vector<std::size_t> changed, same;
  for (std::size_t i = 0; i < std::min(texts.size(), r.before.labels.size()); ++i)
    (verdict_on(r.before, i).first != verdict_on(r.after, i).first ? changed : same).push_back(i);
  const std::size_t of_changed = std::min(changed.size(), std::max(changed_ones, most - std::min(most, same.size())));
  std::vector<std::size_t> chosen(changed.begin(), changed.begin() + std::ptrdiff_t(of_changed));
  chosen.insert(chosen.end(), same.begin(), same.begin() + std::ptrdiff_t(std::min(same.size(), most - of_changed)));
  std::vector<VerdictRow> rows;
  for (const std::size_t i : chosen) {
    const auto [was, was_lead] = verdict_on(r.before, i);
    const auto [is, is_lead] = verdict_on(r.after, i);
    const auto answer = [&](std::size_t c) {
      const std::string& a = texts[i].candidates[c];
      return a.substr(std::min(a.find_first_not_of(' '), a.size()));
    };
    const std::string& text = texts[i].text.empty() ? texts[i].prompt : texts[i].text;
    rows.push_back({beginning(text), answer(std::size_t(texts[i].label)), answer(was), answer(is), was_lead, is_lead});
  }
  return rows;
}

std::vector<TableRow> settings(const FinetuneResult& r) {
  const Finetune& o = r.options;
  std::vector<TableRow> rows{{"model", std::filesystem::path(o.model).filename().string()},
                             {"task", cat(o.task, ": ", r.task.train.size(), " train, ", r.task.dev.size(), " dev, ",
                                          r.task.test.size(), " test examples")},
                             {"method", cat(o.method, o.one_sided ? ", one-sided" : "", ", ", o.queries,
                                            o.queries == 1 ? " direction a step" : " directions a step")},
                             {"scheme", cat(o.scheme, o.layers.empty() ? "" : ", blocks " + o.layers)},
                             {"trained weights", cat(r.trained_weights)},
                             {"steps", cat(r.history.points().size(), " of ", o.batch, " examples")},
                             {"step size", cat(brief(r.lr), o.lr == "auto" ? " (auto), " : ", ", o.schedule)}};
  if (r.eps > 0) rows.push_back({"radius", cat(brief(r.eps), o.eps == "auto" ? " (auto), " : ", ", o.directions)});
  if (!o.blocks.empty()) rows.push_back({"blocks", cat(o.blocks, ", ", o.order)});
  if (!o.mask.empty()) rows.push_back({"mask", o.mask});
  rows.push_back({"weights in memory", o.dtype});
  rows.push_back({"seed", cat(o.seed)});
  return rows;
}

void write_metrics(const FinetuneResult& r, const std::vector<Comparison>& comparisons, const std::string& path) {
  Metrics m;
  m.example = "zo_llm";
  m.mode = "finetune";
  m.seed = r.options.seed;
  m.wall_seconds = r.seconds;
  m.peak_rss_bytes = std::int64_t(r.peak);
  for (const Comparison& c : comparisons) {
    std::string name = c.name;
    std::replace(name.begin(), name.end(), ' ', '_');
    const auto set = [&](const std::string& of, const Measured& x) {
      m.set(cat(of, "/", name), x.value);
      m.set(cat(of, "/", name, "/low"), x.low);
      m.set(cat(of, "/", name, "/high"), x.high);
    };
    set("before", c.before);
    set("after", c.after);
    set("change", c.change);
    m.set(cat("change/", name, "/p"), c.p);
  }
  m.set("examples", double(r.before.labels.size()));
  m.set("lr", r.lr);
  m.set("eps", r.eps);
  m.set("trained_weights", double(r.trained_weights));
  m.set("steps", double(r.history.points().size()));
  m.set("forwards", r.history.points().empty() ? 0 : double(r.history.points().back().forwards));
  m.set("memory/predicted_bytes", r.program + r.memory.total());
  m.set("memory/measured_bytes", r.peak);
  m.set("memory/adam_predicted_bytes", r.program + r.memory_of_adam.total());
  if (r.history.best()) m.set("chosen_step", double(r.history.best()->step));
  for (const DevPoint& d : r.history.dev()) {
    m.set(cat("dev/", d.step, "/loss"), d.loss);
    m.set(cat("dev/", d.step, "/accuracy"), d.accuracy);
    m.set(cat("dev/", d.step, "/auc"), d.auc);
  }
  m.write(path);
}

}  // namespace

void write_finetune_report(const FinetuneResult& r) {
  const Finetune& o = r.options;
  const std::filesystem::path out(o.out);
  const std::vector<Comparison> comparisons = compare(r.before, r.after);
  Report page("Fine-tuning by " + std::string(r.eps > 0 ? "forward passes" : o.method),
              cat(std::filesystem::path(o.model).filename().string(), " on ", o.task, ": ", o.method, ", ", o.scheme,
                  ", seed ", o.seed));
  std::vector<Tile> tiles;
  for (const Comparison& c : comparisons)
    if (c.name == "accuracy" || c.name == "AUC")
      tiles.push_back(
          {"held-out " + c.name, arrow(c.before.value, c.after.value), cat(r.before.labels.size(), " test examples")});
  tiles.push_back({"peak memory", cat(fixed(r.peak / 1e6, 0), " MB"), "of the whole process"});
  tiles.push_back({"time", r.seconds < 120 ? cat(fixed(r.seconds, 0), " s") : cat(fixed(r.seconds / 60, 1), " min"),
                   cat(r.history.points().size(), " steps and all judgements")});
  page.tiles(tiles);

  std::vector<TableRow> rows;
  for (const Comparison& c : comparisons)
    rows.push_back(
        {c.name, with_interval(c.before), with_interval(c.after), with_interval(c.change), probability(c.p)});
  page.section("Result").table(
      {"test examples", "before", "after", "change", "p"}, rows,
      {.caption = "Before and after, with 95 % intervals; the change is that on the same examples.",
       .footnote =
           "Shares: Wilson's intervals and McNemar's exact test. AUC: DeLong. Loss: paired, normal. Calibrated: "
           "the median score difference is the threshold. p: of a change at least as large, were there none.",
       .align = {Align::left, Align::right, Align::right, Align::right, Align::right}});

  page.section("Learning").figures(loss_figures({curve_of(r)}));
  if (r.history.best()) page.figures(dev_figures(r));

  page.section("Memory").figure(memory_parts(r),
                                "Measured is the largest resident memory of the process; predicted is the sum of the "
                                "sizes of what a step holds.");

  if (const std::vector<VerdictRow> examples = verdicts(r); !examples.empty()) {
    page.section("Examples");
    add_verdicts(page, examples, "after",
                 "The first test examples whose verdict has changed, and the first whose has not. In brackets the lead "
                 "of the answer over the next.");
  }
  page.section("Settings").table({"setting", "value"}, settings(r), {.align = {Align::left, Align::left}});
  page.footer(cat("zo_llm finetune --method ", o.method, " --scheme ", o.scheme, " --seed ", o.seed));

  std::filesystem::create_directories(out);
  write_metrics(r, comparisons, (out / "metrics.json").string());
  page.write((out / "report.html").string());
}

}  // namespace zo_llm
