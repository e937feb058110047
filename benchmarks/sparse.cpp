// Products with pruned weights on the CPU, beside the dense ones of the same sizes: linear layers and convolutions at
// several densities. "GFLOP/s" counts the operations that are done: of the dense products all.
#include "tenzo/core/noise.hpp"
#include "tenzo/ops/cpu/conv.hpp"
#include "tenzo/ops/cpu/matmul.hpp"
#include "tenzo/prune/sparse_conv.hpp"
#include "workloads.hpp"

namespace {

using namespace tenzo;
using bench::numbers, bench::room;

/// Uniform numbers of which about 1 − density are zero.
Tensor<float> pruned(std::int64_t n, double density) {
  Tensor<float> w = numbers<Cpu>(n, 2);
  const auto chance = numbers<Cpu>(n, 7);
  for (std::int64_t i = 0; i < n; ++i)
    if (double(chance(i)) * 0.5 + 0.5 >= density) w(i) = 0;
  return w;
}

struct Product {
  std::int64_t n, in, out;
  int percent;  // density
};

void linear(benchmark::State& s, Product p) {
  const auto x = numbers<Cpu>(p.n * p.in, 1), w = pruned(p.out * p.in, p.percent / 100.);
  const auto a = prune::CsrMatrix<float>::from(w.data(), p.out, p.in, p.in);
  auto y = room<Cpu>(p.n * p.out);
  const double seconds =
      bench::repeat<Cpu>(s, [&] { prune::multiply_transposed<float>(a, p.n, x.data(), nullptr, y.data()); });
  s.counters["GFLOP/s"] = 2e-9 * double(p.n) * double(a.count()) / seconds;
}

void linear_dense(benchmark::State& s, Product p) {
  const auto x = numbers<Cpu>(p.n * p.in, 1), w = numbers<Cpu>(p.out * p.in, 2);
  auto y = room<Cpu>(p.n * p.out);
  const double seconds = bench::repeat<Cpu>(
      s, [&] { affine<float>(Cpu{}, p.n, p.in, p.out, false, x.data(), w.data(), nullptr, y.data()); });
  s.counters["GFLOP/s"] = 2e-9 * double(p.n) * double(p.in) * double(p.out) / seconds;
}

struct Image {
  std::int64_t batch, in, size, out;
  int percent;
};

ConvGeometry geometry(const Image& i) {
  return conv_geometry({i.batch, i.in, i.size, i.size}, {i.out, i.in, 3, 3}, {.padding = {1, 1}});
}

void conv(benchmark::State& s, Image i) {
  const ConvGeometry g = geometry(i);
  const auto x = numbers<Cpu>(i.batch * i.in * g.in_plane(), 1), w = pruned(i.out * i.in * 9, i.percent / 100.);
  const auto a = prune::CsrMatrix<float>::from(w.data(), i.out, i.in * 9, i.in * 9);
  auto y = room<Cpu>(i.batch * i.out * g.out_plane());
  const double seconds = bench::repeat<Cpu>(s, [&] { prune::sparse_conv2d<float>(g, a, x.data(), nullptr, y.data()); });
  s.counters["GFLOP/s"] = 2e-9 * double(i.batch * g.out_plane()) * double(a.count()) / seconds;
}

void conv_dense(benchmark::State& s, Image i) {
  const ConvGeometry g = geometry(i);
  const auto x = numbers<Cpu>(i.batch * i.in * g.in_plane(), 1), w = numbers<Cpu>(i.out * i.in * 9, 2);
  auto y = room<Cpu>(i.batch * i.out * g.out_plane());
  const double seconds = bench::repeat<Cpu>(s, [&] { conv2d<float>(Cpu{}, g, x.data(), w.data(), nullptr, y.data()); });
  s.counters["GFLOP/s"] = 2e-9 * double(g.multiplications()) / seconds;
}

const bench::Workloads workloads([](auto device) {
  if constexpr (HostDevice<decltype(device)>) {
    for (const std::int64_t n : {1, 64, 256}) {
      const std::string size = cat(n, "x1024x1024");
      bench::add("sparse_linear/dense/" + size, linear_dense, Product{n, 1024, 1024, 100})
          ->Unit(benchmark::kMicrosecond);
      for (const int percent : {50, 20, 10, 5, 2})
        bench::add(cat("sparse_linear/", percent, "%/", size), linear, Product{n, 1024, 1024, percent})
            ->Unit(benchmark::kMicrosecond);
    }
    for (const Image i : {Image{8, 64, 32, 64, 100}, Image{8, 256, 8, 256, 100}}) {
      const std::string size = cat(i.batch, 'x', i.in, 'x', i.size, 'x', i.size);
      bench::add("sparse_conv/dense/" + size, conv_dense, i)->Unit(benchmark::kMicrosecond);
      for (const int percent : {50, 20, 10, 5, 2})
        bench::add(cat("sparse_conv/", percent, "%/", size), conv, Image{i.batch, i.in, i.size, i.out, percent})
            ->Unit(benchmark::kMicrosecond);
    }
  }
});

}  // namespace
