#include "update.cuh"

#include "compare.hpp"
#include "index.cuh"
#include "loops.cuh"
#include "tenzo/cuda.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

template <class T>
Tensor<T> numbers(std::int64_t n, std::uint64_t seed) {
  return Tensor<T>::from(Shape{n}, normals<T>(n, seed));
}
template <class T>
bool same(const Tensor<T, Cuda>& there, const Tensor<T>& here) {
  const Tensor<T> t = there.template to<Cpu>();
  return t.shape() == here.shape() && std::memcmp(t.data(), here.data(), std::size_t(t.size()) * sizeof(T)) == 0;
}

/// Three steps of an optimizer on both devices: the same bits.
template <class T, class Optimizer>
bool agrees(const Optimizer& o, std::int64_t n) {
  Tensor<T> here = numbers<T>(n, 1);
  Tensor<T, Cuda> there = here.template to<Cuda>();
  typename Optimizer::template State<Tensor<T>> state_here;
  typename Optimizer::template State<Tensor<T, Cuda>> state_there;
  for (std::uint64_t t = 0; t < 3; ++t) {
    const Tensor<T> g = numbers<T>(n, 2 + t);
    o.step(state_here, here, g);
    o.step(state_there, there, g.template to<Cuda>());
  }
  return same(there, here);
}

}  // namespace

TEST_CASE_TEMPLATE("optimizers: the CPU's bits after three steps", T, float, double) {
  for (const std::int64_t n : {1, 31, 255, 257, 5000})
    emulation::for_all_schedules([&](const auto& schedule) {
      CAPTURE(n);
      CAPTURE(schedule);
      CHECK(agrees<T>(Sgd{.lr = 0.1, .weight_decay = 0.01}, n));
      CHECK(agrees<T>(Sgd{.lr = 0.1, .momentum = 0.9}, n));
      CHECK(agrees<T>(Sgd{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true}, n));
      CHECK(agrees<T>(SignSgd{.lr = 0.1}, n));
      CHECK(agrees<T>(Adam{.lr = 0.1, .weight_decay = 0.01}, n));
      CHECK(agrees<T>(Adam{.lr = 0.1, .amsgrad = true}, n));
    });
  emulation::expect_clean();
}

TEST_CASE_TEMPLATE("optimizers: memory that is not aligned", T, float, double) {
  for (const std::int64_t n : {0, 1, 3, 4, 5, 257})
    for (const int shift : {1, 2}) {
      CAPTURE(n);
      const AdamUpdate<T> adam{T(0.9), T(0.1), T(0.99), T(0.01), T(0.1), T(0.5), T(1e-8), T(0.01)};
      const MomentumUpdate<T> momentum{T(0.1), T(0.9), T(0.01), true};
      const std::vector<T> g = normals<T>(n + shift, 1);
      std::vector<T> m = normals<T>(n + shift, 2), v = normals<T>(n + shift, 3), w = normals<T>(n + shift, 4);
      for (T& x : v) x = x * x;
      std::vector<T> top = v;
      const cuda::DeviceArray<T> on_g{std::span<const T>(g)}, on_m{std::span<const T>(m)}, on_v{std::span<const T>(v)},
          on_top{std::span<const T>(top)}, on_w{std::span<const T>(w)};
      cpu::adam_update(Cpu{}, n, adam, g.data() + shift, m.data() + shift, v.data() + shift, top.data() + shift,
                       w.data() + shift);
      cpu::momentum_update(Cpu{}, n, momentum, g.data() + shift, m.data() + shift, w.data() + shift);
      cuda::adam_update(Cuda{}, n, adam, on_g.data() + shift, on_m.data() + shift, on_v.data() + shift,
                        on_top.data() + shift, on_w.data() + shift);
      cuda::momentum_update(Cuda{}, n, momentum, on_g.data() + shift, on_m.data() + shift, on_w.data() + shift);
      CHECK(same_bits(on_m.to_host(), m));
      CHECK(same_bits(on_v.to_host(), v));
      CHECK(same_bits(on_top.to_host(), top));
      CHECK(same_bits(on_w.to_host(), w));
    }
  emulation::expect_clean();
}

TEST_CASE("optimizers: what a step of Adam moves") {
  const std::int64_t n = 1024;
  const cuda::DeviceArray<float> g(n), m(n), v(n), w(n);
  const auto t = emulation::traffic_of([&] {
    cuda::adam_update(Cuda{}, n, AdamUpdate<float>{}, g.data(), m.data(), v.data(), static_cast<float*>(nullptr),
                      w.data());
  });
  CHECK(t.loads[4] * 16 == std::uint64_t(n * 4 * 4));
  CHECK(t.stores[4] * 16 == std::uint64_t(n * 3 * 4));
}

TEST_CASE_TEMPLATE("sums: inner products and squares, huge and tiny numbers too", T, float, double) {
  for (const std::int64_t n : {0, 1, 33, 4096, 4097, 9000}) {
    CAPTURE(n);
    const Tensor<T> a = numbers<T>(n, 1), b = numbers<T>(n, 2);
    const Tensor<T, Cuda> there_a = a.template to<Cuda>(), there_b = b.template to<Cuda>();
    emulation::for_all_schedules([&](const auto& schedule) {
      CAPTURE(schedule);
      CHECK(cuda::dot_elements(Cuda{}, n, there_a.data(), there_b.data()) ==
            cpu::dot_elements(Cpu{}, n, std::as_const(a).data(), std::as_const(b).data()));
    });
    const double error = 30 * double(std::numeric_limits<T>::epsilon());
    for (const double scale : {1.0, 1e-30, 1e30}) {
      CAPTURE(scale);
      const Tensor<T> x = tenzo::scale(a, scale);
      const Tensor<T, Cuda> there = x.template to<Cuda>();
      const double want = cpu::squares_of(Cpu{}, n, x.data());
      CHECK(std::abs(cuda::squares_of(Cuda{}, n, there.data()) - want) <= error * want);
    }
  }
  emulation::expect_clean();
}
