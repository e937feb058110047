// Intervals of means over a few seeds.
#include "tenzo/stats/interval.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace tenzo;

TEST_CASE("Student's quantile: tables") {
  const double want[] = {12.706204736, 4.302652730, 3.182446305, 2.776445105, 2.570581836, 2.446911851,
                         2.364624252,  2.306004135, 2.262157163, 2.228138852, 2.200985160, 2.178812830};
  for (std::int64_t n = 1; n <= 12; ++n) CHECK(std::abs(student_quantile(n) - want[n - 1]) < 1e-5);
  CHECK(std::abs(student_quantile(20) - 2.085963447) < 1e-6);
  CHECK(std::abs(student_quantile(100) - 1.983971519) < 1e-6);
  CHECK(std::isnan(student_quantile(0)));
}

TEST_CASE("mean interval: of known samples, of one and of none") {
  const Measured m = mean_interval(std::vector<double>{1, 2, 3});
  CHECK(m.value == 2);
  CHECK(m.high - m.value == doctest::Approx(4.302652730 / std::sqrt(3.0)).epsilon(1e-9));
  CHECK(m.value - m.low == doctest::Approx(m.high - m.value).epsilon(1e-12));
  const Measured one = mean_interval(std::vector<double>{5});
  CHECK(one.value == 5);
  CHECK(std::isnan(one.low));
  CHECK(std::isnan(mean_interval({}).value));
  CHECK(std::isnan(deviation_of(std::vector<double>{1})));
}
