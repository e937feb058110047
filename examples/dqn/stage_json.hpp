// Figures of a stage in its record, with those that JSON has no numbers for.
#pragma once

#include <cmath>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "tenzo/io/stages.hpp"

namespace dqn {

/// "nan", "inf" and "-inf" in place of numbers that are not finite.
inline void hide_infinities(nlohmann::json& j) {
  if (j.is_structured()) {
    for (nlohmann::json& each : j) hide_infinities(each);
  } else if (j.is_number_float() && !std::isfinite(j.get<double>())) {
    const double x = j.get<double>();
    j = std::isnan(x) ? "nan" : x > 0 ? "inf" : "-inf";
  }
}

/// The numbers again.
inline void show_infinities(nlohmann::json& j) {
  if (j.is_structured()) {
    for (nlohmann::json& each : j) show_infinities(each);
  } else if (j == "nan") {
    j = NAN;
  } else if (j == "inf" || j == "-inf") {
    j = j == "inf" ? INFINITY : -INFINITY;
  }
}

/// The result of a stage, from the record or made.
template <class F>
auto result_of(tenzo::Stages& stages, const std::string& name, F&& make) -> decltype(make()) {
  nlohmann::json j = stages(name, [&] {
    nlohmann::json made = make();
    hide_infinities(made);
    return made;
  });
  show_infinities(j);
  return j.template get<decltype(make())>();
}

}  // namespace dqn
