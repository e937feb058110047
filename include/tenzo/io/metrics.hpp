// metrics.json: the numbers of one run, for programs. Needs nlohmann-json.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "tenzo/core/compiled.hpp"
#include "tenzo/io/atomic_file.hpp"
#include "tenzo/io/claim.hpp"

namespace tenzo {

/// What a run measured. As JSON, with numbers that are not finite as null:
///   {"example", "mode", "seed", "wall_seconds", "peak_rss_bytes", "metrics": {name: number},
///    "claims": [{"id", "statement", "value", "threshold", "seeds", "ci95": [low, high], "holds"}]}
struct Metrics {
  std::string example{};
  std::string mode = "quick";
  std::uint64_t seed = 0;
  double wall_seconds = NAN;
  std::int64_t peak_rss_bytes = 0;
  std::vector<std::pair<std::string, double>> metrics{};  // in the order in which they were first set
  std::vector<Claim> claims{};

  /// Sets a metric, or replaces it.
  void set(const std::string& name, double value) {
    for (auto& [known, old] : metrics)
      if (known == name) {
        old = value;
        return;
      }
    metrics.emplace_back(name, value);
  }

  std::string json() const {
    using Json = nlohmann::ordered_json;
    const auto number = [](double v) { return std::isfinite(v) ? Json(v) : Json(nullptr); };
    Json named = Json::object(), list = Json::array();
    for (const auto& [name, value] : metrics) named[name] = number(value);
    for (const Claim& c : claims) {
      Json j;
      j["id"] = c.id;
      j["statement"] = c.statement;
      j["value"] = number(c.value);
      j["threshold"] = number(c.threshold);
      j["seeds"] = c.seeds;
      j["ci95"] = Json::array({number(c.ci95[0]), number(c.ci95[1])});
      j["holds"] = c.holds;
      list.push_back(std::move(j));
    }
    Json all;
    all["example"] = example;
    all["mode"] = mode;
    all["seed"] = seed;
    all["wall_seconds"] = number(wall_seconds);
    all["peak_rss_bytes"] = peak_rss_bytes;
    all["metrics"] = std::move(named);
    all["claims"] = std::move(list);
    return all.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  }

  /// Replaces the file by these numbers. Throws FileError.
  TENZO_COMPILED void write(const std::string& path) const;
};

#if TENZO_DEFINES(tasks)
TENZO_COMPILED void Metrics::write(const std::string& path) const { write_file(path, json()); }
#endif

}  // namespace tenzo
