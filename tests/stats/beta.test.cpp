// Normal and beta distributions against numbers of 40 digits, and identities.
#include "tenzo/stats/beta.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "tenzo/stats/normal.hpp"

using namespace tenzo;

namespace {

void check_relative(double got, double want, double tolerance) {
  CAPTURE(got);
  CAPTURE(want);
  CHECK(std::abs(got - want) <= tolerance * std::abs(want));
}

}  // namespace

TEST_CASE("normal: quantiles to 4e-16, both regimes of the tail, the ends") {
  const struct {
    double p, z;
  } table[] = {{0.5 + 0x1p-20, 2.39050700629557406e-6},
               {0.6, 0.25334710313579974},
               {0.9, 1.28155156554460059},
               {0.925, 1.43953147093845623},
               {0.95, 1.64485362695147228},
               {0.99, 2.32634787404084110},
               {0.999, 3.09023230616781328},
               {1 - 0x1p-30, 6.00935356553074390},
               {0x1p-40, -7.04770025666440873},
               {1e-9, -5.99780701500768687},
               {0.0749999, -1.43953217737590059},
               {0x1p-50, -7.95603812548153096}};
  for (const auto& [p, z] : table) check_relative(normal_quantile(p), z, 6e-16);
  check_relative(normal_quantile(0.9999), 3.71901648545567912, 1e-12);  // 1 − p of the double has 13 digits
  CHECK(normal_quantile(0.5) == 0);
  CHECK(normal_quantile(0) == -std::numeric_limits<double>::infinity());
  CHECK(normal_quantile(1) == std::numeric_limits<double>::infinity());
  CHECK_THROWS_AS(normal_quantile(-0.1), ValueError);
  CHECK_THROWS_AS(normal_quantile(NAN), ValueError);
}

TEST_CASE("normal: the distribution function, and its inverse over thirty orders of magnitude") {
  check_relative(normal_cdf(-8), 6.22096057427178412e-16, 1e-14);
  check_relative(normal_cdf(-1), 0.158655253931457051, 1e-15);
  check_relative(normal_cdf(0.5), 0.691462461274013104, 1e-15);
  check_relative(normal_cdf(3), 0.998650101968369905, 1e-15);
  for (double p = 1e-30; p < 0.5; p *= 3) check_relative(normal_cdf(normal_quantile(p)), p, 1e-13);
  for (double z = -4; z <= 4; z += 0.125)
    CHECK((normal_cdf(z + 1e-5) - normal_cdf(z - 1e-5)) / 2e-5 == doctest::Approx(normal_density(z)).epsilon(1e-6));
}

TEST_CASE("incomplete beta: reference values, small and huge parameters, symmetry") {
  const struct {
    double a, b, x, want;
  } table[] = {{0.5, 0.5, 0.3, 0.369010119565545375},
               {2.5, 1.25, 0.9, 0.848381670108900707},
               {1, 1, 0.37, 0.37},
               {1e-3, 2, 0.2, 0.999190570023454352},
               {17.3, 4.5, 0.6, 0.0224256662063615515},
               {5e5, 5e5, 0.5005, 0.841344746068546546},
               {50490, 49511, 0.50001, 0.00100224091014794561},
               {300, 2, 0.97, 0.00107527681049075948},
               {2, 3e5, 1e-5, 0.800854713750156946},
               {1e6, 3, 0.999995, 0.124650545557908058}};
  for (const auto& [a, b, x, want] : table) {
    CAPTURE(a);
    CAPTURE(b);
    check_relative(incomplete_beta(a, b, x), want, std::max(a, b) < 1e5 ? 2e-13 : 5e-12);
    CHECK(incomplete_beta(b, a, 1 - x) == doctest::Approx(1 - want).epsilon(1e-11));
  }
  // 1e-255: what log x of the double 0.2 is away from 0.2's, times 700, is 4e-14
  check_relative(incomplete_beta(700, 300, 0.2), 1.01303633801544064e-255, 1e-12);
  CHECK(incomplete_beta(3, 4, 0) == 0);
  CHECK(incomplete_beta(3, 4, 1) == 1);
  CHECK_THROWS_AS(incomplete_beta(0, 1, 0.5), ValueError);
  CHECK_THROWS_AS(incomplete_beta(1, 1, 1.5), ValueError);
}

TEST_CASE("binomial: tails against exact fractions") {
  check_relative(binomial_at_least(3, 10, 0.25), 0.47440719604492188, 1e-14);
  check_relative(binomial_at_least(150, 200, 0.5), 4.1965104378023807e-13, 1e-13);
  check_relative(binomial_at_least(2, 1000, 1. / 1024), 0.25561550003054473, 1e-13);
  check_relative(binomial_at_least(999, 1000, 0.5), 9.341968821217221e-299, 1e-12);
  check_relative(binomial_at_least(500, 1000, 0.5), 0.51261250908918043, 1e-13);
  check_relative(binomial_at_most(29, 1000, 1. / 16), 9.7418859796144651e-07, 1e-12);
  check_relative(binomial_at_least(99990, 100000, 0.9998), 0.0108059031600029435, 1e-11);
  check_relative(binomial_at_least(50490, 100000, 0.5), 0.000981109159193013574, 1e-12);
  CHECK(binomial_at_least(1, 1, 0.125) == doctest::Approx(0.125).epsilon(1e-15));
  for (const double p : {0.0, 0.02, 0.3, 0.5, 0.999, 1.0})
    for (const std::int64_t n : {0, 1, 2, 7, 40}) {
      double sum = 0;
      for (std::int64_t k = 0; k <= n; ++k) {
        sum += binomial_probability(k, n, p);
        CHECK(binomial_at_most(k, n, p) == doctest::Approx(sum).epsilon(1e-13));
        CHECK(binomial_at_least(k + 1, n, p) == doctest::Approx(1 - sum).epsilon(1e-9).scale(1e-3));
      }
      CHECK(sum == doctest::Approx(1).epsilon(1e-14));
    }
  CHECK(binomial_at_least(0, 5, 0.1) == 1);
  CHECK(binomial_at_least(6, 5, 0.1) == 0);
  CHECK_THROWS_AS(binomial_at_least(1, -1, 0.5), ValueError);
}

TEST_CASE("binomial test: p-values of votes") {
  const struct {
    std::int64_t a, b;
    double p;
  } table[] = {{60, 40, 0.05688793364},    {66, 34, 0.001789930391},    {67, 33, 0.0008737198369},
               {552, 448, 0.001115049179}, {553, 447, 0.0008899859648}, {510, 490, 0.5479727459},
               {11, 0, 0.0009765625},      {10, 0, 0.001953125},        {100, 0, 1.57772181e-30}};
  for (const auto& [a, b, p] : table) {
    check_relative(binomial_test(a, a + b), p, 1e-9);
    CHECK(binomial_test(b, a + b) == binomial_test(a, a + b));
  }
  CHECK(binomial_test(0, 0) == 1);
  CHECK(binomial_test(5, 10) == 1);
  CHECK_THROWS_AS(binomial_test(3, 2), ValueError);
}
