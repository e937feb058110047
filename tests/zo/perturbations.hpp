// Perturbations of every structure, on the leaves of the small model.
#pragma once

#include <memory>
#include <vector>

#include "tenzo/zo/perturbation.hpp"

namespace tenzo::test {

using zo::Direction;
using zo::DirectionLaw;
using zo::Perturbation;

inline Perturbation along(const std::vector<Direction>& directions, double eps, int sides = 2) {
  Perturbation p;
  p.sides = sides;
  for (const Direction& d : directions) {
    p.terms.push_back({d, {eps, -eps}});
    eps *= 1.7;
  }
  return p;
}

inline Direction gaussian() {
  Direction d;
  d.seed = 77;
  d.step = 4;
  return d;
}

/// One perturbation of every structure, and some of several terms.
inline std::vector<Perturbation> perturbations() {
  const Direction g = gaussian();
  Direction signs = g, low = g, sphere = g, block = g, other = g, one = g, masked = g;
  signs.law = DirectionLaw::rademacher;
  low.rank = 2;
  sphere.law = DirectionLaw::sphere;
  sphere.radius = 1.01;
  block.first_leaf = 1;
  block.last_leaf = 3;
  other.query = 1;
  one.law = DirectionLaw::coordinate;
  one.leaf = 1;
  one.element = 40;
  auto masks = std::make_shared<zo::Masks>(2);
  (*masks)[1] = Tensor<std::uint8_t>::zeros(Shape{37, 32});
  for (std::int64_t i = 0; i < 37 * 32; i += 5) (*masks)[1](i) = 1;
  masked.masks = masks;
  std::vector<Perturbation> all;
  for (const Direction& d : {g, signs, low, sphere, block, one, masked}) all.push_back(along({d}, 1e-2));
  all.push_back(along({g, other}, 1e-2));
  all.push_back(along({block, signs}, 1e-2));
  all.push_back(along({g}, 1e-2, 1));
  Perturbation one_sided = along({g}, 1e-2);
  one_sided.terms[0].factor[1] = 0;
  all.push_back(one_sided);
  Perturbation frozen = along({g}, 1e-2);
  frozen.trained = {0, 1, 0, 1, 1, 0};
  all.push_back(frozen);
  all.push_back(Perturbation{});  // where it stands
  return all;
}

}  // namespace tenzo::test
