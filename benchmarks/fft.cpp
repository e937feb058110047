// Unitary Fourier transforms of a stack of images, 64 of 320 x 320 floats: complex ones, and real ones to half a
// spectrum and back. Read once and written once.
#include "tenzo/ops/cpu/fft.hpp"

#include "tenzo/ops/cpu/real_fft.hpp"
#include "workloads.hpp"

namespace {

using namespace tenzo;

constexpr std::int64_t batch = 64, size = 320;
constexpr double scale = 1.0 / double(size);

/// transform(x, y) of `read` numbers to `written` ones, which is `part` of the complex one's work.
template <class D, class F>
void images(benchmark::State& s, std::int64_t read, std::int64_t written, double part, F&& transform) {
  const auto x = bench::numbers<D>(read);
  auto y = bench::room<D>(written);
  bench::repeat<D>(s, [&] { transform(x.data(), y.data()); });
  s.SetBytesProcessed(s.iterations() * (read + written) * std::int64_t(sizeof(float)));
  s.counters["flop/s"] = benchmark::Counter(5.0 * double(batch * size * size) * 16.64 * part * double(s.iterations()),
                                            benchmark::Counter::kIsRate);  // 5 N log₂ N, the field's count
}

constexpr std::int64_t reals = batch * size * size, half = 2 * batch * size * (size / 2 + 1);

template <class D>
void complex_images(benchmark::State& s) {
  images<D>(s, 2 * reals, 2 * reals, 1,
            [](const float* x, float* y) { fft2(D{}, batch, size, size, false, scale, x, y); });
}
template <class D>
void real_images(benchmark::State& s) {
  images<D>(s, reals, half, 0.5, [](const float* x, float* y) { rfft2(D{}, batch, size, size, scale, 1, x, y); });
}
template <class D>
void half_spectra(benchmark::State& s) {
  images<D>(s, half, reals, 0.5, [](const float* y, float* x) { irfft2(D{}, batch, size, size, scale, 2, y, x); });
}

const bench::Workloads workloads([](auto device) {
  using D = decltype(device);
  bench::add("fft2/64x320x320", complex_images<D>)->UseRealTime();
  bench::add("rfft2/64x320x320", real_images<D>)->UseRealTime();
  bench::add("irfft2/64x320x320", half_spectra<D>)->UseRealTime();
});

}  // namespace
