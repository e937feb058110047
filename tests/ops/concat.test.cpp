// Concatenation, stacking and splitting.
#include "tenzo/ops/concat.hpp"

#include "tenzo/ops/elementwise.hpp"
#include "values.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

std::vector<Doubles> parts(std::size_t n, int axis) {
  std::vector<Doubles> x;
  for (std::size_t k = 0; k < n; ++k) x.push_back(arbitrary(Shape{3, 2, 4}.with(axis, std::int64_t(k % 4)), k + 1));
  return x;
}

}  // namespace

TEST_CASE("concat: any number of parts along any axis, empty ones too; split takes them apart") {
  for (const std::size_t n : {1, 2, 7, 8, 9, 64, 65, 130})
    for (const int axis : {0, 1, 2}) {
      const auto x = parts(n, axis);
      const Doubles y = concat(x, axis);
      std::vector<std::int64_t> lengths;
      for (const Doubles& v : x) lengths.push_back(v.dim(axis));
      const auto back = split(y, lengths, axis - 3);
      REQUIRE(back.size() == n);
      bool all = true;
      for (std::size_t k = 0; k < n; ++k) all = all && same(back[k], x[k]);
      CHECK(all);
    }
}

TEST_CASE("concat, stack, chunk: values and sharing") {
  const Doubles a = arbitrary({2, 3}, 1), b = arbitrary({2, 3}, 2);
  const Doubles rows = concat(a, b, 0), columns = concat(a, b, -1), stacked = stack(std::vector{a, b}, -1);
  CHECK(rows.shape() == Shape{4, 3});
  CHECK(columns(1, 4) == b(1, 1));
  CHECK(stacked.shape() == Shape{2, 3, 2});
  CHECK(stacked.data()[2 * (1 * 3 + 2) + 1] == b(1, 2));
  const auto halves = chunk(rows, 3, 0);
  REQUIRE(halves.size() == 2);
  CHECK(halves[0].dim(0) == 2);
  CHECK(halves[1].data() == rows.data() + 6);
  CHECK(chunk(a, 2, 1)[1].shape() == Shape{2, 1});
}

TEST_CASE("concat: what does not fit is a sentence") {
  CHECK_THROWS_WITH_AS(concat(arbitrary({2, 3}), arbitrary({3, 4}), 0),
                       "concat: (2, 3) and (3, 4) differ in more than axis 0", ShapeError);
  CHECK_THROWS_AS(concat(std::vector<Doubles>{}, 0), ShapeError);
  CHECK_THROWS_WITH_AS(split(arbitrary({5}), {2, 2}, 0), "split: lengths sum to 4, axis 0 of (5) has 5", ShapeError);
  CHECK_THROWS_AS(chunk(arbitrary({5}), 0, 0), ValueError);
}

TEST_CASE("concat and split differentiate in every mode, parts with and without gradients") {
  const Doubles constant = arbitrary({2, 2}, 9);
  const auto f = [&](const auto& x) {
    using V = std::remove_cvref_t<decltype(x[0])>;
    std::vector<V> level;
    for (int k = 0; k < 5; ++k) {
      level.push_back(x[0]);
      level.push_back(square(x[1]));
      level.push_back(lift<V>(constant));
    }
    const V joined = concat(level, 1);
    const auto apart = split(joined, {3, 1, 10, joined.shape()[1] - 14}, 1);
    return mul(apart[2], apart[2]);  // the other parts have no cotangent
  };
  check_modes(f, std::vector<Doubles>{arbitrary({2, 3}, 4), arbitrary({2, 1}, 5)});
}
