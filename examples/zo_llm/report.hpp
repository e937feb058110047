// The report of a run of the claims, as a page and as numbers.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "claims.hpp"
#include "memory.hpp"
#include "tenzo/models/scoring.hpp"

namespace zo_llm {

struct MemoryRow {
  MemoryCase what;
  double predicted = 0, measured = 0;  // bytes
};

struct RunRow {
  std::string method, scheme;
  std::uint64_t seed = 1;
  tenzo::ScoreSummary test;
  std::vector<std::array<double, 3>> curve;  // forwards, seconds, smoothed loss
  double lr = 0, eps = 0, forwards_a_step = 0;
};

struct ReviewRow {
  std::string text;
  int label = 0;
  double before = 0, after = 0;  // score of "great" less that of "terrible"
};

struct ReportData {
  std::string mode;
  std::uint64_t seed = 1;
  double seconds = 0, peak = 0;
  tenzo::ScoreSummary zero_shot;
  std::vector<tenzo::Claim> verdicts;
  std::vector<MemoryRow> memory;
  std::vector<RunRow> runs, table;
  std::vector<ReviewRow> reviews;
};

/// Writes metrics.json and report.html into a folder.
void write_report(const ReportData& data, const std::string& folder);

}  // namespace zo_llm
