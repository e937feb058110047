// Initial numbers: their laws, and that seeds and numbers tell them apart.
#include "tenzo/nn/init.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace tenzo;

namespace {

using F = Tensor<float>;

std::vector<float> list(const F& t) { return {t.values().begin(), t.values().end()}; }

double mean_of(const F& t, int power) {
  double s = 0;
  for (const float x : t.values()) s += std::pow(double(x), power);
  return s / double(t.size());
}

}  // namespace

TEST_CASE("init: normal numbers of a deviation") {
  const F t = random_normal<float>({300, 41}, initial_key(1, 0), 0.5);
  const double n = double(t.size());
  // Six standard errors of the mean, and of the mean square, whose variance is 2 σ⁴ / n.
  CHECK(std::abs(mean_of(t, 1)) < 6 * 0.5 / std::sqrt(n));
  CHECK(std::abs(mean_of(t, 2) - 0.25) < 6 * 0.25 * std::sqrt(2 / n));
  CHECK(random_normal<double>({}, initial_key(1, 0)).rank() == 0);
}

TEST_CASE("init: uniform numbers of a range") {
  const F t = random_uniform<float>({200, 37}, initial_key(1, 0), 2, 4);
  CHECK(*std::min_element(t.data(), t.data() + t.size()) >= 2);
  CHECK(*std::max_element(t.data(), t.data() + t.size()) < 4);
  CHECK(std::abs(mean_of(t, 1) - 3) < 6 * std::sqrt(1.0 / 3 / double(t.size())));
  CHECK_THROWS_AS(random_uniform<float>({2}, initial_key(1, 0), 1, 1), ValueError);
}

TEST_CASE("init: another seed or number, other numbers; the same, the same") {
  const auto a = random_linear<float>(16, 8, initial_key(1, 0)), b = random_linear<float>(16, 8, initial_key(1, 0));
  CHECK(list(a.weight) == list(b.weight));
  CHECK(list(a.bias) == list(b.bias));
  CHECK(list(a.weight) != list(random_linear<float>(16, 8, initial_key(1, 1)).weight));
  CHECK(list(a.weight) != list(random_linear<float>(16, 8, initial_key(2, 0)).weight));
  CHECK(list(a.bias) != list(a.weight.rows(0, 1).reshaped({16})));
  CHECK(a.weight.shape() == Shape{8, 16});
  CHECK(a.bias.shape() == Shape{8});
  for (const float x : a.weight.values()) CHECK(std::abs(x) <= 0.25f);
  CHECK_THROWS_WITH_AS(random_linear<float>(0, 8, initial_key(1, 0)), "random_linear: 0 to 8 features", ValueError);
}
