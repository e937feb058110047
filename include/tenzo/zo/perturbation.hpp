// Points around a model: how far along which directions, on one or two sides.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "tenzo/zo/direction.hpp"

namespace tenzo::cuda {
class TermBuffer;
}

namespace tenzo::zo {

/// How far to go along a direction on each side of a probe.
struct ProbeTerm {
  Direction direction;
  std::array<double, 2> factor{};
};

/// The points θ + Σ factor[s] u of one or two sides s. Leaves whose entry in `trained` is zero are not perturbed.
struct Perturbation {
  int sides = 1;
  std::vector<ProbeTerm> terms;
  std::vector<std::uint8_t> trained;  // by leaf number; empty: all are
  /// The same terms in a GPU's memory: an evaluation that was recorded takes what stands there when it is launched.
  const cuda::TermBuffer* recorded = nullptr;

  bool covers(std::uint32_t leaf) const {
    if (!trained.empty() && !(leaf < trained.size() && trained[leaf])) return false;
    return std::any_of(terms.begin(), terms.end(), [&](const ProbeTerm& t) { return t.direction.covers(leaf); });
  }
};

/// One side of a product with a weight: x (n, columns of W), bias (rows of W) or null, y (n, rows of W).
struct AffineSide {
  const float* x = nullptr;
  const float* bias = nullptr;
  float* y = nullptr;
};

}  // namespace tenzo::zo
