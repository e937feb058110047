#include "report.hpp"

#include <algorithm>
#include <filesystem>
#include <iterator>

#include "report_parts.hpp"
#include "statistics.hpp"
#include "tenzo/io/metrics.hpp"

namespace zo_llm {

using namespace tenzo;

namespace {

std::string verdict(double margin) { return margin > 0 ? "great" : "terrible"; }

/// Accuracy with its 95 % interval.
std::string accuracy_of(const ScoreSummary& s) {
  const Measured m = proportion(s.accuracy * double(s.examples), double(s.examples));
  return cat(fixed(s.accuracy, 3), " (", fixed(m.low, 3), " – ", fixed(m.high, 3), ")");
}

TableRow learning_row(const Outcome& r) {
  return {r.method,
          r.scheme,
          cat(r.seed),
          accuracy_of(r.test),
          fixed(r.test.calibrated_accuracy, 3),
          fixed(r.test.auc, 3),
          fixed(r.test.loss, 3),
          cat(r.steps),
          brief(r.lr),
          brief(r.eps)};
}

constexpr const char* schemes[] = {"full", "lora", "prefix", "prompt", "head"};

/// Runs of a few steps, a row for each method: what a step costs under each scheme, in milliseconds.
std::vector<TableRow> cost_rows(const std::vector<Outcome>& runs) {
  std::vector<TableRow> rows;
  for (const Outcome& r : runs) {
    if (r.judged) continue;
    if (rows.empty() || rows.back().front() != r.method) {
      rows.push_back({r.method, cat(r.forwards_a_step)});
      rows.back().resize(2 + std::size(schemes), "–");
    }
    const auto column = std::size_t(std::find(std::begin(schemes), std::end(schemes), r.scheme) - schemes);
    if (column < std::size(schemes) && !r.curve.empty())
      rows.back()[2 + column] = fixed(1e3 * r.curve.back()[1] / double(r.steps), 0);
  }
  return rows;
}

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
  for (const Outcome& r : d.runs) {
    const std::string at = cat(r.method, "/", r.scheme, "/seed", r.seed, "/");
    m.set(at + "accuracy", r.test.accuracy);
    m.set(at + "calibrated_accuracy", r.test.calibrated_accuracy);
    m.set(at + "auc", r.test.auc);
    m.set(at + "loss", r.test.loss);
  }
  for (const Outcome& r : d.table) {
    const std::string at = cat("table/", r.method, "/", r.scheme, "/");
    if (r.judged) m.set(at + "accuracy", r.test.accuracy);
    if (r.judged) m.set(at + "auc", r.test.auc);
    if (!r.curve.empty()) m.set(at + "training_loss", r.curve.back()[2]);
  }
  for (const MemoryRow& r : d.memory) {
    const std::string at = cat("memory/", r.what.method, "/", r.what.batch, "x", r.what.length, "/");
    m.set(at + "predicted_bytes", r.predicted);
    m.set(at + "measured_bytes", r.measured);
  }
  m.write((out / "metrics.json").string());

  Report page("Zeroth-order fine-tuning", cat(d.model, " on ", d.data, ", forward passes only"));
  const auto best = std::max_element(d.runs.begin(), d.runs.end(), [](const Outcome& a, const Outcome& b) {
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
      "dev, the figures are of the test examples.");
  page.figures(loss_figures(d.runs));
  std::vector<TableRow> rows;
  rows.push_back({"zero-shot", "–", "–", accuracy_of(d.zero_shot), fixed(d.zero_shot.calibrated_accuracy, 3),
                  fixed(d.zero_shot.auc, 3), fixed(d.zero_shot.loss, 3), "–", "–", "–"});
  for (const Outcome& r : d.runs) rows.push_back(learning_row(r));
  for (const Outcome& r : d.table)
    if (r.judged) rows.push_back(learning_row(r));
  page.table({"method", "scheme", "seed", "accuracy", "calibrated", "AUC", "loss", "steps", "lr", "eps"}, rows,
             {.caption = cat("Figures of ", d.zero_shot.examples,
                             " test examples; 95 % intervals. Calibrated: the median "
                             "score difference is the threshold."),
              .best = {Best::none, Best::none, Best::none, Best::highest, Best::highest, Best::highest, Best::lowest},
              .ruled = {1, std::int64_t(1 + d.runs.size())}});
  if (const auto costs = cost_rows(d.table); !costs.empty())
    page.table(
        {"method", "forwards a step", "full", "lora", "prefix", "prompt", "head"}, costs,
        {.caption = "Milliseconds a step of four examples: every method runs under every scheme. “full”, “lora” and "
                    "“prefix” are of the last four blocks, except for “hybrid”, which trains all of them."});

  if (!d.memory.empty()) {
    page.section("Memory").figure(memory_bars(d.memory),
                                  "Each bar is a process of its own; the ticks are the prediction from sizes alone.");
  }
  if (!d.reviews.empty()) {
    std::vector<VerdictRow> reviews;
    for (const ReviewRow& r : d.reviews)
      reviews.push_back(
          {r.text, r.label ? "great" : "terrible", verdict(r.before), verdict(r.after), r.before, r.after});
    page.section("Reviews");
    add_verdicts(page, reviews, "after ZO-SGD",
                 "The model's verdict, with the score of “great” less that of “terrible”.");
  }
  page.footer(cat("zo_llm --", d.mode, " --seed ", d.seed));
  page.write((out / "report.html").string());
}

}  // namespace zo_llm
