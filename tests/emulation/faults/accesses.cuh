// Single accesses that go wrong.
#pragma once

#include <cstdint>

#include "device.hpp"

namespace tenzo::faults {

using namespace cuda;

/// y[to] = x[from], through load and store or by plain pointers.
struct CopyOne {
  const float* x;
  float* y;
  std::int64_t from, to;
  bool checked;
  static constexpr int max_threads = 1;

  TENZO_DEVICE void operator()() const {
    if (checked) {
      const float v = load(x + from);  // fault: checked load
      store(y + to, v);                // fault: checked store
    } else {
      const float v = x[from];  // fault: plain load
      y[to] = v;                // fault: plain store
    }
  }
};

/// y[0 … 4) = x[from … from + 4), at once.
struct CopyFour {
  const float* x;
  float* y;
  std::int64_t from;
  bool checked;
  static constexpr int max_threads = 1;

  TENZO_DEVICE void operator()() const {
    if (checked) {
      store(y, load<4>(x + from));  // fault: checked pack
    } else {
      const float4& v = *reinterpret_cast<const float4*>(x + from);  // fault: plain pack
      *reinterpret_cast<float4*>(y) = v;
    }
  }
};

/// One element of shared memory that nobody has written.
struct ReadUnwritten {
  float* y;
  static constexpr int max_threads = 32;

  TENZO_DEVICE void operator()() const {
    TENZO_SHARED(float, values, [32]);
    if (threadIdx.x != 3) values[threadIdx.x] = 1;
    __syncthreads();
    store(y + threadIdx.x, values[threadIdx.x]);
  }
};

/// Writes dynamic shared memory by each thread, and reads it backwards.
struct Reverse {
  const float* x;
  float* y;
  static constexpr int max_threads = 1024, max_shared_bytes = 64 << 10;

  TENZO_DEVICE void operator()() const {
    TENZO_DYNAMIC_SHARED(float, values);
    values[threadIdx.x] = load(x + threadIdx.x);  // fault: dynamic overrun
    __syncthreads();
    store(y + threadIdx.x, values[blockDim.x - 1 - threadIdx.x]);
  }
};

/// More shared arrays than a launch has room for beside its dynamic shared memory.
struct TooMuchShared {
  float* y;
  static constexpr int max_threads = 1;

  TENZO_DEVICE void operator()() const {
    TENZO_SHARED(float, values, [8 << 10]);  // fault: too much shared
    values[0] = 1;
    store(y, values[0]);
  }
};

}  // namespace tenzo::faults
