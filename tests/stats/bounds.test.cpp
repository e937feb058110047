// Confidence bounds: published and computed tables, ends, monotony, and coverage in simulation.
#include "tenzo/stats/bounds.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tenzo/core/philox.hpp"
#include "tenzo/stats/sequential.hpp"

using namespace tenzo;

namespace {

void check_relative(double got, double want, double tolerance) {
  CAPTURE(got);
  CAPTURE(want);
  CHECK(std::abs(got - want) <= tolerance * std::abs(want));
}

/// Number `i` of run `run`, uniform in [0, 1).
double draw(std::uint32_t run, std::uint32_t i) { return double(philox4x32({i / 4, run, 0, 0}, 77)[i % 4]) * 0x1p-32; }

}  // namespace

TEST_CASE("Clopper-Pearson: lower bounds and their normal quantiles") {
  const struct {
    std::int64_t k, n;
    double alpha, p, z;  // z = 0: below one half
  } table[] = {{100, 100, 1e-3, 0.933254300797, 1.500475024},
               {99, 100, 1e-3, 0.911373111296, 1.349259039},
               {95, 100, 1e-3, 0.844632694190, 1.013681799},
               {75, 100, 1e-3, 0.597393155194, 0.2466053165},
               {66, 100, 1e-3, 0.501649951337, 0.004135826463},
               {65, 100, 1e-3, 0.491375611494, 0},
               {1000, 1000, 1e-3, 0.993116048421, 2.463262615},
               {990, 1000, 1e-3, 0.976036187155, 1.978009582},
               {900, 1000, 1e-3, 0.867464018026, 1.114483162},
               {750, 1000, 1e-3, 0.705584825925, 0.5405317834},
               {550, 1000, 1e-3, 0.500675960093, 0.001694381491},
               {549, 1000, 1e-3, 0.499673064142, 0},
               {9, 10, 0.05, 0.605836697563, 0.2684842393},
               {10, 10, 0.05, 0.741134449107, 0.646846797},
               {1, 10, 0.05, 0.00511619689182, 0},
               {10000, 10000, 1e-3, 0.999309463003, 3.198577515},
               {9990, 10000, 1e-3, 0.997588308033, 2.8185983},
               {9900, 10000, 1e-3, 0.986531159324, 2.212419665},
               {9000, 10000, 1e-3, 0.890409733675, 1.228710061},
               {7500, 10000, 1e-3, 0.736403566566, 0.6322969337},
               {5156, 10000, 1e-3, 0.500099968227, 0.000250583186},
               {5155, 10000, 1e-3, 0.499999939407, 0},
               {100000, 100000, 1e-3, 0.999930924833, 3.811456563},
               {99990, 100000, 1e-3, 0.999758677344, 3.49020768},
               {99000, 100000, 1e-3, 0.988989340377, 2.289999955},
               {90000, 100000, 1e-3, 0.897036496224, 1.26484469},
               {75000, 100000, 1e-3, 0.745746842136, 0.6611652939},
               {50490, 100000, 1e-3, 0.500008948774, 2.2431250945e-5},
               {50489, 100000, 1e-3, 0.499998948489, 0},
               {100000, 100000, 1e-2, 0.999953949359, 3.91051043}};
  for (const auto& [k, n, alpha, p, z] : table) {
    CAPTURE(k);
    CAPTURE(n);
    const double got = clopper_pearson_lower(k, n, alpha);
    check_relative(got, p, 1e-9);
    CHECK((got < 0.5) == (z == 0));
    // ten digits of z are printed
    if (z != 0) CHECK(std::abs(normal_quantile(got) - z) <= std::max(1e-9 * z, 1e-12));
    check_relative(clopper_pearson_upper(n - k, n, alpha), 1 - p, 1e-6 + 1e-12 / (1 - p));
    if (k < n) check_relative(binomial_at_least(k, n, got), alpha, 1e-10);
  }
  CHECK(std::abs(normal_quantile(clopper_pearson_lower(50490, 100000, 1e-3)) - 2.2431250945e-5) <= 1e-12);
  const double most[] = {1.5005, 2.4633, 3.1986, 3.8115, 4.3468};
  std::int64_t n = 100;
  for (const double z : most) {
    CHECK(normal_quantile(clopper_pearson_lower(n, n, 1e-3)) == doctest::Approx(z).epsilon(2e-5));
    n *= 10;
  }
}

TEST_CASE("Clopper-Pearson: ends, levels above one half, order, mistakes") {
  CHECK(clopper_pearson_lower(0, 10, 0.05) == 0);
  CHECK(clopper_pearson_upper(10, 10, 0.05) == 1);
  CHECK(clopper_pearson_lower(0, 0, 0.05) == 0);
  check_relative(binomial_at_least(4, 10, clopper_pearson_lower(4, 10, 0.9)), 0.9, 1e-12);
  for (const std::int64_t n : {1, 2, 17, 301}) {
    double last = -1;
    for (std::int64_t k = 0; k <= n; ++k) {
      const double p = clopper_pearson_lower(k, n, 1e-6);
      CHECK(p > last);
      CHECK(p < clopper_pearson_upper(k, n, 1e-6));
      last = p;
    }
  }
  CHECK_THROWS_AS(clopper_pearson_lower(11, 10, 0.05), ValueError);
  CHECK_THROWS_AS(clopper_pearson_lower(-1, 10, 0.05), ValueError);
  CHECK_THROWS_AS(clopper_pearson_lower(1, 10, 0), ValueError);
  CHECK_THROWS_AS(clopper_pearson_lower(1, 10, 1), ValueError);
}

TEST_CASE("Bernstein, Hoeffding: table; order statistics around quantiles: table") {
  check_relative(empirical_bernstein_lower(0.95, 0.01, 1000, 1e-3), 0.9199172478, 1e-9);
  check_relative(empirical_bernstein_lower(0.95, 0.01, 100000, 1e-3), 0.9485896878, 1e-9);
  check_relative(empirical_bernstein_lower(0.8, 0.05, 10000, 1e-3), 0.7895079633, 1e-9);
  check_relative(hoeffding_lower(0.95, 1000, 1e-3), 0.8912303, 1e-7);
  check_relative(hoeffding_lower(0.95, 100000, 1e-3), 0.94412303, 1e-8);
  CHECK_THROWS_AS(empirical_bernstein_lower(0.5, 0.1, 1, 0.1), ValueError);
  const struct {
    std::int64_t n;
    double shift, alpha;
    std::int64_t low, high;
  } table[] = {{100, 0.4, 1e-3, 20, 81},       {1000, 0.4, 1e-3, 299, 702}, {2000, 0.4, 1e-3, 624, 1377},
               {10000, 0.4, 1e-3, 3299, 6702}, {1000, 1, 1e-3, 124, 877},   {10000, 1, 1e-3, 1475, 8526},
               {1000, 0, 1e-3, 451, 550},      {1000, 0.4, 1e-5, 281, 720}, {100, 2, 1e-3, 0, 101}};
  for (const auto& [n, shift, alpha, low, high] : table) {
    CAPTURE(n);
    CAPTURE(shift);
    CHECK(quantile_lower_index(n, normal_cdf(-shift), alpha) == low);
    CHECK(quantile_upper_index(n, normal_cdf(shift), alpha) == high);
  }
  CHECK(quantile_lower_index(0, 0.5, 0.1) == 0);
  CHECK(quantile_upper_index(0, 0.5, 0.1) == 1);
}

TEST_CASE("evidence: against integrals by quadrature; anytime bounds below the bounds of one look") {
  const struct {
    std::int64_t k, n;
    double p, above, below;
  } table[] = {{8, 10, 0.5, 1.386799284129861, -1.999865143177724},
               {95, 100, 0.9, 1.017100187222735, -4.039663731392211},
               {3, 10, 0.5, -1.738649643914107, 0.3190045435808221},
               {990, 1000, 0.97, 7.889982707201982, -6.524895538650247},
               {100, 100, 0.9, 8.22349223639068, -4.615120516841259}};
  for (const auto& [k, n, p, above, below] : table) {
    CHECK(log_evidence_above(k, n, p) == doctest::Approx(above).epsilon(1e-12));
    CHECK(log_evidence_below(k, n, p) == doctest::Approx(below).epsilon(1e-12));
    CHECK(log_evidence_below(n - k, n, 1 - p) == doctest::Approx(above).epsilon(1e-12));
  }
  CHECK(log_evidence_above(0, 0, 0.3) == doctest::Approx(0).scale(1));
  CHECK(log_evidence_above(0, 100000, 0.9) < -1000);
  for (const std::int64_t n : {1, 10, 1000, 100000})
    for (const double share : {0.5, 0.9, 1.0}) {
      const auto k = std::int64_t(share * double(n));
      const double p = anytime_lower(k, n, 1e-3);
      CHECK(p <= clopper_pearson_lower(k, n, 1e-3));
      if (k == 0) continue;
      CHECK(log_evidence_above(k, n, p) >= -std::log(1e-3) * (1 - 1e-9));
      CHECK(log_evidence_above(k, n, p * (1 + 1e-9)) <= -std::log(1e-3) * (1 + 1e-6));
    }
  CHECK_THROWS_AS(anytime_lower(2, 1, 0.1), ValueError);
}

TEST_CASE("anytime bounds: over 2,000 runs looked at after every draw, too high in 5 % at most") {
  // At most Bin(2000, 0.05), above 140 with probability 4e-5; the fixed-n bound, peeked at, fails four times as often.
  std::int64_t wrong = 0, peeked = 0;
  for (std::uint32_t run = 0; run < 2000; ++run) {
    const double p = run % 2 ? 0.7 : 0.95;
    std::int64_t k = 0;
    bool evidence = false, over = false;
    for (std::uint32_t i = 0; i < 400; ++i) {
      k += draw(run, i) < p;
      const auto n = std::int64_t(i) + 1;
      evidence = evidence || log_evidence_above(k, n, p) >= -std::log(0.05);  // the bound is above p
      // the one-look bound is above p just when P[Bin(n, p) ≥ k] < α
      over = over || binomial_at_least(k, n, p) < 0.05;
    }
    wrong += evidence;
    peeked += over;
  }
  CHECK(wrong <= 140);
  CHECK(wrong >= 10);
  CHECK(peeked > 300);
}

TEST_CASE("Clopper-Pearson: in simulation above the truth in α of runs at most, and not much rarer") {
  constexpr double alpha = 0.02;
  std::int64_t wrong = 0;
  for (std::uint32_t run = 0; run < 3000; ++run) {
    std::int64_t k = 0;
    for (std::uint32_t i = 0; i < 300; ++i) k += draw(run + 10000, i) < 0.8;
    wrong += clopper_pearson_lower(k, 300, alpha) > 0.8;
  }
  CHECK(wrong <= 60 + 5 * 8);  // five standard deviations of Bin(3000, 0.02)
  CHECK(wrong >= 20);
}
