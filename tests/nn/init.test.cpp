// Initial numbers: their laws, and that seeds and numbers tell them apart.
#include "tenzo/nn/init.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tenzo/nn/batch_norm.hpp"
#include "tenzo/nn/conv.hpp"

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

namespace {

/// A convolution, a norm and a linear layer.
template <class V>
struct Small {
  Conv2d<V> conv;
  BatchNorm<V> norm;
  std::vector<Linear<V>> fc;

  static void visit(auto&& f, auto&... self) {
    f("conv", self.conv...);
    f("norm", self.norm...);
    f("fc", self.fc...);
  }
};

Small<F> small() {
  Small<F> m;
  m.conv.weight = F(Shape{40, 5, 3, 3});
  m.norm.weight = m.norm.bias = m.norm.running_mean = m.norm.running_var = F(Shape{40});
  m.fc.resize(2);
  for (auto& layer : m.fc) {
    layer.weight = F(Shape{30, 100});
    layer.bias = F(Shape{30});
  }
  return m;
}

}  // namespace

TEST_CASE("initialised: weights and biases within 1 / √fan-in, norms as the identity") {
  const auto m = initialised<double>(small(), 3);
  const auto check = [](const Tensor<double>& t, double bound) {
    double square = 0;
    for (const double x : t.values()) {
      CHECK(std::abs(x) <= bound);
      square += x * x;
    }
    // Six standard errors of the mean square of u in ±b: its mean is b² / 3, its variance 4 b⁴ / 45.
    const double n = double(t.size()), b2 = bound * bound;
    CHECK(std::abs(square / n - b2 / 3) < 6 * b2 * std::sqrt(4.0 / 45 / n));
  };
  check(m.conv.weight, 1 / std::sqrt(45.0));
  check(m.fc[0].weight, 0.1);
  check(m.fc[0].bias, 0.1);
  CHECK(!m.conv.bias.defined());
  for (std::int64_t i = 0; i < 40; ++i) {
    CHECK(m.norm.weight(i) == 1);
    CHECK(m.norm.bias(i) == 0);
    CHECK(m.norm.running_mean(i) == 0);
    CHECK(m.norm.running_var(i) == 1);
  }
}

TEST_CASE("initialised: a leaf is a function of the seed and its name") {
  const auto a = initialised<float>(small(), 3), b = initialised<float>(small(), 3), c = initialised<float>(small(), 4);
  CHECK(list(a.fc[0].weight) == list(b.fc[0].weight));
  CHECK(list(a.fc[0].weight) != list(c.fc[0].weight));
  CHECK(list(a.fc[0].weight) != list(a.fc[1].weight));
  // Other leaves around it do not matter.
  auto fewer = small();
  fewer.conv = {};
  CHECK(list(initialised<float>(fewer, 3).fc[0].weight) == list(a.fc[0].weight));
  CHECK(initial_key(1, "a") != initial_key(1, "b"));
  CHECK((initial_key(1, "a").tensor >> 28) == std::uint32_t(Purpose::initialisation));
}

TEST_CASE("initialised: what it does not know is a sentence") {
  Linear<F> adapted;
  adapted.weight = F(Shape{2, 3});
  adapted.lora_a = F(Shape{1, 3});
  CHECK_THROWS_WITH_AS(
      initialised<float>(adapted, 1),
      "initialised: how does 'lora_A.weight' begin? Known are a layer's weight and bias, and running statistics",
      ValueError);
  Linear<F> turned;
  turned.weight = F(Shape{2, 3});
  turned.bias = F(Shape{3});
  CHECK_THROWS_AS(initialised<float>(turned, 1), ValueError);
}
