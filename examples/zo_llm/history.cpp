#include "history.hpp"

#include <cmath>
#include <fstream>
#include <iterator>

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

/// A file's bytes; none where it is not there.
std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

void History::load(std::int64_t up_to) {
  const std::string text = text_of(path_);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    if (end == std::string::npos) break;  // a crash cut the last line
    const nlohmann::json j = nlohmann::json::parse(text.substr(at, end - at), nullptr, false);
    const auto number = [&](const char* key, double least, double most) {
      if (!j.is_object() || !j.contains(key) || !j[key].is_number() || !(j[key] >= least) || !(j[key] <= most))
        throw tenzo::FileError(path_, std::int64_t(at),
                               tenzo::cat("no line of a run: want \"", key, "\" from ", least));
      return j[key].get<double>();
    };
    const auto loss = [&] { return j.contains("loss") && j["loss"].is_number() ? j["loss"].get<double>() : NAN; };
    constexpr double steps = 0x1p32;
    if (j.is_object() && j.contains("dev_step")) {
      const DevPoint p{std::int64_t(number("dev_step", 1, steps)), loss(), number("accuracy", 0, 1),
                       number("auc", 0, 1)};
      if (p.step <= up_to) dev_.push_back(p);
    } else {
      const HistoryPoint p{std::int64_t(number("step", 1, steps)), std::int64_t(number("forwards", 0, 0x1p53)),
                           number("seconds", 0, 0x1p53), loss()};
      if (p.step <= up_to) points_.push_back(p);
    }
    at = end + 1;
  }
  std::string kept;
  for (const HistoryPoint& p : points_) kept += line(p);
  for (const DevPoint& p : dev_) kept += line(p);
  tenzo::write_file(path_, kept);
}

void History::add(const HistoryPoint& p) {
  points_.push_back(p);
  append(line(p));
}
void History::add(const DevPoint& p) {
  dev_.push_back(p);
  append(line(p));
}

void History::append(const std::string& line) const {
  if (path_.empty()) return;
  std::ofstream file(path_, std::ios::app);
  file << line << std::flush;
  if (!file) throw tenzo::FileError(path_, -1, "can not be written");
}

const DevPoint* History::best() const {
  const DevPoint* best = nullptr;
  for (const DevPoint& p : dev_)
    if (p.better_than(best)) best = &p;
  return best;
}

}  // namespace zo_llm
