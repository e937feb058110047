#include "history.hpp"

#include <cmath>
#include <fstream>

#include <nlohmann/json.hpp>

#include "tenzo/core/error.hpp"
#include "tenzo/io/atomic_file.hpp"

namespace zo_llm {

namespace {

std::string line(const HistoryPoint& p) {
  return nlohmann::ordered_json{{"step", p.step}, {"forwards", p.forwards}, {"seconds", p.seconds}, {"loss", p.loss}}
             .dump() +
         "\n";
}
std::string line(const DevPoint& p) {
  return nlohmann::ordered_json{{"dev_step", p.step}, {"loss", p.loss}, {"accuracy", p.accuracy}, {"auc", p.auc}}
             .dump() +
         "\n";
}

}  // namespace

void History::load(std::int64_t up_to) {
  std::ifstream file(path_);
  for (std::string text; std::getline(file, text);) {
    const nlohmann::json j = nlohmann::json::parse(text, nullptr, false);
    if (!j.is_object()) break;  // a crash cut the last line
    const auto number = [&](const char* key) {
      return j.contains(key) && j[key].is_number() ? j[key].get<double>() : NAN;
    };
    if (j.contains("dev_step")) {
      const DevPoint p{std::int64_t(number("dev_step")), number("loss"), number("accuracy"), number("auc")};
      if (p.step <= up_to) dev_.push_back(p);
    } else {
      const HistoryPoint p{std::int64_t(number("step")), std::int64_t(number("forwards")), number("seconds"),
                           number("loss")};
      if (p.step <= up_to) points_.push_back(p);
    }
  }
  std::string kept;
  for (const HistoryPoint& p : points_) kept += line(p);
  for (const DevPoint& p : dev_) kept += line(p);
  tenzo::write_file(path_, kept);
}

void History::add(const HistoryPoint& p) {
  points_.push_back(p);
  pending_ += line(p);
}
void History::add(const DevPoint& p) {
  dev_.push_back(p);
  pending_ += line(p);
  flush();
}

void History::flush() {
  if (!path_.empty() && !pending_.empty()) {
    std::ofstream file(path_, std::ios::app);
    file << pending_ << std::flush;
    if (!file) throw tenzo::FileError(path_, -1, "can not be written");
  }
  pending_.clear();
}

const DevPoint* History::best() const {
  const DevPoint* best = nullptr;
  for (const DevPoint& p : dev_)
    if (p.better_than(best)) best = &p;
  return best;
}

}  // namespace zo_llm
