// metrics.json is of both parts of the program: what one writes keeps what the other has written.
#pragma once

#include <filesystem>
#include <string>

#include "tenzo/io/json.hpp"
#include "tenzo/io/metrics.hpp"

namespace smug {

/// Adds the claims whose letter is not `own`, and their metrics, of a metrics.json at this path, if it is of this
/// program, mode and seed. A file that is none of its own is left to be replaced.
inline void keep_others(tenzo::Metrics& m, const std::string& path, char own) {
  if (!std::filesystem::exists(path)) return;
  const nlohmann::json had = tenzo::JsonObject::open(path).value();
  if (had.value("example", "") != m.example || had.value("mode", "") != m.mode ||
      had.value("seed", std::uint64_t(0)) != m.seed)
    return;
  const auto number = [](const nlohmann::json& j) { return j.is_number() ? j.get<double>() : NAN; };
  for (const auto& c : had.value("claims", nlohmann::json::array())) {
    const std::string id = c.value("id", "");
    if (id.empty() || id[0] == own) continue;
    tenzo::Claim kept{.id = id,
                      .statement = c.value("statement", ""),
                      .value = number(c.value("value", nlohmann::json())),
                      .threshold = number(c.value("threshold", nlohmann::json())),
                      .seeds = c.value("seeds", 1),
                      .holds = c.value("holds", false)};
    if (c.contains("ci95") && c["ci95"].size() == 2) kept.ci95 = {number(c["ci95"][0]), number(c["ci95"][1])};
    m.claims.push_back(std::move(kept));
  }
  const bool of_certificates = own != 'R';
  const nlohmann::json metrics = had.value("metrics", nlohmann::json::object());  // outlives what goes through it
  for (const auto& [name, value] : metrics.items())
    if (name.starts_with("certify/") == of_certificates) m.set(name, number(value));
}

}  // namespace smug
