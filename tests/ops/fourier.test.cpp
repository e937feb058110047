// Fourier transforms against the definition in long double; complex numbers as pairs.
#include "tenzo/ops/fourier.hpp"

#include "fourier_values.hpp"
#include "tenzo/core/parallel.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

void check_length(std::int64_t n, const Shape& around) {  // around: outer, inner
  const Doubles x = arbitrary({around[0], n, around[1], 2}, std::uint64_t(n));
  for (const bool inverse : {false, true}) {
    const Doubles want = by_definition(x, inverse);
    const auto transform = [&](const auto& v) {
      return inverse ? ifft(v, 1, FftNorm::forward) : fft(v, 1, FftNorm::backward);
    };
    CAPTURE(n);
    // A pass adds about one rounding; the way round through Bluestein three transforms of some 2 n.
    CHECK(distance(transform(x), want) <= 4e-15 * largest(want));
    CHECK(distance(transform(x.cast<float>()), want) <= 2e-6 * largest(want));
  }
}

}  // namespace

TEST_CASE("fft: all lengths from 1 to 64, primes, and lengths of use") {
  for (std::int64_t n = 1; n <= 64; ++n) check_length(n, {2, 3});
  for (const std::int64_t n : {67, 97, 101, 127, 131, 211, 243, 256, 320, 343, 360}) check_length(n, {1, 2});
}

TEST_CASE("fft: lines side by side, one after another, and scattered, whole vectors and parts") {
  for (const std::int64_t n : {1, 5, 8, 11, 12})
    for (const Shape& around : {Shape{1, 1}, Shape{16, 1}, Shape{33, 1}, Shape{1, 16}, Shape{2, 17}, Shape{1, 40},
                                Shape{5, 7}, Shape{3, 15}, Shape{0, 3}, Shape{2, 8}})
      check_length(n, around);
}

TEST_CASE("fft: any axes, norms, and the way back") {
  const Doubles x = arbitrary({3, 4, 5, 6, 2});
  const Doubles last = fft(fft(x, 3), 2);
  CHECK(distance(fft2(x), last) < 1e-13);
  CHECK(distance(fft(x, {0, 2, -1}), fft(fft2(x), 0)) < 1e-12);
  CHECK(distance(fft2(x, {0, 1}), fft(fft(x, 1), 0)) < 1e-13);
  CHECK(distance(fft2(x, {-2, -1}, FftNorm::ortho), scale(last, 1 / std::sqrt(30.0))) < 1e-14);
  CHECK(distance(fft2(x, {-2, -1}, FftNorm::forward), scale(last, 1 / 30.0)) < 1e-14);
  for (const FftNorm norm : {FftNorm::backward, FftNorm::ortho, FftNorm::forward})
    CHECK(distance(ifft2(fft2(x, {1, 3}, norm), {1, 3}, norm), x) < 1e-14);
  CHECK(norm(fft(x, {0, 1, 2, 3}, FftNorm::ortho)) == doctest::Approx(norm(x)).epsilon(1e-13));
  CHECK(same(fft(x, Axes{}), x));
  CHECK_THROWS_WITH_AS(fft(arbitrary({3, 4})), "fft: (3, 4); want a last axis of two", ShapeError);
  CHECK_THROWS_AS(fft(x, 4), ShapeError);
}

TEST_CASE("fft2: the same bits on one thread and two, in one image and many, on every machine") {
  const Tensor<float> x = arbitrary<float>({3, 24, 44, 2}, 5);
  const int before = threads();
  std::vector<Tensor<float>> runs;
  for (const int n : {1, 2, 8}) {
    set_threads(n);
    runs.push_back(fft2(x, {-2, -1}, FftNorm::ortho));
  }
  set_threads(before);
  CHECK(same(runs[0], runs[1]));
  CHECK(same(runs[0], runs[2]));
  CHECK(same(fft2(x.rows(1, 2), {-2, -1}, FftNorm::ortho), runs[0].rows(1, 2)));
  CHECK(hash_of(runs[0]) == 13414961766203646816u);
}

TEST_CASE("complex numbers: views share the memory both ways") {
  Tensor<std::complex<double>> z(Shape{2, 3});
  for (std::int64_t i = 0; i < 6; ++i) z(i) = {double(i), -double(i)};
  const Doubles pairs = as_real(z);
  CHECK(pairs.shape() == Shape{2, 3, 2});
  CHECK(static_cast<const void*>(pairs.data()) == static_cast<const void*>(std::as_const(z).data()));
  const auto back = as_complex(pairs);
  CHECK(back.data() == std::as_const(z).data());
  CHECK(back(1, 2) == std::complex<double>(5, -5));
  CHECK_THROWS_AS(as_complex(arbitrary({2, 3})), ShapeError);
}

TEST_CASE("complex arithmetic by definition, with broadcasting") {
  const Doubles a = arbitrary({3, 1, 2}, 1), b = arbitrary({4, 2}, 2);
  const auto za = as_complex(a), zb = as_complex(b), product = as_complex(complex_mul(a, b)),
             conj_product = as_complex(complex_conj_mul(a, b));
  CHECK(product.shape() == Shape{3, 4});
  CHECK(std::abs(product(2, 1) - za(2) * zb(1)) < 1e-15);
  CHECK(std::abs(conj_product(2, 1) - std::conj(za(2)) * zb(1)) < 1e-15);
  CHECK(complex_abs(b)(3) == doctest::Approx(std::abs(zb(3))).epsilon(1e-15));
  CHECK(complex_abs(Doubles::from({2}, {3e200, 4e200})).item() == doctest::Approx(5e200));
  CHECK(complex_real(b)(2) == zb(2).real());
  CHECK(complex_imag(complex_conj(b))(2) == -zb(2).imag());
  CHECK(norm(grad([](const auto& z) { return sum(complex_abs(z)); }, Doubles::zeros({2, 2}))) == 0);
}

TEST_CASE("Fourier transforms and complex arithmetic differentiate in every mode") {
  const auto f = [](const auto& x) {
    const auto z = fft2(x.first, {-2, -1}, FftNorm::ortho);
    return mul(complex_abs(ifft(complex_mul(z, x.second), -2)), complex_abs(complex_conj_mul(x.second, z)));
  };
  check_modes(f, std::pair{arbitrary({2, 3, 4, 2}), arbitrary({4, 2}, 2)});
  check_modes(
      [](const auto& x) {
        return square(fft(complex_conj(x), {0, 1}, FftNorm::forward));
      },
      arbitrary({3, 11, 2}));
  check_modes([](const auto& x) { return mul(complex_real(x), complex_imag(complex_mul(x, x))); }, arbitrary({3, 2}));
}
