#include "report_parts.hpp"

#include <cmath>
#include <cstdio>

namespace zo_llm {

using namespace tenzo;

std::string brief(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2g", x);
  return x > 0 ? text : "–";
}

plot::Lines loss_curves(const std::vector<Outcome>& runs, int column, const std::string& title,
                        const std::string& unit) {
  plot::Lines lines;
  lines.title = "Training loss";
  lines.x.title = title;
  lines.x.unit = unit;
  lines.y.title = "loss, smoothed";
  for (const Outcome& r : runs) {
    plot::Series s;
    if (runs.size() > 1) s.name = cat(r.method, runs.size() > 2 ? cat(", seed ", r.seed) : std::string());
    for (const auto& p : r.curve) {
      s.x.push_back(p[std::size_t(column)]);
      s.y.push_back(p[2]);
    }
    lines.series.push_back(std::move(s));
  }
  return lines;
}

std::vector<Figure> loss_figures(const std::vector<Outcome>& runs) {
  return {{loss_curves(runs, 0, "forward passes", ""), "Loss against forward passes; a backward pass counts as two."},
          {loss_curves(runs, 1, "time", "s"), "Loss against time."}};
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

void add_verdicts(Report& page, const std::vector<VerdictRow>& rows, const std::string& after,
                  const std::string& caption) {
  std::vector<TableRow> cells;
  for (const VerdictRow& r : rows)
    cells.push_back({r.text, r.right, cat(r.before, " (", fixed(r.before_margin, 2), ")"),
                     cat(r.after, " (", fixed(r.after_margin, 2), ")")});
  page.table({"example", "right", "before", after}, cells, {.caption = caption});
}

}  // namespace zo_llm
