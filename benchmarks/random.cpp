// Noise: filling memory, moving weights along a direction, and tiles as the product's packing asks for them.
// Bound: one thread's integer and floating-point units for the normals in cache, memory's speed for everything of 1e8.
#include "tenzo/core/random.hpp"

#include "workloads.hpp"

namespace {

using namespace tenzo;

// The CPU's, called as a device's.
void fill_matrix(Cpu, Law law, const NoiseKey& key, std::int64_t rows, std::int64_t cols, float* out) {
  tenzo::fill_matrix(law, key, rows, cols, out);
}
template <class T>
void add_scaled_(Cpu, T* w, std::int64_t rows, std::int64_t cols, std::span<const NoiseTerm> terms) {
  tenzo::add_scaled_(w, rows, cols, terms);
}

/// `n` new numbers an iteration.
template <class D>
void fill(benchmark::State& s, Law law, std::int64_t n) {
  auto x = bench::room<D>(n);
  NoiseKey key{1};
  bench::repeat<D>(s, [&] {
    fill_matrix(D{}, law, key, 1, n, x.data());
    ++key.step;
  });
  s.SetItemsProcessed(s.iterations() * n);
  s.SetBytesProcessed(s.iterations() * n * 4);
}

/// w ← w + scale z on rows x cols of T.
template <class D, class T>
void add_scaled(benchmark::State& s, Law law, std::int64_t rows, std::int64_t cols) {
  auto memory = Tensor<std::uint8_t, D>::zeros({rows * cols * std::int64_t(sizeof(T))});
  T* const w = reinterpret_cast<T*>(memory.data());
  NoiseTerm term{NoiseKey{1}, 1e-3, law};
  bench::repeat<D>(s, [&] {
    add_scaled_(D{}, w, rows, cols, std::span<const NoiseTerm>(&term, 1));
    ++term.key.step;
  });
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

const bench::Workloads workloads([](auto device) {
  using D = decltype(device);
  using bench::add;
  add("normal/1e8", fill<D>, Law::normal, 100'000'000);
  add("normal/1e5", fill<D>, Law::normal, 100'000);
  add("rademacher/1e8", fill<D>, Law::rademacher, 100'000'000);
  add("uniform/1e8", fill<D>, Law::uniform, 100'000'000);
  add("add_normal/1536x576", add_scaled<D, float>, Law::normal, 1536, 576);
  add("add_normal/1536x576/bf16", add_scaled<D, bfloat16>, Law::normal, 1536, 576);
  add("add_rademacher/1536x576", add_scaled<D, float>, Law::rademacher, 1536, 576);
  if constexpr (HostDevice<D>) {
    add("add_rademacher/1e6/f64", add_scaled<D, double>, Law::rademacher, 1, 1'000'000);
    add("tiles_normal/1536x576", tiles<Law::normal>, 1536, 576);
    add("tiles_rademacher/1536x576", tiles<Law::rademacher>, 1536, 576);
  }
});

}  // namespace
