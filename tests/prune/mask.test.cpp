// Masks and selection: golden values, exact counts, ties, densities, overlap, and masks in differentiation.
#include "tenzo/prune/mask.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "tenzo/autodiff/check.hpp"
#include "tenzo/nn/conv.hpp"
#include "tenzo/nn/init.hpp"
#include "tenzo/nn/linear.hpp"
#include "tenzo/prune/select.hpp"

using namespace tenzo;
using namespace tenzo::prune;

namespace {

using D = Tensor<double>;
using U = Tensor<std::uint8_t>;
using Tensors = std::vector<D>;

template <class V>
struct Net {
  Conv2d<V> conv;
  Linear<V> fc;

  static void visit(auto&& f, auto&... self) {
    f("conv", self.conv...);
    f("fc", self.fc...);
  }
};

Net<D> small_net() {
  Net<D> n;
  n.conv.weight = random_normal<double>({2, 1, 3, 3}, initial_key(1, 0));
  n.conv.bias = random_normal<double>({2}, initial_key(1, 1));
  n.fc = random_linear<double>(8, 3, initial_key(1, 2));
  return n;
}

std::vector<int> bits(const U& m) { return {m.values().begin(), m.values().end()}; }

}  // namespace

TEST_CASE("prune: weights are prunable, biases are not; an undefined leaf stays dense") {
  const auto m = dense_mask(small_net());
  CHECK(m.conv.weight.shape() == Shape{2, 1, 3, 3});
  CHECK_FALSE(m.conv.bias.defined());
  CHECK_FALSE(m.fc.lora_a.defined());
  CHECK(density(m).total == 18 + 24);
  CHECK(density(m).density() == 1);
  const auto head = dense_mask(small_net(), [](const Path& at, const Shape&) { return at.str() == "fc.weight"; });
  CHECK_FALSE(head.conv.weight.defined());
  CHECK(density(head).total == 24);
  CHECK(std::isnan(density(Mask<Tensors>{}).density()));
}

TEST_CASE("prune: the largest scores stay, strictly above the k-th smallest of all leaves together") {
  const Tensors s{D::from({1, 4}, {0.4, 3, 1, 2}), D{}, D::from({2, 2}, {5, 0.1, 0.2, 4})};
  const auto m = largest(s, {.density = 0.5});
  CHECK(bits(m[0]) == std::vector<int>{0, 1, 0, 1});
  CHECK_FALSE(m[1].defined());
  CHECK(bits(m[2]) == std::vector<int>{1, 0, 0, 1});
  const auto each = largest(s, {.density = 0.75, .scope = Scope::per_leaf});
  CHECK(bits(each[0]) == std::vector<int>{0, 1, 1, 1});
  CHECK(bits(each[2]) == std::vector<int>{1, 0, 1, 1});
  const auto row = largest(s, {.density = 0.5, .scope = Scope::per_row});
  CHECK(bits(row[0]) == std::vector<int>{0, 1, 0, 1});
  CHECK(bits(row[2]) == std::vector<int>{1, 0, 0, 1});
}

TEST_CASE("prune: counts are exact for distinct scores at every density; 0 keeps none, 1 keeps all") {
  for (const std::int64_t n : {1, 2, 7, 10, 101}) {
    const Tensors s{abs(random_normal<double>({n}, initial_key(3, 7))).reshaped({1, n})};
    for (int percent = 0; percent <= 100; ++percent) {
      const std::int64_t pruned = (100 - percent) * n / 100;  // in whole numbers
      CHECK(pruned_count(percent / 100., n) == pruned);
      CHECK(density(largest(s, {.density = percent / 100.})).kept == n - pruned);
    }
  }
  const Tensors zeros{D::zeros({2, 3})};
  CHECK(density(largest(zeros, {.density = 1})).kept == 6);  // k = 0 keeps even what scores nothing
  CHECK(density(largest(zeros, {.density = 0})).kept == 0);
  CHECK(density(largest(zeros, {.density = 0, .ties = Ties::exact})).kept == 0);
  CHECK(density(largest(Tensors{D(Shape{0, 3})}, {.density = 0.5})).total == 0);
  CHECK(density(largest(Tensors{}, {.density = 0.5})).total == 0);
}

TEST_CASE("prune: equal scores at the threshold all go, or stay in order") {
  const Tensors s{D::from({1, 6}, {1, 2, 2, 2, 3, 0})};
  CHECK(bits(largest(s, {.density = 0.5})[0]) == std::vector<int>{0, 0, 0, 0, 1, 0});
  CHECK(bits(largest(s, {.density = 0.5, .ties = Ties::exact})[0]) == std::vector<int>{0, 1, 1, 0, 1, 0});
}

TEST_CASE("prune: what a mask has pruned goes first and never comes back") {
  const Tensors s{D::from({1, 4}, {9, 8, 1, 2})};
  Mask<Tensors> among{U::from({1, 4}, {0, 1, 1, 1})};
  CHECK(bits(largest(s, {.density = 0.5}, &among)[0]) == std::vector<int>{0, 1, 0, 1});
  for (const Ties ties : {Ties::strict, Ties::exact})
    CHECK(bits(largest(s, {.density = 1, .ties = ties}, &among)[0]) == std::vector<int>{0, 1, 1, 1});
}

TEST_CASE("prune: bad scores and densities are sentences") {
  const Tensors s{D::zeros({1, 2}), D::from({1, 2}, {1, std::nan("")})};
  CHECK_THROWS_WITH_AS(largest(s, {}), "prune: 1 has a score of nan", ValueError);
  CHECK_THROWS_WITH_AS(largest(Tensors{}, {.density = 1.5}), "prune: the density is 1.5; want a number in [0, 1]",
                       ValueError);
  CHECK_THROWS_AS(largest(Tensors{}, {.density = std::nan("")}), ValueError);
  const D one = D::ones({1});
  CHECK_THROWS_AS(kth_smallest<double>(one.values(), 0), ValueError);
  CHECK_THROWS_AS(kth_smallest<double>(one.values(), 2), ValueError);
  const Mask<Tensors> other{U::ones({2, 1})};
  CHECK_THROWS_WITH_AS(masked(Tensors{D::ones({1, 2})}, other), "mask: 0 is (1, 2), its mask (2, 1)", ShapeError);
  CHECK_THROWS_AS(masked(Tensors{}, other), ShapeError);
  CHECK_THROWS_AS(jaccard(Mask<Tensors>{U::ones({1, 2})}, other), ShapeError);
  CHECK_THROWS_WITH_AS(
      require_every_layer("a test", largest(Tensors{D::ones({1, 2}), D::ones({1, 3})}, {.density = 0})),
      "a test: no weight of 0 is left", ValueError);
}

TEST_CASE("prune: densities by leaf, and of the rows that are read") {
  Mask<Net<D>> m = dense_mask(small_net());
  for (std::int64_t i = 0; i < 16; ++i) m.fc.weight(i) = 0;  // two of three rows
  const auto each = densities(m);
  REQUIRE(each.size() == 2);
  CHECK(each[0].leaf == "conv.weight");
  CHECK(each[1].leaf == "fc.weight");
  CHECK(each[1].kept == 8);
  CHECK(each[1].sparsity() == doctest::Approx(2. / 3));
  CHECK(density(m).kept == 26);
  const Density used = density(m, {.leaf = "fc.weight", .rows = {2, 0}});
  CHECK(used.kept == 18 + 8);
  CHECK(used.total == 18 + 16);
  CHECK_THROWS_WITH_AS(density(m, {.leaf = "fc.weight", .rows = {3}}), "mask: row 3 of fc.weight, which has 3",
                       ValueError);
  CHECK_THROWS_AS(density(m, {.leaf = "fc", .rows = {0}}), ValueError);
}

TEST_CASE("prune: overlap of masks") {
  const auto of = [](std::initializer_list<std::uint8_t> a) { return Mask<Tensors>{U::from({1, 4}, a)}; };
  CHECK(jaccard(of({1, 1, 0, 0}), of({1, 1, 0, 0})) == 1);
  CHECK(jaccard(of({1, 1, 0, 0}), of({0, 0, 1, 1})) == 0);
  CHECK(jaccard(of({1, 1, 0, 0}), of({0, 1, 1, 0})) == doctest::Approx(1. / 3));
  CHECK(jaccard(of({0, 0, 0, 0}), of({0, 0, 0, 0})) == 1);
}

TEST_CASE("prune: a masked weight has no influence, whatever it is") {
  const Tensors w{D::from({1, 4}, {1, 2, 3, 4}), D::from({2}, {5, 6})};
  const Mask<Tensors> m{U::from({1, 4}, {1, 0, 1, 0}), U{}};
  for (const double wild : {1e300, -7., std::nan(""), std::numeric_limits<double>::infinity()}) {
    Tensors other = clone(w);
    other[0](1) = other[0](3) = wild;
    const Tensors y = masked(other, m);
    for (std::int64_t i = 0; i < 4; ++i) CHECK(y[0](i) == (m[0](i) ? w[0](i) : 0));
    CHECK(y[1](1) == 6);
    const Tensors g = grad([&](const auto& x) { return dot(masked(x, m), w); }, other);
    for (std::int64_t i = 0; i < 4; ++i) CHECK(g[0](i) == (m[0](i) ? w[0](i) : 0));
    zero_pruned_(other, m);
    CHECK(other[0](1) == 0);
    CHECK(other[0](2) == 3);
  }
}

TEST_CASE("prune: a masked model differentiates rightly in all modes") {
  const Linear<D> layer = random_linear<double>(5, 3, initial_key(1, 2));
  auto m = dense_mask(layer);
  for (std::int64_t i = 0; i < m.weight.size(); i += 2) m.weight(i) = 0;
  const D x = random_normal<double>({2, 5}, initial_key(1, 9));
  const auto report = check_gradients([&](const auto& l) { return square(masked(l, m)(x)); }, layer);
  INFO(report);
  CHECK(report.passed());
}
