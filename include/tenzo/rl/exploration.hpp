// How much chance there is in the behaviour, by time.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tenzo/core/error.hpp"

namespace tenzo::rl {

/// ε by time t, in whatever unit the caller counts (environment steps, or outer iterations):
///   constant   first
///   linear     from first at t = 0 to last at t = length, last beyond
///   geometric  max(last, first · factor^t)
struct Exploration {
  enum class Kind { constant, linear, geometric };
  Kind kind = Kind::constant;
  double first = 0.1, last = 0.1;
  double length = 1;    // of linear
  double factor = 0.9;  // of geometric

  bool operator==(const Exploration&) const = default;

  double operator()(double t) const {
    switch (kind) {
      case Kind::linear: return first + (last - first) * std::clamp(t / length, 0.0, 1.0);
      case Kind::geometric: return std::max(last, first * std::pow(factor, t));
      default: return first;
    }
  }

  /// As parse_exploration takes it, which gives the same again.
  std::string text() const {
    const auto shortest = [](double x) {
      char digits[32];
      return std::string(digits, std::to_chars(digits, digits + sizeof digits, x).ptr);
    };
    switch (kind) {
      case Kind::linear: return cat("linear:", shortest(first), ':', shortest(last), ':', shortest(length));
      case Kind::geometric: return cat("geometric:", shortest(first), ':', shortest(last), ':', shortest(factor));
      default: return cat("constant:", shortest(first));
    }
  }
};

/// From "0.1", "constant:0.1", "linear:1:0.05:250000" (first, last, length) or "geometric:1:0.02:0.9" (first, last,
/// factor).   Throws ValueError for another form, a probability outside [0, 1], a length or a factor that is none.
inline Exploration parse_exploration(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(':', at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  const auto number = [&](std::string_view word) {
    double x = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), x);
    require(error == std::errc() && end == word.data() + word.size() && std::isfinite(x), "epsilon ", printable(text),
            ": ", printable(word), " is no number");
    return x;
  };
  const auto chance = [&](std::string_view word) {
    const double x = number(word);
    require(x >= 0 && x <= 1, "epsilon ", printable(text), ": ", x, " is no probability");
    return x;
  };
  Exploration e;
  if (parts.size() == 1 && !parts[0].empty() && (parts[0][0] < 'a' || parts[0][0] > 'z')) {
    e.first = e.last = chance(parts[0]);
    return e;
  }
  const bool linear = parts[0] == "linear", geometric = parts[0] == "geometric";
  require((parts[0] == "constant" && parts.size() == 2) || ((linear || geometric) && parts.size() == 4), "epsilon ",
          printable(text), "; want constant:P, linear:FIRST:LAST:LENGTH or geometric:FIRST:LAST:FACTOR");
  e.first = e.last = chance(parts[1]);
  if (parts.size() == 2) return e;
  e.kind = linear ? Exploration::Kind::linear : Exploration::Kind::geometric;
  e.last = chance(parts[2]);
  if (linear) {
    e.length = number(parts[3]);
    require(e.length > 0, "epsilon ", printable(text), ": a length of ", e.length, "; want more than 0");
  } else {
    e.factor = number(parts[3]);
    require(e.factor > 0 && e.factor <= 1, "epsilon ", printable(text), ": a factor of ", e.factor,
            "; want more than 0, at most 1");
    require(e.first >= e.last, "epsilon ", printable(text), ": it falls from ", e.first, " to ", e.last);
  }
  return e;
}

}  // namespace tenzo::rl
