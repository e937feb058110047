// Which lines of k-space are sampled: Cartesian masks, each a function of its settings and a seed.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "tenzo/core/permutation.hpp"
#include "tenzo/core/random.hpp"
#include "tenzo/core/tensor.hpp"

namespace tenzo::mri {

/// How lines are chosen. R is the acceleration, W the number of lines; L lines around the zero frequency are always
/// taken.
enum class MaskKind {
  uniform,           // every R-th line through the zero frequency, and no others (L = 0)
  variable_density,  // L = .32 W / R, then lines drawn without replacement until there are W / R
  random,            // each line beside the L with one probability, W / R in the mean
  equispaced         // beside the L every R'-th line from an offset on, R' so that there are W / R
};

/// Throws ValueError for a name that is none: uniform, variable-density, random, equispaced.
inline MaskKind mask_kind(std::string_view name) {
  if (name == "uniform") return MaskKind::uniform;
  if (name == "variable-density") return MaskKind::variable_density;
  if (name == "random") return MaskKind::random;
  require(name == "equispaced", "mask: unknown kind ", printable(name),
          "; want uniform, variable-density, random or equispaced");
  return MaskKind::equispaced;
}
inline std::string_view name_of(MaskKind kind) {
  constexpr std::string_view names[] = {"uniform", "variable-density", "random", "equispaced"};
  return names[std::size_t(kind)];
}

struct MaskOptions {
  MaskKind kind = MaskKind::variable_density;
  double acceleration = 4;
  double centre = -1;  // share of the lines that is always taken; below zero .32 / R, for random and equispaced
                       // .08 up to R = 4 and .04 beyond
  std::uint64_t seed = 1;
};

namespace detail {

/// The key of masks: of the order of data's purpose, at a tensor number of their own.
inline NoiseKey mask_key(std::uint64_t seed) {
  return NoiseKey{.seed = seed, .step = 0, .query = 0, .tensor = 0x04d52491}.of(Purpose::data_order);
}

}  // namespace detail

/// A mask of `lines` lines: 1 where one is sampled; index lines / 2 is the zero frequency.
///   Throws  ValueError for an acceleration below one, a share that is none, and where not one line would be sampled.
///   Source  random and equispaced as the fastMRI data set's evaluation draws them (Zbontar et al. 2018); the
///           variable density as in Liang et al. 2025, "Robust MRI reconstruction by smoothed unrolling".
template <Real T>
Tensor<T> line_mask(std::int64_t lines, const MaskOptions& o) {  // -> (lines)
  require(lines > 0, "mask: of ", lines, " lines");
  require(o.acceleration >= 1 && o.acceleration <= double(lines), "mask: an acceleration of ", o.acceleration, " of ",
          lines, " lines");
  require(o.centre <= 1, "mask: a centre of ", o.centre, " of the lines; want a share");
  const bool by_rate = o.kind == MaskKind::random || o.kind == MaskKind::equispaced;
  const double n = double(lines), wanted = n / o.acceleration;
  const double share = o.centre >= 0 ? o.centre : by_rate ? (o.acceleration <= 4 ? 0.08 : 0.04) : 0.32 / o.acceleration;
  const auto low = o.kind == MaskKind::uniform ? 0 : std::int64_t(std::lround(share * n));
  Tensor<T> mask = Tensor<T>::zeros({lines});
  // `low` lines with the zero frequency in their middle
  const std::int64_t first = (lines - low + 1) / 2;
  for (std::int64_t i = first; i < first + low; ++i) mask(i) = 1;
  const NoiseKey key = detail::mask_key(o.seed);
  switch (o.kind) {
    case MaskKind::uniform:
      for (std::int64_t i = 0; i < lines; ++i)
        if ((i - lines / 2) % std::int64_t(std::lround(o.acceleration)) == 0) mask(i) = 1;
      break;
    case MaskKind::variable_density: {
      auto rest = std::int64_t(std::lround(wanted)) - low;
      for (const std::int64_t i : permutation(lines, key))
        if (rest > 0 && mask(i) == T(0)) mask(i) = 1, --rest;
      break;
    }
    case MaskKind::random: {
      const double p = std::max(0.0, wanted - double(low)) / std::max(1.0, n - double(low));
      std::vector<double> u(static_cast<std::size_t>(lines));
      fill_uniform(key, 1, lines, 0.0, 1.0, u.data());
      for (std::int64_t i = 0; i < lines; ++i)
        if (u[std::size_t(i)] < p) mask(i) = 1;
      break;
    }
    case MaskKind::equispaced: {
      if (wanted <= double(low)) break;
      const double every = (n - double(low)) / (wanted - double(low));
      const auto offset = Integers(key).below(std::max<std::int64_t>(1, std::lround(every)), 0);
      for (double at = double(offset); std::lround(at) < lines; at += every) mask(std::lround(at)) = 1;
      break;
    }
  }
  require(std::any_of(mask.values().begin(), mask.values().end(), [](T m) { return m != T(0); }), "mask: no line of ",
          lines, " is sampled");
  return mask;
}

/// The largest run of sampled lines around the zero frequency, [begin, end): the calibration region; empty where the
/// zero frequency is not sampled.
template <Real T>
std::pair<std::int64_t, std::int64_t> calibration_lines(const Tensor<T>& mask) {
  std::int64_t begin = mask.size() / 2, end = begin;
  while (end < mask.size() && mask(end) != T(0)) ++end;
  if (end == begin) return {begin, end};
  while (begin > 0 && mask(begin - 1) != T(0)) --begin;
  return {begin, end};
}

}  // namespace tenzo::mri
