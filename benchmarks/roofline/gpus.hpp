// The GPUs of the roofline, and the time that a launch takes on one of them: a prediction.
#pragma once

#include <algorithm>
#include <cmath>
#include <string_view>

#include "costs.hpp"

namespace tenzo::roofline {

/// Figures of a GPU, of the maker's data sheets but for the second cache's rate.
struct Gpu {
  std::string_view name;
  int multiprocessors, float_lanes;  // lanes: of a multiprocessor
  double clock;                      // Hz, at which the sheet's rates hold
  double memory, cache;              // bytes a second
  double cache_bytes;
  double tensor_tf32, tensor_bf16;  // flops a second, dense, with sums in float

  double float_fmas() const { return multiprocessors * float_lanes * clock; }
};

inline constexpr Gpu gpus[] = {
    {"A100 SXM 80 GB", 108, 64, 1.41e9, 2.039e12, 5.0e12, 40e6, 156e12, 312e12},
    {"H100 SXM", 132, 128, 1.98e9, 3.35e12, 7.0e12, 50e6, 494.7e12, 989.4e12},
    {"RTX 4090", 128, 128, 2.52e9, 1.008e12, 5.0e12, 72e6, 82.6e12, 165.2e12},
};

/// What is assumed, the same for our kernels and for those that they are compared with.
struct Assumptions {
  double achieved = 0.8;     // of every rate
  double start = 2e-6;       // seconds that a launch keeps the GPU beside its work: to begin, to drain, to be followed
  double vector = 2;         // wavefronts of 16-byte reads of shared memory: 4, less what lanes have in common
  double host_call = 3e-6;   // seconds of the host for a launch from C++, memory for the result included
  double host_torch = 5e-6;  // seconds of the host for an operation of PyTorch, from Python
};

/// What a launch waits for.
struct Bound {
  std::string_view by;
  double seconds;
};

/// The rate that bounds a launch, and its time at that rate.
///   Work of the multiprocessors takes as long as the one with the most blocks needs: 144 blocks on 108 of them are two
///   rounds.
inline Bound bound_of(const Gpu& g, const Cost& c, const Assumptions& a) {
  const double busiest =
      c.blocks == 0 ? 1.0 / g.multiprocessors : std::ceil(double(c.blocks) / g.multiprocessors) / double(c.blocks);
  const double cycles = busiest / g.clock;
  const double port = 64 / cycles;  // bytes a second, 64 a cycle and multiprocessor
  const bool cached = c.activations <= g.cache_bytes / 2;
  const Bound all[] = {
      {"memory", (c.weights + (cached ? 0 : c.activations)) / g.memory},
      {"cache", c.bytes() / std::min(g.cache, port)},
      {"issue", c.instructions / 128 * cycles},
      {"float", (c.float_operations + 2 * c.wide_products) / g.float_lanes * cycles},
      {"integer", c.wide_products / 32 * cycles},
      {"shared", (c.wavefronts + a.vector * c.shared_vectors) * cycles},
      {"tensor", 2 * c.tensor_fmas / g.tensor_bf16},
  };
  return *std::max_element(std::begin(all), std::end(all),
                           [](const Bound& x, const Bound& y) { return x.seconds < y.seconds; });
}

inline double seconds(const Gpu& g, const Cost& c, const Assumptions& a) {
  return a.start + bound_of(g, c, a).seconds / a.achieved;
}

}  // namespace tenzo::roofline
