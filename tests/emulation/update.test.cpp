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

TEST_CASE_TEMPLATE("sums: inner products and squares, huge and tiny numbers too", T, float, double) {
  for (const std::int64_t n : {0, 1, 33, 4096, 4097, 9000}) {
    CAPTURE(n);
    const Tensor<T> a = numbers<T>(n, 1), b = numbers<T>(n, 2);
    double size = 0;
    for (std::int64_t i = 0; i < n; ++i) size += std::abs(double(std::as_const(a)(i)) * double(std::as_const(b)(i)));
    const double error = 30 * double(std::numeric_limits<T>::epsilon());
    CHECK(std::abs(dot(a.template to<Cuda>(), b.template to<Cuda>()).item() - dot(a, b).item()) <= error * size);
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
