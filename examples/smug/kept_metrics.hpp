// metrics.json is of both parts of the program: what one writes keeps what the other has written.
#pragma once

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "tenzo/io/json.hpp"
#include "tenzo/io/metrics.hpp"

namespace smug {

namespace detail {

/// A number that may be null: NaN.
inline double number_or_null(const nlohmann::json& j, const std::string& path, const std::string& key) {
  if (j.is_null()) return NAN;
  if (!j.is_number()) throw tenzo::FileError(path, -1, tenzo::cat("key '", key, "' is no number"));
  return j.get<double>();
}

inline tenzo::Claim claim_of(const nlohmann::json& value, const std::string& path) {
  if (!value.is_object()) throw tenzo::FileError(path, -1, "a claim is no object");
  const tenzo::JsonObject j(value, path);
  tenzo::Claim c{.id = j.text("id"),
                 .statement = j.text("statement", ""),
                 .value = j.number("value", NAN),
                 .threshold = j.number("threshold", NAN),
                 .seeds = int(j.integer("seeds", 1)),
                 .holds = j.boolean("holds", false)};
  if (!j.has("ci95")) return c;
  const nlohmann::json& ends = j.value()["ci95"];
  if (!ends.is_array() || ends.size() != 2) throw tenzo::FileError(path, -1, "key 'ci95' is no pair of numbers");
  c.ci95 = {number_or_null(ends[0], path, "ci95"), number_or_null(ends[1], path, "ci95")};
  return c;
}

}  // namespace detail

/// Claims and metrics of a metrics.json.
struct WrittenMetrics {
  std::string example, mode;
  std::uint64_t seed = 0;
  std::vector<tenzo::Claim> claims;
  std::vector<std::pair<std::string, double>> metrics;
};

/// What a metrics.json at this path says; nothing where there is none.
///   Throws  FileError where it is no JSON object, or something in it is of another type than it should be.
inline WrittenMetrics written_metrics(const std::string& path) {
  WrittenMetrics out;
  if (!std::filesystem::exists(path)) return out;
  const tenzo::JsonObject had = tenzo::JsonObject::open(path);
  out.example = had.text("example", ""), out.mode = had.text("mode", "");
  out.seed = std::uint64_t(had.integer("seed", 0));
  if (had.has("claims")) {
    const nlohmann::json& claims = had.value()["claims"];
    if (!claims.is_array()) throw tenzo::FileError(path, -1, "key 'claims' is no list");
    for (const auto& c : claims) out.claims.push_back(detail::claim_of(c, path));
  }
  const tenzo::JsonObject metrics = had.object("metrics");
  for (const auto& [name, value] : metrics.value().items())
    out.metrics.emplace_back(name, detail::number_or_null(value, path, name));
  return out;
}

/// Throws FileError where keep_others would at the end of a run: called before its work begins.
inline void check_kept_metrics(const std::string& path) { written_metrics(path); }

/// Adds the claims whose letter is not `own`, and their metrics, of a metrics.json at this path, if it is of this
/// program, mode and seed. A file that is none of its own is left to be replaced.
///   Throws  FileError as written_metrics does.
inline void keep_others(tenzo::Metrics& m, const std::string& path, char own) {
  const WrittenMetrics had = written_metrics(path);
  if (had.example != m.example || had.mode != m.mode || had.seed != m.seed) return;
  for (const tenzo::Claim& c : had.claims)
    if (!c.id.empty() && c.id[0] != own) m.claims.push_back(c);
  const bool of_certificates = own != 'R';
  for (const auto& [name, value] : had.metrics)
    if (name.starts_with("certify/") == of_certificates) m.set(name, value);
}

}  // namespace smug
