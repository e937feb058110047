// Dense products. The limit is 64 float operations a cycle and core with two AVX-512 units, 32 with AVX2; for few rows
// it is the bandwidth at which B arrives.
#include "tenzo/core/gemm.hpp"

#include <benchmark/benchmark.h>

#include <chrono>
#include <string>
#include <vector>

#include "tenzo/core/gemm_rows.hpp"
#include "tenzo/core/noise.hpp"

namespace {

using namespace tenzo;
using View = MatrixView<const float>;

std::vector<float> numbers(std::int64_t n, std::uint32_t state) {
  std::vector<float> x(static_cast<std::size_t>(n));
  for (float& v : x) v = float((state = state * 1664525u + 1013904223u) >> 8) * 0x1p-23f - 1.f;
  return x;
}

struct Sizes {
  std::int64_t m, n, k;
};

/// Runs f and reports wall-clock rates; UseRealTime would do so too, but adds to the name.
template <class F>
void run(benchmark::State& s, Sizes z, double products, F&& f) {
  using Clock = std::chrono::steady_clock;
  f();
  const auto start = Clock::now();
  for (auto _ : s) f();
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count() / double(s.iterations());
  s.counters["GFLOP/s"] = 2e-9 * products * double(z.m) * double(z.n) * double(z.k) / seconds;
  s.counters["GB/s of B"] = 4e-9 * double(z.n) * double(z.k) / seconds;
}

/// x wᵀ: a linear layer.
void forward(benchmark::State& s, Sizes z) {
  const auto x = numbers(z.m * z.k, 1), w = numbers(z.n * z.k, 2);
  std::vector<float> y(std::size_t(z.m * z.n));
  run(s, z, 1, [&] {
    gemm(View::row_major(x.data(), z.m, z.k), View::row_major(w.data(), z.n, z.k).transposed(),
         MatrixView<float>::row_major(y.data(), z.m, z.n));
    benchmark::DoNotOptimize(y.data());
  });
}

/// gᵀ x: the gradient of its weights, m and n being theirs.
void weight_gradient(benchmark::State& s, Sizes z) {
  const auto g = numbers(z.m * z.k, 1), x = numbers(z.n * z.k, 2);
  std::vector<float> dw(std::size_t(z.m * z.n));
  run(s, z, 1, [&] {
    gemm(View::row_major(g.data(), z.k, z.m).transposed(), View::row_major(x.data(), z.k, z.n),
         MatrixView<float>::row_major(dw.data(), z.m, z.n));
    benchmark::DoNotOptimize(dw.data());
  });
}

/// Both sides of a probe, to be compared with two products of `forward`.
template <Law::Kind kind>
void pair(benchmark::State& s, Sizes z) {
  const auto up = numbers(z.m * z.k, 1), down = numbers(z.m * z.k, 3), w = numbers(z.n * z.k, 2);
  std::vector<float> y(std::size_t(z.m * z.n)), y2 = y;
  std::uint32_t step = 0;
  run(s, z, 2, [&] {
    const Noise<kind> noise({.seed = 1, .step = step++}, z.n, z.k);
    gemm_pair(StoredRows(w.data(), z.n, z.k), noise,
              {View::row_major(up.data(), z.m, z.k), 1e-3f, MatrixView<float>::row_major(y.data(), z.m, z.n)},
              {View::row_major(down.data(), z.m, z.k), -1e-3f, MatrixView<float>::row_major(y2.data(), z.m, z.n)});
    benchmark::DoNotOptimize(y.data());
  });
}

const bool registered = [] {
  const auto add = [](const std::string& name, void (*f)(benchmark::State&, Sizes), std::initializer_list<Sizes> all) {
    for (const Sizes z : all)
      benchmark::RegisterBenchmark((name + cat(z.m, 'x', z.n, 'x', z.k)).c_str(), f, z)->Unit(benchmark::kMicrosecond);
  };
  add("gemm/", forward,
      {{2048, 2048, 2048},
       {512, 1536, 576},
       {512, 576, 1536},
       {512, 192, 576},
       {64, 256, 784},
       {64, 10, 256},
       {32, 64, 4},
       {1, 1536, 576},
       {1, 49152, 576}});
  add("gemm_weight_gradient/", weight_gradient, {{256, 784, 64}, {1536, 576, 512}});
  add("gemm_pair_normal/", pair<Law::normal>, {{512, 1536, 576}, {64, 1536, 576}});
  add("gemm_pair_rademacher/", pair<Law::rademacher>, {{512, 1536, 576}, {64, 1536, 576}});
  return true;
}();

}  // namespace
