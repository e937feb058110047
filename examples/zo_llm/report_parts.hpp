// What the reports of the claims and of a single fine-tuning share.
#pragma once

#include <string>
#include <vector>

#include "../shared/text.hpp"
#include "report.hpp"
#include "tenzo/io/report.hpp"

namespace zo_llm {

using program_text::fixed;

/// Two digits; a dash for what is not positive.
std::string brief(double x);

/// Curves of the loss over one of the columns of a run's curve: 0 forwards, 1 seconds.
tenzo::plot::Lines loss_curves(const std::vector<Outcome>& runs, int column, const std::string& title,
                               const std::string& unit);
/// Both side by side.
std::vector<tenzo::Figure> loss_figures(const std::vector<Outcome>& runs);

tenzo::plot::Bars memory_bars(const std::vector<MemoryRow>& rows);

/// An example with the answers that the model preferred, and by how much.
struct VerdictRow {
  std::string text, right, before, after;
  double before_margin = 0, after_margin = 0;
};
void add_verdicts(tenzo::Report& page, const std::vector<VerdictRow>& rows, const std::string& after,
                  const std::string& caption);

}  // namespace zo_llm
