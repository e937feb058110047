// Interquartile means, and intervals by drawing again.
#include "tenzo/stats/bootstrap.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "tenzo/nn/init.hpp"

using namespace tenzo;

TEST_CASE("interquartile mean: whole values and fractions of them") {
  CHECK(std::isnan(interquartile_mean(std::vector<double>{})));
  CHECK(interquartile_mean(std::vector<double>{3}) == 3);
  CHECK(interquartile_mean(std::vector<double>{1, 9}) == 5);
  CHECK(interquartile_mean(std::vector<double>{100, 1, 2, 3}) == doctest::Approx(2.5));
  CHECK(interquartile_mean(std::vector<double>{7, 5, 1, 2, 900, 3, -50, 4}) == doctest::Approx(3.5));
  // Five values: 1.25 cut at each end, so 3/4 of the second, the third, 3/4 of the fourth, over 2.5.
  CHECK(interquartile_mean(std::vector<double>{0, 10, 20, 40, 1000}) == doctest::Approx((7.5 + 20 + 30) / 2.5));
}

TEST_CASE("quantile of sorted numbers") {
  const std::vector<double> x{0, 1, 4};
  CHECK(quantile_of_sorted(x, 0) == 0);
  CHECK(quantile_of_sorted(x, 0.5) == 1);
  CHECK(quantile_of_sorted(x, 0.75) == doctest::Approx(2.5));
  CHECK(quantile_of_sorted(x, 1) == 4);
  CHECK(std::isnan(quantile_of_sorted(std::vector<double>{}, 0.5)));
  CHECK(median_of(std::vector<double>{9, 1, 4}) == 4);
  CHECK(median_of(std::vector<double>{9, 1, 4, 2}) == 3);
}

TEST_CASE("quantiles of numbers of which some are infinite") {
  const std::vector<double> some{1, 2, INFINITY}, none(5, INFINITY), below{-INFINITY, 3, 4};
  CHECK(quantile_of_sorted(some, 0.5) == 2);
  CHECK(quantile_of_sorted(some, 0.25) == 1.5);
  CHECK(quantile_of_sorted(some, 0.75) == INFINITY);
  CHECK(quantile_of_sorted(some, 1) == INFINITY);
  for (const double p : {0., 0.3, 0.5, 1.}) CHECK(quantile_of_sorted(none, p) == INFINITY);
  CHECK(quantile_of_sorted(below, 0.25) == -INFINITY);
  CHECK(quantile_of_sorted(below, 0.5) == 3);
  CHECK(median_of(std::vector<double>{INFINITY, 1, INFINITY, 2, INFINITY}) == INFINITY);
  CHECK(interquartile_mean(std::vector<double>{INFINITY, 1, 3, -INFINITY}) == 2);
  // Five drawn from these have an infinite median in 32 of 100 cases, and the median 1 in 6.
  const Measured m = bootstrap(std::vector<double>{1, 2, 3, INFINITY, INFINITY}, median_of);
  CHECK(m.value == 3);
  CHECK(m.low == 1);
  CHECK(m.high == INFINITY);
}

TEST_CASE("bootstrap: the mean's interval is that of theory, its strata are kept") {
  // 400 values of N(0, 1): the deviation of the mean is 1/20, its interval ±1.96/20.
  const auto x = random_normal<double>({400}, initial_key(3, 0));
  const Measured m = bootstrap(x.values(), mean_of, 4000, 7);
  CHECK(m.value == doctest::Approx(mean_of(x.values())));
  const double half = 1.96 * deviation_of(x.values()) / 20;
  CHECK((m.high - m.low) / 2 == doctest::Approx(half).epsilon(0.06));  // a quantile of 4000 is within 3 % at 1e-4 or so
  CHECK(m.low < m.value);
  CHECK(m.high > m.value);
  const Measured again = bootstrap(x.values(), mean_of, 4000, 7);
  CHECK(again.low == m.low);

  // Two constant groups: drawn from themselves, nothing varies; drawn from all, much would.
  const Measured flat = stratified_bootstrap({{1, 1, 1}, {9, 9}}, mean_of);
  CHECK(flat.value == doctest::Approx(21. / 5));
  CHECK(flat.low == doctest::Approx(flat.value));
  CHECK(flat.high == doctest::Approx(flat.value));

  CHECK(std::isnan(stratified_bootstrap({{1}, {2}}, mean_of).low));
  CHECK(std::isnan(stratified_bootstrap({}, mean_of).value));
  CHECK_THROWS_AS(bootstrap(x.values(), mean_of, 0), ValueError);
}
