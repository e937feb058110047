// Shared memory: which declaration is which array, and for how long.

#include <cmath>

#include "selftest.hpp"
#include "tenzo/core/dtype.hpp"

using namespace tenzo;
using namespace tenzo::selftest;

namespace {

/// One array for each T, and for all calls.
template <class T>
TENZO_DEVICE T* array_of() {
  TENZO_SHARED(T, values, [4]);
  return values;
}
TENZO_DEVICE int* number() {
  TENZO_SHARED(int, value);
  return &value;
}

struct Declarations {
  bool* same;  // what must hold, each true
  static constexpr int max_threads = 32;

  TENZO_DEVICE void operator()() const {
    TENZO_SHARED(int, one, [4]);
    TENZO_SHARED(int, other, [4]);
    TENZO_SHARED(half, halves, [3][5]);
    if (threadIdx.x == 0) {
      store(same + 0, &one[0] != &other[0]);
      store(same + 1, number() == number());
      store(same + 2, array_of<int>() == array_of<int>());
      store(same + 3, static_cast<void*>(array_of<int>()) != static_cast<void*>(array_of<float>()));
      int* in_loop[2];
      for (int i = 0; i < 2; ++i) {
        TENZO_SHARED(int, value);
        in_loop[i] = &value;
      }
      store(same + 4, in_loop[0] == in_loop[1]);
      store(same + 5, std::isnan(float(halves[2][4])));  // as CUDA's, without the value of the constructor
      store(same + 6, sizeof halves == 30 && sizeof one == 16);
      *number() = 7;
    }
    __syncthreads();
    if (threadIdx.x == 1) store(same + 7, *number() == 7);
  }
};

/// y[block] = what the block finds where the last one wrote, and of another kernel by the same function.
struct Find {
  float* y;
  static constexpr int max_threads = 1;

  TENZO_DEVICE void operator()() const {
    store(y + blockIdx.x, array_of<float>()[1]);
    array_of<float>()[1] = 5;
  }
};

/// The same through two pointers.
struct TwoViews {
  float* y;
  static constexpr int max_threads = 32;

  TENZO_DEVICE void operator()() const {
    TENZO_DYNAMIC_SHARED(float, values);
    TENZO_DYNAMIC_SHARED(unsigned, bits);
    values[threadIdx.x] = 1.0f;
    __syncwarp();
    store(y + threadIdx.x, bits[threadIdx.x ^ 1] == 0x3f800000u ? values[threadIdx.x ^ 1] : 0.0f);
  }
};

}  // namespace

TEST_CASE("shared memory: a declaration is an array, for each instantiation of the template around it") {
  for_all_schedules([](const Schedule& schedule) {
    CAPTURE(schedule);
    const DeviceArray<bool> same(8);
    launch(Declarations{same.data()}, 1, 32);
    PinnedArray<bool> got(8);
    copy(got.data(), same.data(), 8, Direction::to_host);
    synchronize();
    for (int i = 0; i < 8; ++i) {
      CAPTURE(i);
      CHECK(got.data()[i]);
    }
  });
}

TEST_CASE("shared memory: a block finds nothing of another's") {
  const DeviceArray<float> y(3);
  for (int i = 0; i < 2; ++i) {
    launch(Find{y.data()}, 3, 1);
    for (const float v : y.to_host()) CHECK(std::isnan(v));
  }
}

TEST_CASE("shared memory: the dynamic part is one") {
  const DeviceArray<float> y(32);
  launch(TwoViews{y.data()}, 1, 32, 128);
  CHECK(y.to_host() == std::vector<float>(32, 1.0f));
}
