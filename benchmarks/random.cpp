// Noise: filling memory, moving weights along a direction, and tiles as the product's packing asks for them.
// Bound: one thread's integer and floating-point units for the normals in cache, memory's speed for everything of 1e8.
#include "tenzo/core/random.hpp"

#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

namespace {

using namespace tenzo;

std::vector<float>& memory(std::int64_t n) {
  static std::vector<float> x;
  if (std::int64_t(x.size()) < n) x.resize(std::size_t(n));
  return x;
}

/// `n` new numbers an iteration.
void fill(benchmark::State& s, Law law, std::int64_t n) {
  std::vector<float>& x = memory(n);
  NoiseKey key{1};
  for (auto _ : s) {
    fill_matrix(law, key, 1, n, x.data());
    benchmark::ClobberMemory();
    ++key.step;
  }
  s.SetItemsProcessed(s.iterations() * n);
  s.SetBytesProcessed(s.iterations() * n * 4);
}

/// w ← w + scale z on rows x cols.
template <class T>
void add_scaled(benchmark::State& s, Law law, std::int64_t rows, std::int64_t cols) {
  std::vector<T> w(std::size_t(rows * cols));
  NoiseKey key{1};
  for (auto _ : s) {
    add_scaled_(w.data(), rows, cols, law, key, 1e-3);
    benchmark::ClobberMemory();
    ++key.step;
  }
  s.SetItemsProcessed(s.iterations() * rows * cols);
  s.SetBytesProcessed(s.iterations() * rows * cols * 2 * std::int64_t(sizeof(T)));
}

/// All tiles of 16 x 64 of a matrix, on one thread: what perturbing on read adds to packing.
template <Law::Kind kind>
void tiles(benchmark::State& s, std::int64_t rows, std::int64_t cols) {
  alignas(64) float tile[16 * 64];
  NoiseKey key{1};
  for (auto _ : s) {
    const Noise<kind> noise(key, rows, cols);
    for (std::int64_t i = 0; i < rows; i += 16)
      for (std::int64_t j = 0; j < cols; j += 64) {
        noise.tile(i, 16, j, 64, tile, 64);
        benchmark::ClobberMemory();
      }
    ++key.step;
  }
  s.SetItemsProcessed(s.iterations() * rows * cols);
}

const bool registered = [] {
  const auto add = [](const char* name, auto&& f) {
    benchmark::RegisterBenchmark(name, f)->Unit(benchmark::kMillisecond);
  };
  using State = benchmark::State;
  add("normal/1e8", [](State& s) { fill(s, Law::normal, 100'000'000); });
  add("normal/1e5", [](State& s) { fill(s, Law::normal, 100'000); });
  add("rademacher/1e8", [](State& s) { fill(s, Law::rademacher, 100'000'000); });
  add("uniform/1e8", [](State& s) { fill(s, Law::uniform, 100'000'000); });
  add("add_normal/1536x576", [](State& s) { add_scaled<float>(s, Law::normal, 1536, 576); });
  add("add_normal/1536x576/bf16", [](State& s) { add_scaled<bfloat16>(s, Law::normal, 1536, 576); });
  add("add_rademacher/1536x576", [](State& s) { add_scaled<float>(s, Law::rademacher, 1536, 576); });
  add("add_rademacher/1e6/f64", [](State& s) { add_scaled<double>(s, Law::rademacher, 1, 1'000'000); });
  add("tiles_normal/1536x576", [](State& s) { tiles<Law::normal>(s, 1536, 576); });
  add("tiles_rademacher/1536x576", [](State& s) { tiles<Law::rademacher>(s, 1536, 576); });
  return true;
}();

}  // namespace
