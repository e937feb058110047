// The end of a test on a device.
#pragma once

#include <doctest/doctest.h>

#ifdef TENZO_EMULATE_CUDA
#include "device.hpp"
#endif

namespace tenzo::test {

/// Declared first in a test: on the emulated device, that all is freed at its end.
struct AtEnd {
  ~AtEnd() {
#ifdef TENZO_EMULATE_CUDA
    CHECK_NOTHROW(emulation::expect_clean());
#endif
  }
};

}  // namespace tenzo::test
