// Shapes: counts, axes, broadcasting, and what impossible ones say.
#include "tenzo/core/shape.hpp"

#include <doctest/doctest.h>

#include <sstream>

using namespace tenzo;

TEST_CASE("shape: counts and axes from both ends") {
  const Shape s{2, 3, 4};
  CHECK(s.rank() == 3);
  CHECK(s.numel() == 24);
  CHECK(s[1] == 3);
  CHECK(s.dim(-1) == 4);
  CHECK(s.dim(-3) == 2);
  CHECK(s.outer(1) == 2);
  CHECK(s.inner(1) == 4);
  CHECK(s.outer(0) == 1);
  CHECK(s.inner(2) == 1);
  CHECK_THROWS_WITH_AS(s.dim(3), "axis 3 of a tensor of rank 3", ShapeError);
  CHECK_THROWS_AS(s.dim(-4), ShapeError);
  CHECK(Shape{}.numel() == 1);
  CHECK(Shape{0, 5}.numel() == 0);
  CHECK_THROWS_AS(Shape{}.dim(0), ShapeError);
}

TEST_CASE("shape: changed copies") {
  const Shape s{2, 3, 4};
  CHECK(s.with(-1, 9) == Shape{2, 3, 9});
  CHECK(s.without(0) == Shape{3, 4});
  CHECK(s.without(-1) == Shape{2, 3});
  CHECK(s.inserted(0, 7) == Shape{7, 2, 3, 4});
  CHECK(s.inserted(3, 7) == Shape{2, 3, 4, 7});
  CHECK(Shape{}.inserted(0, 1) == Shape{1});
  Shape grown;
  for (int i = 0; i < Shape::max_rank; ++i) grown.push_back(1);
  CHECK_THROWS_WITH_AS(grown.push_back(1), "shape: at most 8 axes", ShapeError);
  CHECK_THROWS_AS(grown.inserted(0, 1), ShapeError);
}

TEST_CASE("shape: equal only with equal rank and extents") {
  CHECK(Shape{2, 3} == Shape{2, 3});
  CHECK_FALSE(Shape{2, 3} == Shape{3, 2});
  CHECK_FALSE(Shape{2} == Shape{2, 1});
  CHECK_FALSE(Shape{} == Shape{1});
}

TEST_CASE("shape: what can not be is a sentence") {
  CHECK_THROWS_WITH_AS((Shape{2, -1}), "shape: axis 1 has negative size -1", ShapeError);
  CHECK_THROWS_WITH_AS((Shape{1, 1, 1, 1, 1, 1, 1, 1, 1}), "shape: 9 axes; at most 8", ShapeError);
  CHECK_THROWS_WITH_AS((Shape{std::int64_t(1) << 32, std::int64_t(1) << 32}), "shape: more elements than 64 bits count",
                       ShapeError);
}

TEST_CASE("shape: strides are row-major") {
  const auto s = strides_of({2, 3, 4});
  CHECK(s[0] == 12);
  CHECK(s[1] == 4);
  CHECK(s[2] == 1);
}

TEST_CASE("shape: broadcasting aligns at the end and stretches ones") {
  CHECK(broadcast_shapes({2, 3}, {3}) == Shape{2, 3});
  CHECK(broadcast_shapes({3}, {2, 1}) == Shape{2, 3});
  CHECK(broadcast_shapes({}, {2, 3}) == Shape{2, 3});
  CHECK(broadcast_shapes({4, 1, 5}, {3, 1}) == Shape{4, 3, 5});
  CHECK(broadcast_shapes({1}, {0}) == Shape{0});
  CHECK(broadcast_shapes({0, 1}, {1, 4}) == Shape{0, 4});
  CHECK_THROWS_WITH_AS(broadcast_shapes({2, 3}, {2}), "shapes (2, 3) and (2) do not broadcast", ShapeError);
  CHECK_THROWS_AS(broadcast_shapes({0}, {2}), ShapeError);
}

TEST_CASE("shape: printed as a tuple") {
  std::ostringstream text;
  text << Shape{2, 3} << Shape{} << Shape{7};
  CHECK(text.str() == "(2, 3)()(7)");
}
