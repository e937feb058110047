// The report of a run of the claims, as a page and as numbers.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "claims.hpp"
#include "memory.hpp"
#include "study.hpp"
#include "tenzo/models/scoring.hpp"

namespace zo_llm {

struct MemoryRow {
  MemoryCase what;
  double predicted = 0, measured = 0;  // bytes
};

struct ReviewRow {
  std::string text;
  int label = 0;
  double before = 0, after = 0;  // score of "great" less that of "terrible"
};

struct ReportData {
  std::string mode, model, data;  // model and data: names of the files
  std::uint64_t seed = 1;
  double seconds = 0, peak = 0;
  tenzo::ScoreSummary zero_shot;
  std::vector<tenzo::Claim> verdicts;
  std::vector<MemoryRow> memory;
  std::vector<Outcome> runs, table;
  std::vector<ReviewRow> reviews;
};

/// Writes metrics.json and report.html into a folder.
void write_report(const ReportData& data, const std::string& folder);

}  // namespace zo_llm
