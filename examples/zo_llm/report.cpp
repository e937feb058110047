#include "report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "tenzo/io/metrics.hpp"
#include "tenzo/io/report.hpp"

namespace zo_llm {

using namespace tenzo;

namespace {

std::string fixed(double x, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, x);
  return text;
}
std::string brief(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2g", x);
  return x > 0 ? text : "–";
}

/// Curves of the loss over one of the columns of a run's curve: 0 forwards, 1 seconds.
plot::Lines loss_curves(const std::vector<RunRow>& runs, int column, const std::string& title,
                        const std::string& unit) {
  plot::Lines lines;
  lines.title = "Training loss";
  lines.x.title = title;
  lines.x.unit = unit;
  lines.y.title = "loss, smoothed";
  for (const RunRow& r : runs) {
    plot::Series s;
    s.name = cat(r.method, runs.size() > 2 ? cat(", seed ", r.seed) : std::string());
    for (const auto& p : r.curve) {
      s.x.push_back(p[std::size_t(column)]);
      s.y.push_back(p[2]);
    }
    lines.series.push_back(std::move(s));
  }
  return lines;
}

plot::Bars memory_bars(const std::vector<MemoryRow>& rows) {
  plot::Bars bars;
  bars.title = "Peak memory of a step";
  bars.value.title = "peak resident memory";
  bars.value.unit = "MB";
  plot::BarSeries s;
  s.name = "measured";
  for (const MemoryRow& r : rows) {
    bars.categories.push_back(cat(r.what.method, ", ", r.what.batch, " × ", r.what.length));
    s.value.push_back(std::round(r.measured / 1e6));
    s.mark.push_back(r.predicted / 1e6);
  }
  bars.series = {s};
  return bars;
}

std::string verdict(double margin) { return margin > 0 ? "great" : "terrible"; }

}  // namespace

void write_report(const ReportData& d, const std::string& folder) {
  const std::filesystem::path out(folder);
  Metrics m;
  m.example = "zo_llm";
  m.mode = d.mode;
  m.seed = d.seed;
  m.wall_seconds = d.seconds;
  m.peak_rss_bytes = std::int64_t(d.peak);
  m.claims = d.verdicts;
  m.set("zero_shot/accuracy", d.zero_shot.accuracy);
  m.set("zero_shot/calibrated_accuracy", d.zero_shot.calibrated_accuracy);
  m.set("zero_shot/auc", d.zero_shot.auc);
  for (const RunRow& r : d.runs) {
    const std::string at = cat(r.method, "/", r.scheme, "/seed", r.seed, "/");
    m.set(at + "accuracy", r.test.accuracy);
    m.set(at + "calibrated_accuracy", r.test.calibrated_accuracy);
    m.set(at + "auc", r.test.auc);
    m.set(at + "loss", r.test.loss);
  }
  for (const RunRow& r : d.table) m.set(cat("table/", r.method, "/", r.scheme, "/accuracy"), r.test.accuracy);
  for (const MemoryRow& r : d.memory) {
    const std::string at = cat("memory/", r.what.method, "/", r.what.batch, "x", r.what.length, "/");
    m.set(at + "predicted_bytes", r.predicted);
    m.set(at + "measured_bytes", r.measured);
  }
  m.write((out / "metrics.json").string());

  Report page("Zeroth-order fine-tuning", "SmolLM2-135M-Instruct on rated film reviews, forward passes only");
  const auto best = std::max_element(d.runs.begin(), d.runs.end(), [](const RunRow& a, const RunRow& b) {
    return (a.method == "zo-sgd" ? a.test.accuracy : -1) < (b.method == "zo-sgd" ? b.test.accuracy : -1);
  });
  std::vector<Tile> tiles;
  if (best != d.runs.end())
    tiles.push_back({"held-out accuracy", cat(fixed(d.zero_shot.accuracy, 3), " → ", fixed(best->test.accuracy, 3)),
                     cat("ZO-SGD, last blocks, seed ", best->seed)});
  for (const MemoryRow& r : d.memory)
    if (r.what.method == "zo-sgd" && r.what.batch == 16)
      tiles.push_back({"peak of a ZO step", cat(fixed(r.measured / 1e6, 0), " MB"), "all weights, 16 × 32 tokens"});
  tiles.push_back({"this report", cat(fixed(d.seconds, 0), " s"), cat(d.mode, ", seed ", d.seed)});
  page.tiles(tiles);

  page.section("Claims").claims(d.verdicts);

  page.section("Learning");
  page.text(
      "The last four blocks are trained; the hidden states before them are computed once. The checkpoint is chosen on "
      "dev, "
      "the figures are of the test examples.");
  page.figures(
      {{loss_curves(d.runs, 0, "forward passes", ""), "Loss against forward passes; a backward pass counts as two."},
       {loss_curves(d.runs, 1, "time", "s"), "Loss against time."}});
  std::vector<TableRow> rows;
  rows.push_back({"zero-shot", "–", "–", fixed(d.zero_shot.accuracy, 3), fixed(d.zero_shot.calibrated_accuracy, 3),
                  fixed(d.zero_shot.auc, 3), fixed(d.zero_shot.loss, 3), "–", "–", "–"});
  for (const std::vector<RunRow>* list : {&d.runs, &d.table})
    for (const RunRow& r : *list)
      rows.push_back({r.method, r.scheme, cat(r.seed), fixed(r.test.accuracy, 3), fixed(r.test.calibrated_accuracy, 3),
                      fixed(r.test.auc, 3), fixed(r.test.loss, 3), cat(r.curve.size()), brief(r.lr), brief(r.eps)});
  page.table({"method", "scheme", "seed", "accuracy", "calibrated", "AUC", "loss", "steps", "lr", "eps"}, rows,
             {.caption = "Methods and schemes. Calibrated: the median score difference is the threshold.",
              .footnote = "Runs of few steps show that a method runs, not how far it gets.",
              .best = {Best::none, Best::none, Best::none, Best::highest, Best::highest, Best::highest, Best::lowest},
              .ruled = {1, std::int64_t(1 + d.runs.size())}});

  if (!d.memory.empty()) {
    page.section("Memory").figure(memory_bars(d.memory),
                                  "Each bar is a process of its own; the ticks are the prediction from sizes alone.");
  }
  if (!d.reviews.empty()) {
    std::vector<TableRow> reviews;
    for (const ReviewRow& r : d.reviews)
      reviews.push_back({r.text, r.label ? "great" : "terrible", cat(verdict(r.before), " (", fixed(r.before, 2), ")"),
                         cat(verdict(r.after), " (", fixed(r.after, 2), ")")});
    page.section("Reviews").table(
        {"review", "rated", "before", "after ZO-SGD"}, reviews,
        {.caption = "The model's verdict, with the score of “great” less that of “terrible”."});
  }
  page.footer(cat("zo_llm --", d.mode, " --seed ", d.seed));
  page.write((out / "report.html").string());
}

}  // namespace zo_llm
