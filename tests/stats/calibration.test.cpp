// Calibration: cases by hand, the ends of bins, shapes that do not fit.
#include "tenzo/stats/calibration.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace tenzo;

namespace {

using D = Tensor<double>;
using I = Tensor<std::int64_t>;

/// Two scores whose softmax is (p, 1 − p).
void put(D& s, std::int64_t row, double p) { s(row * 2) = std::log(p), s(row * 2 + 1) = std::log(1 - p); }

}  // namespace

TEST_CASE("calibration: |accuracy − confidence| of each bin, weighed by its samples") {
  D s(Shape{4, 2});
  put(s, 0, 0.9), put(s, 1, 0.9), put(s, 2, 0.9), put(s, 3, 0.6);
  // Bin of 0.9: two of three right; bin of 0.6: right.
  CHECK(calibration_error(s, I::from({4}, {0, 0, 1, 0}), 10) ==
        doctest::Approx((3 * std::abs(2. / 3 - 0.9) + 0.4) / 4).epsilon(1e-12));
  // One bin: three of four right, mean confidence 0.825.
  CHECK(calibration_error(s, I::from({4}, {0, 0, 1, 0}), 1) == doctest::Approx(0.075).epsilon(1e-12));
}

TEST_CASE("calibration: sure and right is 0, sure and wrong is 1, scores of any size") {
  const D sure = D::from({2, 3}, {900, 0, 0, 0, 0, 900});
  CHECK(calibration_error(sure, I::from({2}, {0, 2})) == 0);
  CHECK(calibration_error(sure, I::from({2}, {1, 1})) == 1);
  CHECK(std::isnan(calibration_error(D(Shape{0, 3}), I(Shape{0}))));
  CHECK_THROWS_AS(calibration_error(sure, I::from({1}, {0})), ShapeError);
}
