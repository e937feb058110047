// What the tests of whole programs on a device share: a batch of the small model, and how far results are apart.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "at_end.hpp"
#include "tenzo/cuda.hpp"
#include "zo/small_model.hpp"

namespace tenzo::test {

// Of this test's own: what is copied to the device with them goes with them.
struct Batch {
  Indices ids = test::ids.clone(), labels = test::labels.clone();
  auto loss() const {
    return [this](const auto& m) { return cross_entropy(m.logits(ids), labels); };
  }
};

/// The largest difference beside the largest magnitude.
inline double apart(const Tensor<float>& a, const Tensor<float>& b) {
  REQUIRE(a.shape() == b.shape());
  double worst = 0, top = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) {
    worst = std::max(worst, std::abs(double(a(i)) - double(b(i))));
    top = std::max(top, std::abs(double(b(i))));
  }
  return top > 0 ? worst / top : worst;
}

}  // namespace tenzo::test
