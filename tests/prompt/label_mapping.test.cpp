// Label mapping: the golden case, ties, random mappings, counts of a network, what can not be mapped.
#include "tenzo/prompt/label_mapping.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

using namespace tenzo;
using namespace tenzo::prompt;

namespace {
using I = Tensor<std::int64_t>;
}

TEST_CASE("label mapping: a case by hand") {
  CHECK(frequent_mapping(I::from({4, 2}, {5, 4, 6, 5, 0, 3, 1, 1})) == Mapping{1, 0});
}

TEST_CASE("label mapping: ties go row by row; counts of zero still map every class, each to another") {
  CHECK(frequent_mapping(I::from({3, 2}, {2, 2, 2, 2, 0, 0})) == Mapping{0, 1});
  CHECK(frequent_mapping(I::from({3, 2}, {0, 2, 2, 2, 0, 0})) == Mapping{1, 0});
  CHECK(frequent_mapping(I::zeros({4, 3})) == Mapping{0, 1, 2});
  CHECK(frequent_mapping(I::from({1, 1}, {0})) == Mapping{0});
}

TEST_CASE("label mapping: counts by guess and label, of a network's scores, too") {
  const I k = mapping_counts(I::from({5}, {0, 2, 2, 1, 2}), I::from({5}, {0, 1, 1, 0, 0}), 3, 2);
  CHECK(std::equal(k.values().begin(), k.values().end(), std::begin({1, 0, 1, 0, 1, 2})));
  const Samples<float> s{Tensor<float>::from({2, 3}, {0, 1, 0, 3, 2, 1}), I::from({2}, {1, 0}), 2};
  const I of_scores = mapping_counts([](const Tensor<float>& x) { return x; }, s);
  CHECK(std::equal(of_scores.values().begin(), of_scores.values().end(), std::begin({1, 0, 0, 1, 0, 0})));
}

TEST_CASE("label mapping: random ones name different classes, are functions of the seed and differ between seeds") {
  std::set<Mapping> seen;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Mapping m = random_mapping(20, 10, seed);
    CHECK(m == random_mapping(20, 10, seed));
    CHECK(std::set<std::int64_t>(m.begin(), m.end()).size() == 10);
    check_mapping(m, 20);
    seen.insert(m);
  }
  CHECK(seen.size() == 20);
}

TEST_CASE("label mapping: what can not be is a sentence") {
  CHECK_THROWS_WITH_AS(random_mapping(3, 4, 1), "label mapping: 4 classes on 3 scores; want at most as many",
                       ValueError);
  CHECK_THROWS_AS(frequent_mapping(I::zeros({2, 3})), ShapeError);
  CHECK_THROWS_AS(mapping_counts(I::from({1}, {3}), I::from({1}, {0}), 3, 2), ValueError);
  CHECK_THROWS_AS(mapping_counts(I::from({1}, {0}), I::from({1}, {2}), 3, 2), ValueError);
  CHECK_THROWS_WITH_AS(check_mapping({1, 1}, 3), "label mapping: source class 1 stands for two classes", ValueError);
  CHECK_THROWS_WITH_AS(check_mapping({1, 3}, 3), "label mapping: source class 3 of 3", ValueError);
}
