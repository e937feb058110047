// Measured slices as problems of reconstruction.
#include "tenzo/mri/scan_slice.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "mri.hpp"
#include "tenzo/mri/encoding.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

double farthest(const Tensor<float>& a, const Tensor<float>& b) {
  REQUIRE(a.shape() == b.shape());
  double most = 0;
  for (std::int64_t i = 0; i < a.size(); ++i)
    if (const double d = std::abs(double(a(i)) - double(b(i))); !(d <= most)) most = d;  // NaN is taken
  return most;
}

}  // namespace

TEST_CASE("central_crop: the middle stays the middle") {
  for (const std::int64_t rows : {4, 5, 8})
    for (std::int64_t h = 1; h <= rows; ++h) {
      Tensor<float> x = Tensor<float>::zeros({2, rows, 6, 2});
      x((rows + rows / 2) * 12 + 3 * 2) = 1;  // image 1, pixel (rows / 2, 3)
      const auto c = mri::central_crop(x, h, 3);
      CHECK(c.shape() == Shape{2, h, 3, 2});
      CHECK(c((h + h / 2) * 6 + 1 * 2) == 1);
    }
  const auto x = arbitrary<float>({3, 4, 2}, 1);
  CHECK(farthest(mri::central_crop(x, 3, 4), x) == 0);
  CHECK_THROWS_AS(mri::central_crop(x, 4, 4), ValueError);
  CHECK_THROWS_AS(mri::central_crop(x, 3, 0), ValueError);
}

TEST_CASE("cropped_kspace: what lies beyond the crop goes") {
  // An image that is zero outside of its middle has, cropped, the k-space of that middle.
  const auto inner = arbitrary<float>({2, 6, 5, 2}, 2);
  Tensor<float> whole = Tensor<float>::zeros({2, 12, 9, 2});
  for (std::int64_t c = 0; c < 2; ++c)
    for (std::int64_t i = 0; i < 6; ++i)
      for (std::int64_t k = 0; k < 10; ++k) whole(((c * 12 + i + 3) * 9 + 2) * 2 + k) = inner((c * 6 + i) * 10 + k);
  CHECK(farthest(mri::cropped_kspace(mri::fft2c(whole), 6, 5), mri::fft2c(inner)) < 1e-5);
}

TEST_CASE("scan_slice: the image whose encoding is the k-space") {
  const auto maps = arbitrary_maps<float>(3, 8, 6);
  const auto x = arbitrary<float>({1, 8, 6, 2}, 3);
  const auto one = Tensor<float>::ones({6});
  const auto full = mri::encoding(maps, one);
  const auto k = full.forward(x).reshaped({3, 8, 6, 2});
  const auto s = mri::scan_slice(k, scale(maps, 7));  // normalised again
  CHECK(farthest(s.maps, maps) < 1e-6);
  double most = 0;
  for (std::int64_t i = 0; i < 48; ++i)
    most = std::max(most, std::hypot(double(s.image(2 * i)), double(s.image(2 * i + 1))));
  CHECK(most == doctest::Approx(1).epsilon(1e-6));
  CHECK(farthest(full.forward(s.image.reshaped({1, 8, 6, 2})).reshaped({3, 8, 6, 2}), s.kspace) < 1e-5);
  CHECK(farthest(full.adjoint(s.kspace.reshaped({1, 3, 8, 6, 2})).reshaped({8, 6, 2}), s.image) < 1e-5);
}

TEST_CASE("scan_slice: what can not be") {
  const auto maps = arbitrary_maps<float>(2, 4, 4);
  Tensor<float> k = Tensor<float>::zeros({2, 4, 4, 2});
  CHECK_THROWS_WITH_AS(mri::scan_slice(k, maps),
                       "scan_slice: the image's largest magnitude is 0; want a positive number", ValueError);
  k(5) = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_AS(mri::scan_slice(k, maps), ValueError);
  CHECK_THROWS_AS(mri::scan_slice(Tensor<float>::zeros({2, 4, 5, 2}), maps), ShapeError);
}
