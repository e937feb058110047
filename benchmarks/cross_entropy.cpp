// Cross entropy over a language model's vocabulary: one pass over 100 MB of logits, so memory is the bound.
#include "tenzo/ops/cpu/cross_entropy.hpp"

#include "workloads.hpp"

namespace {

using namespace tenzo;

constexpr std::int64_t rows = 512, classes = 49152;

template <class D>
struct Logits {
  Tensor<float, D> x = bench::numbers<D>(rows * classes, 1, 4), loss = bench::room<D>(rows), lse = bench::room<D>(rows);
  Tensor<std::int64_t, D> labels;

  Logits() {
    Tensor<std::int64_t> y(Shape{rows});
    for (std::int64_t r = 0; r < rows; ++r) y(r) = r * 7919 % classes;
    labels = y.to<D>();
  }
  void forward() { cross_entropy(D{}, rows, classes, x.data(), labels.data(), {}, loss.data(), lse.data()); }
};

template <class D>
void forward(benchmark::State& s) {
  Logits<D> in;
  bench::repeat<D>(s, [&] { in.forward(); });
  s.SetBytesProcessed(s.iterations() * rows * classes * std::int64_t(sizeof(float)));
}

template <class D>
void backward(benchmark::State& s) {
  Logits<D> in;
  in.forward();
  auto gx = bench::room<D>(rows * classes);
  const auto g = Tensor<float, D>::scalar(1.f / rows);
  bench::repeat<D>(s, [&] {
    cross_entropy_backward(D{}, rows, classes, in.x.data(), in.labels.data(), {}, in.lse.data(), g.data(), 0,
                           gx.data());
  });
  s.SetBytesProcessed(s.iterations() * 2 * rows * classes * std::int64_t(sizeof(float)));
}

const bench::Workloads workloads([](auto device) {
  using D = decltype(device);
  bench::add("cross_entropy/512x49152", forward<D>);
  bench::add("cross_entropy_backward/512x49152", backward<D>);
});

}  // namespace
