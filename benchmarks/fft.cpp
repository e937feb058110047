// Unitary Fourier transforms of a stack of images: 64 of 320 x 320 complex floats, read once and written once.
#include "tenzo/ops/cpu/fft.hpp"

#include <benchmark/benchmark.h>

#include <vector>

namespace {

constexpr std::int64_t batch = 64, size = 320;

void fft2(benchmark::State& s) {
  std::vector<float> x(std::size_t(2 * batch * size * size)), y(x.size());
  std::uint32_t state = 1;
  for (float& v : x) v = float((state = state * 1664525u + 1013904223u) >> 8) * 0x1p-23f - 1.f;
  for (auto _ : s) {
    tenzo::cpu::fft2<float>(tenzo::Cpu{}, batch, size, size, false, 1.0 / double(size), x.data(), y.data());
    benchmark::ClobberMemory();
  }
  s.SetBytesProcessed(s.iterations() * 2 * std::int64_t(x.size() * sizeof(float)));
  s.counters["flop/s"] = benchmark::Counter(5.0 * double(batch * size * size) * 16.64 * double(s.iterations()),
                                            benchmark::Counter::kIsRate);  // 5 N log₂ N, the field's count
}

BENCHMARK(fft2)->Name("fft2/64x320x320")->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
