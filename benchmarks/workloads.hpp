// What the benchmarks share. Each is a template over the device, registered for the one that --device names.
#pragma once

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "tenzo/core/tensor.hpp"
#ifdef TENZO_CUDA
#include "tenzo/cuda.hpp"
#include "tenzo/cuda/recorded_step.hpp"
#include "tenzo/cuda/weights.hpp"
#endif

namespace tenzo::bench {

/// What registers the workloads of each file for a device.
template <class D>
std::vector<void (*)()>& files() {
  static std::vector<void (*)()> all;
  return all;
}

/// A file's workloads: add(D{}) registers them, once it is known that D was asked for.
struct Workloads {
  template <class Add>
  explicit Workloads(Add) {
    files<Cpu>().push_back([] { Add{}(Cpu{}); });
#ifdef TENZO_CUDA
    files<Cuda>().push_back([] { Add{}(Cuda{}); });
#endif
  }
};

/// Registers f(state, arguments...), told in milliseconds.
template <class F, class... Arguments>
auto* add(const std::string& name, F f, const Arguments&... arguments) {
  return benchmark::RegisterBenchmark(name.c_str(), f, arguments...)->Unit(benchmark::kMillisecond);
}

/// Calls `work` as often as the benchmark asks for, and returns the seconds that a call took. On a GPU a call ends when
/// the GPU has done it (the host spins until then, so that its processor's time is the clock's), and the first, which
/// takes data there and makes plans and graphs, is not timed.
template <class D, class F>
double repeat(benchmark::State& s, F&& work) {
  const auto call = [&] {
    work();
    if constexpr (HostDevice<D>) benchmark::ClobberMemory();
    else wait_for(D{});
  };
  if constexpr (!HostDevice<D>) call();
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  for (auto _ : s) call();
  return std::chrono::duration<double>(Clock::now() - start).count() / double(s.iterations());
}

/// n numbers, uniform in [-size, size).
template <class D>
Tensor<float, D> numbers(std::int64_t n, std::uint32_t state = 1, float size = 1) {
  Tensor<float> x(Shape{n});
  for (float& v : x.values()) v = size * (float((state = state * 1664525u + 1013904223u) >> 8) * 0x1p-23f - 1.f);
  return x.to<D>();
}

/// n zeros, for a result: memory that is there before the clock runs.
template <class D>
Tensor<float, D> room(std::int64_t n) {
  return Tensor<float, D>::zeros({n});
}

}  // namespace tenzo::bench
