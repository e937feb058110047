// Trees: names, order, settings, walks over several trees of one form, and what differs says.
#include "tenzo/tree/tree.hpp"

#include <doctest/doctest.h>

#include <map>

#include "tenzo/autodiff/dual.hpp"
#include "tenzo/tree/stored.hpp"

using namespace tenzo;

namespace {

using D = Tensor<double>;

/// A layer with a setting and a leaf that may be missing.
template <class V>
struct Leafy {
  V weight, bias;
  double eps = 1e-5;
  std::string kind = "plain";

  static void visit(auto&& f, auto&... self) {
    f("weight", self.weight...);
    f("bias", self.bias...);
    f("eps", self.eps...);
    f("kind", self.kind...);
  }
};

/// Every kind of member that a tree may have.
template <class V>
struct Forest {
  std::vector<Leafy<V>> layers;
  std::pair<V, Leafy<V>> head;
  std::array<V, 2> two;
  std::tuple<V> one;
  int width = 0;

  static void visit(auto&& f, auto&... self) {
    f("layers", self.layers...);
    f("head", self.head...);
    f("", self.two...);
    f("one.only", self.one...);
    f("width", self.width...);
  }
};

D of(double x) { return D::full({2}, x); }

Forest<D> forest() {
  Forest<D> t;
  t.layers = {{of(1), of(2), 1e-3, "first"}, {of(3), {}, 1e-4, "second"}};
  t.head = {of(4), {of(5), of(6)}};
  t.two = {of(7), of(8)};
  t.one = {of(9)};
  t.width = 12;
  return t;
}

std::vector<std::pair<std::string, double>> listed(const Forest<D>& t) {
  std::vector<std::pair<std::string, double>> out;
  for_each_leaf([&](const Path& at, const D& v) { out.emplace_back(at.str(), v(0)); }, t);
  return out;
}

}  // namespace

TEST_CASE("tree: leaves in the order of visit, with their paths; undefined ones are left out") {
  const std::vector<std::pair<std::string, double>> want{{"layers.0.weight", 1},
                                                         {"layers.0.bias", 2},
                                                         {"layers.1.weight", 3},
                                                         {"head.0", 4},
                                                         {"head.1.weight", 5},
                                                         {"head.1.bias", 6},
                                                         {"0", 7},
                                                         {"1", 8},
                                                         {"one.only.0", 9}};
  CHECK(listed(forest()) == want);
  CHECK(count_elements(forest()) == 18);
  const D alone = of(1);
  std::string name = "?";
  for_each_leaf([&](const Path& at, const D&) { name = at.str(); }, alone);
  CHECK(name.empty());
}

TEST_CASE("tree: a map keeps the form, the settings and what is undefined") {
  const Forest<D> t = forest();
  const Forest<Tensor<float>> f = map_tree<Tensor<float>>(t, [](const D& v) { return v.cast<float>(); });
  REQUIRE(f.layers.size() == 2);
  CHECK(f.layers[1].weight(1) == 3.f);
  CHECK_FALSE(f.layers[1].bias.defined());
  CHECK(f.layers[1].eps == 1e-4);
  CHECK(f.layers[1].kind == "second");
  CHECK(f.head.second.bias(0) == 6.f);
  CHECK(std::get<0>(f.one)(0) == 9.f);
  CHECK(f.width == 12);

  const Forest<D> sum = map_tree<D>(
      t, [](const Path& at, const D& a, const D& b) { return of(a(0) + b(0) + (at.str() == "1" ? 100 : 0)); }, t);
  CHECK(sum.two[1](0) == 116);
  CHECK(sum.two[0](0) == 14);

  const auto duals = map_tree<Dual<D>>(t, [](const D& v) { return Dual<D>{v, v}; });
  static_assert(std::is_same_v<decltype(duals), const Forest<Dual<D>>>);
  CHECK(duals.layers[0].bias.tangent(0) == 2);
}

TEST_CASE("tree: leaves of the others may be undefined; lists that may be written grow") {
  const Forest<D> t = forest();
  Forest<D> grown;
  int seen = 0;
  for_each_leaf(
      [&](const Path&, const D& v, D& to) {
        CHECK_FALSE(to.defined());
        to = v;
        ++seen;
      },
      t, grown);
  CHECK(seen == 9);
  CHECK(listed(grown) == listed(t));
  CHECK(grown.width == 0);  // a walk copies no settings

  Forest<D> shorter = forest();
  shorter.layers.pop_back();
  CHECK_THROWS_WITH_AS(for_each_leaf([](const Path&, const D&, const D&) {}, t, std::as_const(shorter)),
                       "tree: layers has 2 and 1 entries", ShapeError);
  CHECK_THROWS_AS(for_each_leaf([](const Path&, const D&, D&) {}, std::as_const(shorter), grown), ShapeError);
}

TEST_CASE("tree: types of leaves, and of trees of other leaves") {
  static_assert(Tree<D> && Tree<std::vector<D>> && Tree<const Forest<D>> && Tree<StoredTensor>);
  static_assert(!Tree<int> && !Tree<std::string> && !Tree<std::map<int, D>>);
  static_assert(std::is_same_v<leaf_t<Forest<D>>, D>);
  static_assert(std::is_same_v<leaf_t<const std::vector<Leafy<StoredTensor>>>, StoredTensor>);
  static_assert(std::is_same_v<leaf_t<std::pair<D, Leafy<D>>>, D>);
  static_assert(std::is_same_v<rebind_t<StoredTensor, std::vector<Forest<D>>>, std::vector<Forest<StoredTensor>>>);
  static_assert(std::is_same_v<rebind_t<D, std::tuple<StoredTensor, int>>, std::tuple<D, int>>);
}
