#include "fft.cuh"

#include "both.hpp"
#include "tenzo/ops/cpu/fft.hpp"
#include "tenzo/ops/cpu/real_fft.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

/// The stand-in rounds each number once; the CPU's error grows with log n. In eps beside the largest.
constexpr double tolerance = 8;

template <class T>
void check_fft(std::int64_t outer, std::int64_t n, std::int64_t inner, bool inverse, double scale, bool in_place) {
  CAPTURE(outer);
  CAPTURE(n);
  CAPTURE(inner);
  under_schedules([&] {
    const std::int64_t size = 2 * outer * n * inner;
    Both<T> x(normals<T>(size, 1), 2), y(size, 2);
    on_both([&](auto d) {
      fft(d, outer, n, inner, inverse, scale, static_cast<const T*>(x.at(d)), in_place ? x.at(d) : y.at(d));
    });
    CHECK((in_place ? x : y).error() <= tolerance);
  });
}

/// Both ways through half a spectrum, whose ends are not real; from memory that begins `shift` numbers further.
template <class T>
void check_real_fft(std::int64_t outer, std::int64_t n, std::int64_t inner, double scale, double inside, int shift) {
  CAPTURE(outer);
  CAPTURE(n);
  CAPTURE(inner);
  CAPTURE(inside);
  under_schedules([&] {
    const std::int64_t size = outer * n * inner, half = 2 * outer * (n / 2 + 1) * inner;
    Both<T> x(normals<T>(size, 1), shift), spectrum(half), y(normals<T>(half, 2)), back(size, shift);
    on_both([&](auto d) {
      rfft(d, outer, n, inner, scale, inside, static_cast<const T*>(x.at(d)), spectrum.at(d));
      irfft(d, outer, n, inner, scale, inside, static_cast<const T*>(y.at(d)), back.at(d));
    });
    CHECK(spectrum.error() <= tolerance);
    CHECK(back.error() <= tolerance);
    CHECK(y.same());
  });
}

}  // namespace

TEST_CASE_TEMPLATE("fft: any length, along rows and along columns", T, float, double) {
  for (const std::int64_t n : {1, 2, 3, 8, 11, 31, 32, 33, 64, 100})
    for (const bool inverse : {false, true}) {
      check_fft<T>(3, n, 1, inverse, 1, inverse);
      check_fft<T>(1, n, 5, inverse, 0.125, !inverse);
      check_fft<T>(1, n, 1, inverse, 1.0 / double(n), inverse);
    }
  check_fft<T>(0, 4, 3, false, 1, false);
  check_fft<T>(2, 0, 3, false, 1, false);
  check_fft<T>(2, 4, 0, false, 1, false);
  emulation::expect_clean();
}

TEST_CASE_TEMPLATE("fft: in the middle, by calls for either side and by way of lines", T, float, double) {
  struct Sizes {
    std::int64_t outer, inner;
  };
  for (const Sizes s : {Sizes{2, 3}, {3, 2}, {8, 9}, {9, 8}, {8, 8}, {9, 9}, {1000, 2}, {2, 300}, {33, 40}})
    for (const bool in_place : {false, true}) check_fft<T>(s.outer, 6, s.inner, in_place, 0.5, in_place);
  emulation::expect_clean();
}

TEST_CASE_TEMPLATE("fft2: images, also of one row or column", T, float, double) {
  struct Sizes {
    std::int64_t batch, rows, cols;
  };
  for (const Sizes s : {Sizes{1, 1, 1}, {2, 1, 7}, {2, 7, 1}, {3, 4, 6}, {1, 33, 20}, {5, 8, 8}, {0, 3, 3}, {2, 0, 3}})
    for (const bool inverse : {false, true}) {
      CAPTURE(s.rows);
      CAPTURE(s.cols);
      under_schedules([&] {
        const std::int64_t size = 2 * s.batch * s.rows * s.cols;
        Both<T> x(normals<T>(size, 1)), y(size);
        on_both(
            [&](auto d) { fft2(d, s.batch, s.rows, s.cols, inverse, 0.3, static_cast<const T*>(x.at(d)), y.at(d)); });
        CHECK(y.error() <= tolerance);
      });
    }
  emulation::expect_clean();
}

TEST_CASE_TEMPLATE("rfft, irfft: any length and weight, along rows, columns and in the middle", T, float, double) {
  for (const std::int64_t n : {1, 2, 3, 4, 8, 11, 32, 33})
    for (const double inside : {0.5, 1.0, 2.0}) {
      check_real_fft<T>(3, n, 1, 1, inside, 0);
      check_real_fft<T>(1, n, 5, 0.125, inside, 0);
      check_real_fft<T>(2, n, 3, 1.0 / double(n), inside, 1);
    }
  check_real_fft<T>(5, 7, 1, 1, 1, 1);  // not aligned to a complex number
  check_real_fft<T>(0, 4, 3, 1, 1, 0);
  check_real_fft<T>(2, 4, 0, 1, 1, 0);
  emulation::expect_clean();
}

TEST_CASE_TEMPLATE("rfft2, irfft2: images, also of one row or column", T, float, double) {
  struct Sizes {
    std::int64_t batch, rows, cols;
  };
  for (const Sizes s : {Sizes{1, 1, 1}, {2, 1, 7}, {2, 7, 1}, {3, 4, 6}, {1, 33, 9}, {5, 8, 8}, {0, 3, 3}, {2, 0, 3}}) {
    CAPTURE(s.rows);
    CAPTURE(s.cols);
    under_schedules([&] {
      const std::int64_t size = s.batch * s.rows * s.cols, half = 2 * s.batch * s.rows * (s.cols / 2 + 1);
      Both<T> x(normals<T>(size, 1)), spectrum(half), y(normals<T>(half, 2)), back(size);
      on_both([&](auto d) {
        rfft2(d, s.batch, s.rows, s.cols, 0.3, 1, static_cast<const T*>(x.at(d)), spectrum.at(d));
        irfft2(d, s.batch, s.rows, s.cols, 0.3, 2, static_cast<const T*>(y.at(d)), back.at(d));
      });
      CHECK(spectrum.error() <= tolerance);
      CHECK(back.error() <= tolerance);
    });
  }
  emulation::expect_clean();
}

TEST_CASE("fft: plans are kept, and not too many") {
  const cuda::DeviceArray<float> x(2 * 200);
  float* const p = x.data();
  cuda::set_bytes(p, 0, sizeof(float) * 2 * 200);
  const auto run = [&](std::int64_t n) { fft(Cuda{}, 1, n, 1, false, 1.0, static_cast<const float*>(p), p); };
  run(5);
  const std::size_t before = emulation::fft_plans().size();
  run(5);
  CHECK(emulation::fft_plans().size() == before);
  for (std::int64_t n = 2; n < 150; ++n) run(n);
  CHECK(emulation::fft_plans().size() <= 128);  // 64 of floats, and as many of the doubles before
  cuda::synchronize();
}

TEST_CASE("fft: what the library refuses is an error with the sizes") {
  const cuda::DeviceArray<float> x(10);
  CHECK_THROWS_WITH_AS(fft(Cuda{}, 2, 6, 1, false, 1.0, static_cast<const float*>(x.data()), x.data()),
                       "cufftExecC2C of 2 transforms of (1, 6), stride 1: CUFFT_INVALID_VALUE (4)", cuda::LibraryError);
  CHECK(emulation::last_refusal() == "cufftExecC2C: the numbers are not memory of the device");
}

TEST_CASE("cufft, the stand-in: refuses what the library refuses") {
  cufftHandle h = 0;
  REQUIRE(cufftCreate(&h) == CUFFT_SUCCESS);
  const cuda::DeviceArray<float> x(64);
  const cuda::DeviceArray<std::byte> area(512);
  auto* const p = reinterpret_cast<cufftComplex*>(x.data());
  CHECK(cufftExecC2C(h, p, p, CUFFT_FORWARD) == CUFFT_INVALID_PLAN);  // not made
  REQUIRE(cufftSetAutoAllocation(h, 0) == CUFFT_SUCCESS);
  std::size_t bytes = 0;
  long long n[] = {8}, none[] = {0};
  const auto make = [&](long long* of, long long* embed, long long stride, cufftType type, long long batch) {
    return cufftMakePlanMany64(h, 1, of, embed, stride, 8, embed, stride, 8, type, batch, &bytes);
  };
  CHECK(make(none, n, 1, CUFFT_C2C, 4) == CUFFT_INVALID_SIZE);
  CHECK(make(n, nullptr, 1, CUFFT_C2C, 4) == CUFFT_INVALID_VALUE);
  CHECK(make(n, n, 0, CUFFT_C2C, 4) == CUFFT_INVALID_VALUE);
  CHECK(make(n, n, 1, cufftType(1), 4) == CUFFT_INVALID_TYPE);
  CHECK(make(n, n, 1, CUFFT_C2C, 0) == CUFFT_INVALID_SIZE);
  REQUIRE(make(n, n, 1, CUFFT_C2C, 4) == CUFFT_SUCCESS);
  CHECK(make(n, n, 1, CUFFT_C2C, 4) == CUFFT_INVALID_PLAN);          // made already
  CHECK(cufftExecC2C(h, p, p, CUFFT_FORWARD) == CUFFT_EXEC_FAILED);  // no work area
  REQUIRE(cufftSetWorkArea(h, area.data()) == CUFFT_SUCCESS);
  CHECK(cufftExecC2C(h, p, p, 0) == CUFFT_INVALID_VALUE);
  CHECK(cufftExecC2C(h, p + 1, p, CUFFT_FORWARD) == CUFFT_INVALID_VALUE);  // reaches beyond
  CHECK(cufftExecZ2Z(h, reinterpret_cast<cufftDoubleComplex*>(p), reinterpret_cast<cufftDoubleComplex*>(p),
                     CUFFT_FORWARD) == CUFFT_INVALID_PLAN);
  CHECK(cufftExecC2C(h, p, p, CUFFT_FORWARD) == CUFFT_SUCCESS);
  CHECK(cufftDestroy(h) == CUFFT_SUCCESS);
  CHECK(cufftDestroy(h) == CUFFT_INVALID_PLAN);

  REQUIRE(cufftCreate(&h) == CUFFT_SUCCESS);
  CHECK(cufftMakePlanMany64(h, 2, n, n, 1, 8, n, 1, 5, CUFFT_R2C, 4, &bytes) == CUFFT_INVALID_VALUE);
  REQUIRE(cufftMakePlanMany64(h, 1, n, n, 1, 8, n, 1, 5, CUFFT_R2C, 4, &bytes) == CUFFT_SUCCESS);
  float* const reals = x.data();
  CHECK(cufftExecC2R(h, p, reals) == CUFFT_INVALID_PLAN);
  CHECK(cufftExecR2C(h, reals + 1, p) == CUFFT_INVALID_VALUE);   // not aligned
  CHECK(cufftExecR2C(h, reals, p + 13) == CUFFT_INVALID_VALUE);  // reaches beyond
  CHECK(cufftExecR2C(h, reals + 40, p) == CUFFT_INVALID_VALUE);
  CHECK(cufftDestroy(h) == CUFFT_SUCCESS);
}
