// Dense products. The limit on a CPU is 64 float operations a cycle and core with two AVX-512 units, 32 with AVX2; for
// few rows it is the bandwidth at which B arrives.
#include "tenzo/core/gemm_rows.hpp"
#include "tenzo/core/noise.hpp"
#include "tenzo/ops/cpu/matmul.hpp"
#include "workloads.hpp"

namespace {

using namespace tenzo;
using bench::numbers, bench::room;

struct Sizes {
  std::int64_t m, n, k;
};

/// Runs f and reports wall-clock rates; UseRealTime would do so too, but adds to the name.
template <class D, class F>
void run(benchmark::State& s, Sizes z, double products, F&& f) {
  f();
  const double seconds = bench::repeat<D>(s, f);
  s.counters["GFLOP/s"] = 2e-9 * products * double(z.m) * double(z.n) * double(z.k) / seconds;
  s.counters["GB/s of B"] = 4e-9 * double(z.n) * double(z.k) / seconds;
}

/// x wᵀ: a linear layer.
template <class D>
void forward(benchmark::State& s, Sizes z) {
  const auto x = numbers<D>(z.m * z.k, 1), w = numbers<D>(z.n * z.k, 2);
  auto y = room<D>(z.m * z.n);
  run<D>(s, z, 1, [&] { affine<float>(D{}, z.m, z.k, z.n, false, x.data(), w.data(), nullptr, y.data()); });
}

/// gᵀ x: the gradient of its weights, m and n being theirs.
template <class D>
void weight_gradient(benchmark::State& s, Sizes z) {
  const MatMulShape shape({z.k, z.m}, {z.k, z.n}, true, false);
  const auto g = numbers<D>(z.m * z.k, 1), x = numbers<D>(z.n * z.k, 2);
  auto dw = room<D>(z.m * z.n);
  run<D>(s, z, 1, [&] { matmul<float>(D{}, shape, g.data(), x.data(), dw.data()); });
}

/// One side of a probe.
template <class D>
struct Side {
  Tensor<float, D> x, y;
  float eps;
};

template <Law::Kind kind>
void product_pair(Sizes z, const Tensor<float>& w, const NoiseKey& key, Side<Cpu>& up, Side<Cpu>& down) {
  const auto side = [&](Side<Cpu>& p) {
    return ProbeSide{MatrixView<const float>::row_major(std::as_const(p.x).data(), z.m, z.k), p.eps,
                     MatrixView<float>::row_major(p.y.data(), z.m, z.n)};
  };
  gemm_pair(StoredRows(w.data(), z.n, z.k), Noise<kind>(key, z.n, z.k), side(up), side(down));
}
#ifdef TENZO_CUDA
template <Law::Kind kind>
void product_pair(Sizes z, const Tensor<float, Cuda>& w, const NoiseKey& key, Side<Cuda>& up, Side<Cuda>& down) {
  const cuda::DirectionTerm u{.key = key, .law = kind, .factor = {up.eps, down.eps}};
  const cuda::AffineSide sides[] = {{up.x.data(), nullptr, up.y.data()}, {down.x.data(), nullptr, down.y.data()}};
  cuda::affine_perturbed(Cuda{}, z.m, {DType::f32, w.data(), z.n, z.k}, std::span(&u, 1), sides);
}
#endif

/// Both sides of a probe, to be compared with two products of `forward`.
template <class D, Law::Kind kind>
void pair(benchmark::State& s, Sizes z) {
  Side<D> up{numbers<D>(z.m * z.k, 1), room<D>(z.m * z.n), 1e-3f};
  Side<D> down{numbers<D>(z.m * z.k, 3), room<D>(z.m * z.n), -1e-3f};
  const auto w = numbers<D>(z.n * z.k, 2);
  NoiseKey key{1};
  run<D>(s, z, 2, [&] {
    product_pair<kind>(z, w, key, up, down);
    ++key.step;
  });
}

const bench::Workloads workloads([](auto device) {
  using D = decltype(device);
  const auto add = [](const std::string& name, void (*f)(benchmark::State&, Sizes), std::initializer_list<Sizes> all) {
    for (const Sizes z : all) bench::add(name + cat(z.m, 'x', z.n, 'x', z.k), f, z)->Unit(benchmark::kMicrosecond);
  };
  add("gemm/", forward<D>,
      {{2048, 2048, 2048},
       {512, 1536, 576},
       {512, 576, 1536},
       {512, 192, 576},
       {64, 256, 784},
       {64, 10, 256},
       {32, 64, 4},
       {1, 1536, 576},
       {1, 49152, 576}});
  add("gemm_weight_gradient/", weight_gradient<D>, {{256, 784, 64}, {1536, 576, 512}});
  add("gemm_pair_normal/", pair<D, Law::normal>, {{512, 1536, 576}, {64, 1536, 576}});
  add("gemm_pair_rademacher/", pair<D, Law::rademacher>, {{512, 1536, 576}, {64, 1536, 576}});
});

}  // namespace
