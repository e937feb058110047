// Reshape, permute, slice, pad against their definitions by index.
#include "tenzo/ops/shape_ops.hpp"

#include <algorithm>

#include "values.hpp"

using namespace tenzo;
using namespace tenzo::test;

TEST_CASE("permute: every order of every odd shape") {
  for (const Shape& shape : {Shape{3, 1, 5, 2}, Shape{2, 3, 4, 1}, Shape{1, 1, 7, 3}, Shape{4, 0, 2, 3}}) {
    const Doubles x = arbitrary(shape);
    std::vector<int> order{0, 1, 2, 3};
    do {
      const Doubles y = permute(x, Axes(order));
      const Doubles want = made(y.shape(), [&](const Index& i) {
        Index source(4);
        for (std::size_t a = 0; a < 4; ++a) source[std::size_t(order[a])] = i[a];
        return at(x, source);
      });
      CHECK(same(y, want));
    } while (std::next_permutation(order.begin(), order.end()));
  }
}

TEST_CASE("permute: large planes on threads, and its adjoint undoes it") {
  const Tensor<float> x = arbitrary<float>({37, 3, 65, 130});
  const Tensor<float> y = permute(x, {2, 1, 3, 0}), z = permute(y, {3, 1, 0, 2});
  CHECK(same(x, z));
  CHECK(y(5 * 3 * 130 * 37 + 2 * 130 * 37 + 7 * 37 + 11) == x(11 * 3 * 65 * 130 + 2 * 65 * 130 + 5 * 130 + 7));
  const Tensor<float> back = vjp([](const auto& v) { return permute(v, {2, 1, 3, 0}); }, x, y).grad;
  CHECK(same(back, x));
}

TEST_CASE("transpose, squeeze, unsqueeze, flatten, reshape") {
  const Doubles x = arbitrary({2, 3, 4});
  CHECK(same(transpose(x), permute(x, {0, 2, 1})));
  CHECK(same(transpose(x, 0, -1), permute(x, {2, 1, 0})));
  CHECK(unsqueeze(x, -1).shape() == Shape{2, 3, 4, 1});
  CHECK(unsqueeze(x, 0).shape() == Shape{1, 2, 3, 4});
  CHECK(squeeze(unsqueeze(x, 1), 1).shape() == x.shape());
  CHECK(flatten(x).shape() == Shape{24});
  CHECK(reshape(x, {4, -1}).shape() == Shape{4, 6});
  CHECK_THROWS_WITH_AS(reshape(x, {5, 5}), "reshape: (2, 3, 4) has other elements than (5, 5)", ShapeError);
  CHECK_THROWS_AS(reshape(x, {-1, -1}), ShapeError);
  CHECK_THROWS_AS(permute(x, {0, 1}), ShapeError);
  CHECK_THROWS_AS(permute(x, {0, 1, 1}), ShapeError);
  CHECK_THROWS_AS(squeeze(x, 0), ShapeError);
}

TEST_CASE("reshape, slices of the front and moved axes of one element share the elements") {
  const Doubles x = arbitrary({4, 1, 6});
  CHECK(reshape(x, {6, 4}).data() == x.data());
  CHECK(slice(x, 0, 1, 3).data() == x.data() + 6);
  CHECK(slice(x, 0, 0, 4).data() == x.data());
  CHECK(permute(x, {1, 0, 2}).data() == x.data());
  CHECK(slice(slice(x, 0, 2, 3), 2, 1, 4).data() == x.data() + 13);
  CHECK(slice(x, 2, 0, 3).data() != x.data());
}

TEST_CASE("slice: starts, stops and steps as in Python") {
  const Doubles x = arbitrary({3, 7, 2});
  for (const std::int64_t start : {-9, -3, 0, 2, 8})
    for (const std::int64_t stop : {-9, -2, 0, 5, 9})
      for (const std::int64_t step : {1, 2, 3}) {
        const std::int64_t b = std::clamp<std::int64_t>(start < 0 ? start + 7 : start, 0, 7);
        const std::int64_t e = std::clamp<std::int64_t>(stop < 0 ? stop + 7 : stop, 0, 7);
        const Shape out{3, e > b ? (e - b + step - 1) / step : 0, 2};
        const Doubles want = made(out, [&](const Index& i) { return at(x, {i[0], b + i[1] * step, i[2]}); });
        CHECK(same(slice(x, 1, start, stop, step), want));
      }
  CHECK_THROWS_WITH_AS(slice(x, 1, 0, 3, 0), "slice: step is 0; want at least 1", ValueError);
  CHECK_THROWS_AS(slice(x, 3, 0, 1), ShapeError);
}

TEST_CASE("pad: a border of a number, along any axes") {
  const Doubles x = arbitrary({2, 3, 2});
  const Doubles y = pad(x, {{-1, 1, 2}, {0, 2, 0}}, 0.5);
  const Doubles want = made({4, 3, 5}, [&](const Index& i) {
    const bool inside = i[0] >= 2 && i[2] >= 1 && i[2] < 3;
    return inside ? at(x, {i[0] - 2, i[1], i[2] - 1}) : 0.5;
  });
  CHECK(same(y, want));
  CHECK(same(pad(Doubles::zeros({2, 0}), {{1, 1, 1}}, 3), Doubles::full({2, 2}, 3)));
  CHECK_THROWS_AS(pad(x, {{0, -1, 0}}), ValueError);
}

TEST_CASE("shape operations differentiate in every mode") {
  const auto f = [](const auto& x) {
    const auto a = permute(pad(slice(x, 1, 1, 5, 2), {{0, 1, 0}, {-1, 0, 2}}, 0.3), {2, 0, 1});
    return mul(square(a), flatten(exp(slice(slice(x, 0, 1, 2), 1, 0, 2))));
  };
  check_modes(f, arbitrary({2, 5, 1}));
}
