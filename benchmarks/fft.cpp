// Unitary Fourier transforms of a stack of images: 64 of 320 x 320 complex floats, read once and written once.
#include "tenzo/ops/cpu/fft.hpp"

#include "workloads.hpp"

namespace {

using namespace tenzo;

constexpr std::int64_t batch = 64, size = 320;

template <class D>
void images(benchmark::State& s) {
  const auto x = bench::numbers<D>(2 * batch * size * size);
  auto y = bench::room<D>(x.size());
  bench::repeat<D>(s, [&] { fft2(D{}, batch, size, size, false, 1.0 / double(size), x.data(), y.data()); });
  s.SetBytesProcessed(s.iterations() * 2 * x.size() * std::int64_t(sizeof(float)));
  s.counters["flop/s"] = benchmark::Counter(5.0 * double(batch * size * size) * 16.64 * double(s.iterations()),
                                            benchmark::Counter::kIsRate);  // 5 N log₂ N, the field's count
}

const bench::Workloads workloads([](auto device) {
  bench::add("fft2/64x320x320", images<decltype(device)>)->UseRealTime();
});

}  // namespace
