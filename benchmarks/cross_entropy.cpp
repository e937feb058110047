// Cross entropy over a language model's vocabulary: one pass over 100 MB of logits, so memory is the bound.
#include "tenzo/ops/cpu/cross_entropy.hpp"

#include <benchmark/benchmark.h>

#include <vector>

namespace {

constexpr std::int64_t rows = 512, classes = 49152;

struct Logits {
  std::vector<float> x = std::vector<float>(std::size_t(rows * classes));
  std::vector<std::int64_t> labels;

  Logits() {
    std::uint32_t state = 1;
    for (float& v : x) v = float((state = state * 1664525u + 1013904223u) >> 8) * 0x1p-21f - 4.f;
    for (std::int64_t r = 0; r < rows; ++r) labels.push_back(r * 7919 % classes);
  }
};

void forward(benchmark::State& s) {
  const Logits in;
  std::vector<float> loss(rows), lse(rows);
  for (auto _ : s) {
    tenzo::cpu::cross_entropy(tenzo::Cpu{}, rows, classes, in.x.data(), in.labels.data(), {}, loss.data(), lse.data());
    benchmark::ClobberMemory();
  }
  s.SetBytesProcessed(s.iterations() * rows * classes * std::int64_t(sizeof(float)));
}

void backward(benchmark::State& s) {
  const Logits in;
  std::vector<float> loss(rows), lse(rows), gx(in.x.size());
  tenzo::cpu::cross_entropy(tenzo::Cpu{}, rows, classes, in.x.data(), in.labels.data(), {}, loss.data(), lse.data());
  const float g = 1.f / rows;
  for (auto _ : s) {
    tenzo::cpu::cross_entropy_backward(tenzo::Cpu{}, rows, classes, in.x.data(), in.labels.data(), {}, lse.data(), &g,
                                       0, gx.data());
    benchmark::ClobberMemory();
  }
  s.SetBytesProcessed(s.iterations() * 2 * rows * classes * std::int64_t(sizeof(float)));
}

BENCHMARK(forward)->Name("cross_entropy/512x49152")->Unit(benchmark::kMillisecond);
BENCHMARK(backward)->Name("cross_entropy_backward/512x49152")->Unit(benchmark::kMillisecond);

}  // namespace
