#include "tenzo/core/permutation.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

using namespace tenzo;

namespace {

constexpr NoiseKey some_key{0x0123456789abcdefull, 7, 3, 11};

/// A standard normal number is beyond this with probability below 1e-9.
constexpr double sigmas = 6.2;

}  // namespace

TEST_CASE("permutation: integers below a bound are uniform") {
  const Integers integers(some_key);
  for (const std::int64_t bound : {1, 2, 3, 5, 37}) {
    const std::int64_t n = 100000;
    std::vector<double> count(std::size_t(bound), 0.);
    for (std::int64_t i = 0; i < n; ++i) count.at(std::size_t(integers.below(bound, i))) += 1;
    const double p = 1. / double(bound);
    for (const double c : count) CHECK(std::abs(c - p * double(n)) <= 7 * std::sqrt(p * (1 - p) * double(n)));
  }
  const std::int64_t large = (std::int64_t(1) << 62) + 1;  // nearly half of the tries are in vain
  double sum = 0;
  bool inside = true;
  for (std::int64_t i = 0; i < 100000; ++i) {
    const std::int64_t x = integers.below(large, i);
    inside = inside && 0 <= x && x < large;
    sum += double(x) / double(large) - 0.5;
  }
  CHECK(inside);
  CHECK(std::abs(sum) < sigmas * std::sqrt(100000 / 12.));
  CHECK(integers.below(1, 5) == 0);
  CHECK(integers.below(1000, 5) == integers.below(1000, 5));
  CHECK_THROWS_WITH_AS(integers.below(0, 5), "Integers: a number in [0, 0)", ValueError);
}

TEST_CASE("permutation: every order, equally often") {
  for (const std::int64_t n : {0, 1, 2, 1000}) {
    auto p = permutation(n, some_key);
    CHECK(p == permutation(n, some_key));
    std::sort(p.begin(), p.end());
    for (std::int64_t i = 0; i < n; ++i) CHECK(p[std::size_t(i)] == i);
  }
  CHECK(permutation(20, some_key) != permutation(20, some_key.of(Purpose::data_order)));

  std::map<std::vector<std::int64_t>, double> count;  // all 24 of four elements
  const double n = 24000;
  for (std::uint32_t step = 0; step < std::uint32_t(n); ++step) count[permutation(4, {3, step})] += 1;
  CHECK(count.size() == 24);
  for (const auto& [order, c] : count) CHECK(std::abs(c - n / 24) < 7 * std::sqrt(n / 24));
  CHECK_THROWS_AS(permutation(-1, some_key), ValueError);
}
