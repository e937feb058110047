// Step-size schedules: functions of the step number alone, so that a resumed run needs no state of them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string_view>

#include "tenzo/core/error.hpp"

namespace tenzo {

/// A factor on the step size, by step.
///   constant  1
///   linear    from 1 at the end of the warm-up to `final` at `steps`
///   cosine    final + (1 − final)(1 + cos π t) / 2, t from 0 at the end of the warm-up to 1 at `steps`
///   inverse_sqrt  sqrt(w / step) after a warm-up of w = max(1, warmup) steps
/// All rise linearly from 1 / warmup during the warm-up.
struct Schedule {
  enum class Kind { constant, linear, cosine, inverse_sqrt };
  Kind kind = Kind::constant;
  std::int64_t steps = 1;   // length of the run
  std::int64_t warmup = 0;  // steps of linear rise
  double final = 0;         // factor at the end, for linear and cosine

  /// Whether the factors depend on the length of the run.
  bool decays() const { return kind == Kind::linear || kind == Kind::cosine; }

  double operator()(std::int64_t step) const {
    if (step < warmup) return double(step + 1) / double(warmup);
    const double t = std::clamp(double(step - warmup) / double(std::max<std::int64_t>(1, steps - warmup)), 0.0, 1.0);
    switch (kind) {
      case Kind::constant: return 1;
      case Kind::linear: return 1 + (final - 1) * t;
      case Kind::cosine: return final + (1 - final) * 0.5 * (1 + std::cos(3.14159265358979323846 * t));
      case Kind::inverse_sqrt: {
        const double w = double(std::max<std::int64_t>(1, warmup));
        return std::sqrt(w / std::max(w, double(step + 1)));
      }
    }
    return 1;
  }

  /// From "constant", "linear", "cosine" or "inverse-sqrt". Throws ValueError otherwise.
  static Kind kind_of(std::string_view name) {
    if (name == "constant") return Kind::constant;
    if (name == "linear") return Kind::linear;
    if (name == "cosine") return Kind::cosine;
    require(name == "inverse-sqrt", "schedule: unknown name '", name,
            "'; want constant, linear, cosine or inverse-sqrt");
    return Kind::inverse_sqrt;
  }
};

}  // namespace tenzo
