// Reading and adding by positions.
#include "tenzo/ops/index.hpp"

#include "tenzo/core/parallel.hpp"
#include "tenzo/ops/reduce.hpp"
#include "values.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

Indices positions(const Shape& shape, std::int64_t n, std::uint64_t seed = 1) {
  Indices t(shape);
  for (std::int64_t i = 0; i < t.size(); ++i) t(i) = std::int64_t(philox4x32({std::uint32_t(i), 1, 2, 3}, seed)[1]) % n;
  return t;
}

/// Σ a b, for adjoints.
double inner(const Doubles& a, const Doubles& b) { return dot(a, b).item(); }

}  // namespace

TEST_CASE("index_select and index_add: by definition, and adjoint") {
  for (const Shape& shape : {Shape{5, 3, 130}, Shape{2, 7, 1}, Shape{1, 1, 4}})
    for (const int axis : {0, 1, 2}) {
      const std::int64_t n = shape[axis];
      const Doubles x = arbitrary(shape, 2);
      const Indices index = positions({6}, n);
      const Doubles y = index_select(x, axis, index);
      const Doubles want = made(shape.with(axis, 6), [&](const Index& i) {
        Index j = i;
        j[std::size_t(axis)] = index(i[std::size_t(axis)]);
        return at(x, j);
      });
      CHECK(same(y, want));
      const Doubles g = arbitrary(y.shape(), 3);
      CHECK(inner(y, g) == doctest::Approx(inner(x, index_add(g, axis, index, n))).epsilon(1e-12));
    }
}

TEST_CASE("gather and scatter_add: by definition, with a smaller index, and adjoint") {
  for (const int axis : {0, 1, 2}) {
    const Doubles x = arbitrary({4, 3, 5}, 2);
    const Indices index = positions(Shape{3, 2, 4}.with(axis, 7), x.dim(axis));
    const Doubles y = gather(x, axis, index);
    const Doubles want = made(index.shape(), [&](const Index& i) {
      Index j = i;
      j[std::size_t(axis)] = at(index, i);
      return at(x, j);
    });
    CHECK(same(y, want));
    const Doubles whole = arbitrary(index.shape().with(axis, x.dim(axis)), 4), g = arbitrary(index.shape(), 5);
    CHECK(inner(gather(whole, axis, index), g) ==
          doctest::Approx(inner(whole, scatter_add(g, axis, index, x.dim(axis)))).epsilon(1e-12));
  }
}

TEST_CASE("embedding, take, put_add") {
  const Doubles table = arbitrary({9, 4});
  const Indices ids = positions({2, 5}, 9);
  const Doubles rows = embedding(table, ids);
  CHECK(rows.shape() == Shape{2, 5, 4});
  CHECK(at(rows, {1, 3, 2}) == table(at(ids, {1, 3}), 2));
  CHECK(embedding(table, Indices(Shape{0})).shape() == Shape{0, 4});
  const Indices flat = positions({3, 2}, 36);
  const Doubles some = take(table, flat);
  CHECK(at(some, {2, 1}) == table.data()[at(flat, {2, 1})]);
  const Doubles g = arbitrary({3, 2}, 8);
  CHECK(inner(some, g) == doctest::Approx(inner(table, put_add(g, flat, table.shape()))).epsilon(1e-12));
}

TEST_CASE("indices out of range name the position") {
  const Doubles x = arbitrary({3, 4});
  CHECK_THROWS_WITH_AS(index_select(x, 1, Indices::from({3}, {0, 3, 4})),
                       "index_select: index 4 at position 2 is not in [0, 4)", ValueError);
  CHECK_THROWS_WITH_AS(embedding(x, Indices::from({1}, {-1})), "embedding: index -1 at position 0 is not in [0, 3)",
                       ValueError);
  CHECK_THROWS_AS(gather(x, 0, Indices::from({1, 1}, {3})), ValueError);
  CHECK_THROWS_AS(gather(x, 0, Indices::from({1}, {0})), ShapeError);
  CHECK_THROWS_AS(gather(x, 0, positions({1, 5}, 3)), ShapeError);
  CHECK_THROWS_AS(take(x, Indices::from({1}, {12})), ValueError);
  CHECK_THROWS_AS(index_add(x, 0, Indices::from({2}, {0, 1}), 3), ShapeError);
}

TEST_CASE("adding by index gives the same bits on one thread and on two") {
  const Tensor<float> g = arbitrary<float>({700, 200});
  const Indices index = positions({700}, 50);
  const int before = threads();
  std::vector<Tensor<float>> runs;
  for (const int n : {1, 2}) {
    set_threads(n);
    runs.push_back(index_add(g, 0, index, 50));
  }
  set_threads(before);
  CHECK(same(runs[0], runs[1]));
}

TEST_CASE("indexing differentiates in every mode") {
  const Indices rows = positions({5}, 3), cells = positions({2, 3}, 4, 9), flat = positions({4}, 12, 3);
  const auto f = [&](const auto& x) {
    const auto a = square(index_select(x, 0, rows)), b = square(gather(x, 1, cells));
    return mul(sum(a), add(sum(b, 0), take(exp(x), slice(flat, 0, 0, 3))));
  };
  check_modes(f, arbitrary({3, 4}));
  const auto g = [&](const auto& x) {
    return mul(index_add(x, 0, positions({3}, 4), 4), put_add(square(x), positions({3, 4}, 16), Shape{4, 4}));
  };
  check_modes(g, arbitrary({3, 4}));
}
