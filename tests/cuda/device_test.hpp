// What the tests of whole programs on a device share: a batch of the small model, and the end of a test.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#ifdef TENZO_EMULATE_CUDA
#include "device.hpp"
#endif
#include "tenzo/cuda.hpp"
#include "zo/small_model.hpp"

namespace tenzo::test {

/// Declared first in a test: on the emulated device, that all is freed at its end.
struct AtEnd {
  ~AtEnd() {
#ifdef TENZO_EMULATE_CUDA
    CHECK_NOTHROW(emulation::expect_clean());
#endif
  }
};

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
