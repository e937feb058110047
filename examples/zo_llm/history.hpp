// What a run did, step by step: for curves, and for going on after a crash.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace zo_llm {

struct HistoryPoint {
  std::int64_t step = 0, forwards = 0;  // after the step; forwards since the start
  double seconds = 0, loss = 0;
};
struct DevPoint {
  std::int64_t step = 0;
  double loss = 0, accuracy = 0, auc = 0;

  /// Whether it has a higher accuracy than the best so far (nullptr: none), or an equal one and less loss. Without a
  /// finite loss it never is the better one.
  bool better_than(const DevPoint* best) const {
    if (!std::isfinite(loss)) return false;
    return !best || accuracy > best->accuracy || (accuracy == best->accuracy && loss < best->loss);
  }
};

/// Kept in memory, and in a file of one JSON object a line where a path is given.
class History {
 public:
  explicit History(std::string path = {}) : path_(std::move(path)) {}

  /// Reads what is there up to a step, and drops the rest: the run goes on from that step. Throws FileError for a line
  /// that no run writes; a last line that was cut is dropped.
  void load(std::int64_t up_to);
  /// With the system when this returns, so that a killed process loses nothing.
  void add(const HistoryPoint& p);
  void add(const DevPoint& p);

  const std::vector<HistoryPoint>& points() const { return points_; }
  const std::vector<DevPoint>& dev() const { return dev_; }
  /// The judgement that a run ends with: the highest accuracy on dev, of equal ones the least loss; nullptr if none has
  /// a finite loss.
  const DevPoint* best() const;

 private:
  void append(const std::string& line) const;

  std::string path_;
  std::vector<HistoryPoint> points_;
  std::vector<DevPoint> dev_;
};

}  // namespace zo_llm
