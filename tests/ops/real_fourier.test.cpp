// Transforms of real numbers against the definition, against those of complex numbers, and against each other.
#include "fourier_values.hpp"
#include "tenzo/core/parallel.hpp"
#include "tenzo/ops/concat.hpp"
#include "tenzo/ops/fourier.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

/// x with imaginary parts of zero.
Doubles as_complex_numbers(const Doubles& x) { return stack<Doubles>({x, Doubles::zeros(x.shape())}, -1); }

/// Half the spectrum along the middle axis of real (outer, n, inner).
Doubles half_by_definition(const Doubles& x) {
  return slice(by_definition(as_complex_numbers(x), false), 1, 0, x.dim(1) / 2 + 1);
}

/// The real numbers of half a spectrum (outer, n / 2 + 1, inner, 2): what is not there is conjugate to what is, and
/// what is conjugate to itself has no imaginary part.
Doubles real_by_definition(const Doubles& z, std::int64_t n) {
  const Doubles whole = made({z.dim(0), n, z.dim(2), 2}, [&](const Index& i) {
    const std::int64_t k = i[1], mirror = (n - k) % n;
    const double v = at(z, {i[0], std::min(k, mirror), i[2], i[3]});
    return i[3] == 0 ? v : k == mirror ? 0 : k < mirror ? v : -v;
  });
  return complex_real(by_definition(whole, true));
}

void check_length(std::int64_t n, const Shape& around) {  // around: outer, inner
  CAPTURE(n);
  CAPTURE(around);
  const Doubles x = arbitrary({around[0], n, around[1]}, std::uint64_t(n));
  const Doubles z = arbitrary({around[0], n / 2 + 1, around[1], 2}, std::uint64_t(n) + 1);
  const Doubles spectrum = half_by_definition(x), numbers = real_by_definition(z, n);
  // As of the complex transform, and a step more for even n.
  CHECK(distance(rfft(x, 1), spectrum) <= 5e-15 * largest(spectrum));
  CHECK(distance(rfft(x.cast<float>(), 1), spectrum) <= 2.5e-6 * largest(spectrum));
  CHECK(distance(irfft(z, n, 1, FftNorm::forward), numbers) <= 5e-15 * largest(numbers));
  CHECK(distance(irfft(z.cast<float>(), n, 1, FftNorm::forward), numbers) <= 2.5e-6 * largest(numbers));
}

}  // namespace

TEST_CASE("rfft, irfft: all lengths from 1 to 64, twice primes and primes, lengths of use") {
  for (std::int64_t n = 1; n <= 64; ++n) check_length(n, {2, 3});
  for (const std::int64_t n : {67, 94, 97, 101, 127, 211, 243, 254, 256, 320, 343, 360}) check_length(n, {1, 2});
}

TEST_CASE("rfft, irfft: lines side by side, one after another, and scattered, whole vectors and parts") {
  for (const std::int64_t n : {1, 2, 3, 4, 5, 6, 7, 8, 11, 22})
    for (const Shape& around : {Shape{1, 1}, Shape{16, 1}, Shape{33, 1}, Shape{1, 16}, Shape{2, 17}, Shape{1, 40},
                                Shape{5, 7}, Shape{3, 15}, Shape{0, 3}, Shape{2, 0}, Shape{2, 8}})
      check_length(n, around);
}

TEST_CASE("rfft: half of what fft makes of the same numbers") {
  for (const std::int64_t n : {1, 2, 9, 10, 13, 26}) {
    const Doubles x = arbitrary({3, 4, n, 5});
    const std::int64_t half = n / 2 + 1;
    const Doubles whole = as_complex_numbers(x);
    for (const FftNorm norm : {FftNorm::backward, FftNorm::ortho, FftNorm::forward}) {
      const auto check = [&](const Doubles& got, const Doubles& want, int halved) {
        CHECK(distance(got, slice(want, halved, 0, got.dim(halved))) < 1e-13 * std::max(1.0, largest(want)));
      };
      check(rfft(x, 2, norm), fft(whole, 2, norm), 2);
      check(rfft(x, {0, 2}, norm), fft(whole, {0, 2}, norm), 2);
      check(rfft(x, {3, 0, 2}, norm), fft(whole, {0, 2, 3}, norm), 2);
      check(rfft2(x, {-2, -1}, norm), fft2(whole, {-2, -1}, norm), 3);
      check(rfft2(x, {-1, -2}, norm), fft2(whole, {-2, -1}, norm), 2);
    }
    const Doubles y = rfft(x, 2);  // numbers alone in the spectrum are real
    CHECK(y.shape() == Shape{3, 4, half, 5, 2});
    CHECK(norm(complex_imag(slice(y, 2, 0, 1))) == 0);
    if (n % 2 == 0) CHECK(norm(complex_imag(slice(y, 2, n / 2, half))) == 0);
  }
}

TEST_CASE("irfft: the way back, for any axes and norm; what has no part in a real tensor is not read") {
  for (const std::int64_t n : {1, 2, 7, 8, 11, 22}) {
    const Doubles x = arbitrary({2, 3, 4, n}), y = permute(x, {0, 3, 1, 2});
    for (const FftNorm norm : {FftNorm::backward, FftNorm::ortho, FftNorm::forward}) {
      CHECK(distance(irfft(rfft(x, -1, norm), n, -1, norm), x) < 1e-14);
      CHECK(distance(irfft2(rfft2(x, {-2, -1}, norm), n, {-2, -1}, norm), x) < 1e-14);
      CHECK(distance(irfft(rfft(y, {3, 0, 1}, norm), n, {3, 0, 1}, norm), y) < 1e-14);
      CHECK(distance(irfft2(rfft2(y, {-1, 1}, norm), n, {-1, 1}, norm), y) < 1e-14);
    }
    if (n % 2 == 0) CHECK(same(irfft2(rfft2(x)), irfft2(rfft2(x), n)));
    // of what is no spectrum of real numbers: by columns first, then by rows
    const Doubles z = arbitrary({2, 3, 4, n / 2 + 1, 2}, 2);
    CHECK(distance(irfft2(z, n), irfft(ifft(z, 2), n)) < 1e-14);
    Doubles left_open = z;
    const std::int64_t half = n / 2 + 1;
    for (std::int64_t i = 0; i < z.size() / (2 * half); ++i) {
      left_open(i * 2 * half + 1) = NAN;
      if (n % 2 == 0) left_open(i * 2 * half + n + 1) = INFINITY;
    }
    CHECK(same(irfft(left_open, n), irfft(z, n)));
  }
}

TEST_CASE("rfft2, irfft2: the same bits on one thread and two, in one image and many, on every machine") {
  const Tensor<float> x = arbitrary<float>({3, 24, 44}, 5), odd = arbitrary<float>({3, 24, 33}, 6);
  const int before = threads();
  std::vector<Tensor<float>> spectra, images, of_odd;
  for (const int n : {1, 2, 8}) {
    set_threads(n);
    spectra.push_back(rfft2(x, {-2, -1}, FftNorm::ortho));
    images.push_back(irfft2(spectra[0], {}, {-2, -1}, FftNorm::backward));
    of_odd.push_back(irfft2(rfft2(odd), 33));
  }
  set_threads(before);
  for (const auto* runs : {&spectra, &images, &of_odd}) {
    CHECK(same((*runs)[0], (*runs)[1]));
    CHECK(same((*runs)[0], (*runs)[2]));
  }
  CHECK(same(rfft2(x.rows(1, 2), {-2, -1}, FftNorm::ortho), spectra[0].rows(1, 2)));
  CHECK(same(irfft2(spectra[0].rows(1, 2)), images[0].rows(1, 2)));
  CHECK(hash_of(spectra[0]) == 17536593207332648413u);
  CHECK(hash_of(images[0]) == 17792973958132576114u);
  CHECK(hash_of(of_odd[0]) == 14505094580511280040u);
}

TEST_CASE("rfft, irfft: empty tensors keep their shapes, and what can not be is said") {
  CHECK(rfft(Doubles(Shape{0, 6})).shape() == Shape{0, 4, 2});
  CHECK(irfft(Doubles(Shape{0, 4, 2}), 7).shape() == Shape{0, 7});
  CHECK(rfft2(Doubles(Shape{0, 3, 6})).shape() == Shape{0, 3, 4, 2});
  CHECK(rfft2(Doubles(Shape{2, 0, 6})).shape() == Shape{2, 0, 4, 2});
  CHECK(irfft2(Doubles(Shape{2, 0, 4, 2})).shape() == Shape{2, 0, 6});
  CHECK(rfft(Doubles(Shape{2, 6, 0}), {2, 1}).shape() == Shape{2, 4, 0, 2});
  CHECK_THROWS_WITH_AS(rfft(Doubles(Shape{2, 0})), "rfft: axis 1 of (2, 0) is empty", ShapeError);
  CHECK_THROWS_WITH_AS(irfft(arbitrary({3, 4})), "irfft: (3, 4); want a last axis of two", ShapeError);
  CHECK_THROWS_WITH_AS(irfft(arbitrary({3, 4, 2}), 8), "irfft: 4 numbers on axis 1 of (3, 4) are no half spectrum of 8",
                       ShapeError);
  CHECK_THROWS_AS(irfft(arbitrary({3, 1, 2})), ShapeError);  // of none or of one
  CHECK(same(irfft(arbitrary({3, 1, 2}), 1), complex_real(arbitrary({3, 1, 2}))));
  CHECK_THROWS_AS(rfft(arbitrary({3, 4}), Axes{}), ShapeError);
  CHECK_THROWS_AS(rfft(arbitrary({3, 4}), 2), ShapeError);
  CHECK_THROWS_AS(irfft(arbitrary({3, 4, 2}), 6, {1, 1}), ShapeError);
}

TEST_CASE("rfft, irfft: <A x, y> is <x, A' y> to rounding, for every length") {
  const auto check = [](const auto& f, const Doubles& x, std::uint64_t seed) {
    const Doubles y = f(x), c = arbitrary(y.shape(), seed);
    CHECK(std::abs(inner(y, c) - inner(x, vjp(f, x, c).grad)) <= 1e-14 * norm(y) * norm(c));
  };
  for (std::int64_t n = 1; n <= 23; ++n) {
    CAPTURE(n);
    for (const FftNorm by : {FftNorm::backward, FftNorm::ortho, FftNorm::forward}) {
      check([&](const auto& x) { return rfft(x, 1, by); }, arbitrary({2, n, 3}), 2);
      check([&](const auto& x) { return rfft2(x, {-2, -1}, by); }, arbitrary({2, 3, n}), 3);
      check([&](const auto& x) { return rfft(x, {2, 1}, by); }, arbitrary({2, n, 3}), 4);
      check([&](const auto& z) { return irfft(z, n, 1, by); }, arbitrary({2, n / 2 + 1, 3, 2}), 5);
      check([&](const auto& z) { return irfft2(z, n, {-2, -1}, by); }, arbitrary({2, 3, n / 2 + 1, 2}), 6);
      check([&](const auto& z) { return irfft(z, n, {2, 1}, by); }, arbitrary({2, n / 2 + 1, 3, 2}), 7);
    }
  }
}

TEST_CASE("transforms of real numbers differentiate in every mode") {
  const auto power = [](const auto& z) { return complex_conj_mul(z, z); };
  for (const std::int64_t n : {1, 2, 5, 6})
    check_modes([&](const auto& x) { return irfft(power(rfft(x, -1, FftNorm::ortho)), n); }, arbitrary({2, n}));
  check_modes(
      [&](const auto& z) {
        return rfft2(square(irfft2(z, 5, {-2, -1}, FftNorm::forward)));
      },
      arbitrary({2, 3, 3, 2}));
  check_modes([&](const auto& x) { return square(irfft(power(rfft(x, {0, 1})), 4, {0, 1})); }, arbitrary({3, 4, 2}));
}
