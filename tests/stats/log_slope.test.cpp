// Measured orders.
#include "tenzo/stats/log_slope.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

using namespace tenzo;

TEST_CASE("slope of logarithms: powers, a known line through scattered points") {
  const std::vector<double> x{0.5, 2, 3, 70};
  for (const double power : {-2.0, -0.5, 0.0, 1.0, 3.5}) {
    std::vector<double> y;
    for (const double v : x) y.push_back(7 * std::pow(v, power));
    CHECK(std::abs(log_slope(x, y) - power) < 1e-13);
  }
  // log x = 0, 1, 2 and log y = 0, 2, 1: slope Σ (−1, 0, 1)(−1, 1, 0) / 2 = 1/2
  const double e = std::exp(1.0);
  CHECK(std::abs(log_slope(std::vector{1.0, e, e * e}, std::vector{1.0, e * e, e}) - 0.5) < 1e-13);
  CHECK_THROWS_AS(log_slope(std::vector{1.0}, std::vector{1.0}), ValueError);
  CHECK_THROWS_AS(log_slope(x, std::vector{1.0, 2.0}), ValueError);
}
