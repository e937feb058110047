// Weights of finite differences on integer nodes.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "tenzo/core/error.hpp"

namespace tenzo::bilevel {

/// Σ_j weight_j φ(node_j ν) / ν = φ'(0) + O(ν^order), exact for polynomials up to the order.
struct Stencil {
  std::vector<int> nodes;  // rising
  std::vector<double> weights;
};

/// The derivatives at 0 of the Lagrange polynomials of different nodes.
///   Source  Fornberg 1988, "Generation of finite difference formulas on arbitrarily spaced grids".
inline Stencil stencil_of(std::vector<int> nodes) {
  Stencil s{std::move(nodes), {}};
  for (std::size_t j = 0; j < s.nodes.size(); ++j) {
    double weight = 0;
    for (std::size_t m = 0; m < s.nodes.size(); ++m) {
      if (m == j) continue;
      double term = 1.0 / (s.nodes[j] - s.nodes[m]);
      for (std::size_t k = 0; k < s.nodes.size(); ++k)
        if (k != j && k != m) term *= double(-s.nodes[k]) / (s.nodes[j] - s.nodes[k]);
      weight += term;
    }
    s.weights.push_back(weight);
  }
  return s;
}

/// The narrowest differences of an order.
///   even p   central, ±1 … ±p/2: the middle has no weight, so that p nodes are enough
///   odd p    −(p − 1)/2 … (p + 1)/2: p + 1 nodes; p = 1 is the forward difference
///   Throws  ValueError for an order outside [1, 12]: beyond, weights cost more digits than the order gives.
inline Stencil central_stencil(int order) {
  require(order >= 1 && order <= 12, "stencil: an order of ", order, "; want 1 to 12");
  std::vector<int> nodes;
  for (int j = -((order - order % 2) / 2); j <= (order + order % 2) / 2; ++j)
    if (j != 0 || order % 2 == 1) nodes.push_back(j);
  return stencil_of(std::move(nodes));
}

/// The one-sided difference of an order, 0 … p: for a φ that is known on one side alone. Larger weights.
inline Stencil forward_stencil(int order) {
  require(order >= 1 && order <= 12, "stencil: an order of ", order, "; want 1 to 12");
  std::vector<int> nodes;
  for (int j = 0; j <= order; ++j) nodes.push_back(j);
  return stencil_of(std::move(nodes));
}

}  // namespace tenzo::bilevel
