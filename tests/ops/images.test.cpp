// Convolution, pooling and resampling as primitives: closed under differentiation, right in every mode.
#include "tenzo/ops/conv.hpp"
#include "tenzo/ops/elementwise.hpp"
#include "tenzo/ops/pool.hpp"
#include "tenzo/ops/resample.hpp"
#include "values.hpp"

using namespace tenzo;
using namespace tenzo::test;

namespace {

const auto conv = [](ConvSettings s) {
  return [s](const auto& v) { return mul(conv2d(v[0], v[1], v[2], s), conv2d(square(v[0]), v[1], v[2], s)); };
};

}  // namespace

TEST_CASE("conv2d: in every mode, with stride, padding, dilation, groups, with and without a bias") {
  check_modes(conv({{2, 1}, {1, 2}, {1, 2}, 2}),
              std::vector<Doubles>{arbitrary({2, 4, 5, 4}), arbitrary({2, 2, 3, 2}, 2), arbitrary({2}, 3)});
  check_modes(conv({}), std::vector<Doubles>{arbitrary({1, 1, 3, 3}), arbitrary({2, 1, 2, 2}, 2), Doubles{}});
}

TEST_CASE("conv_transpose2d: in every mode, and the adjoint of conv2d") {
  const ConvSettings s{{2, 3}, {1, 0}, {1, 2}, 2};
  const auto f = [&](const auto& v) { return square(conv_transpose2d(v[0], v[1], v[2], s, {1, 0})); };
  check_modes(f, std::vector<Doubles>{arbitrary({2, 4, 3, 2}), arbitrary({4, 1, 3, 2}, 2), arbitrary({2}, 3)});

  const Doubles x = arbitrary({2, 4, 6, 7}), w = arbitrary({6, 2, 3, 2}, 2);
  const Doubles y = conv2d(x, w, Doubles{}, s), g = arbitrary(y.shape(), 4);
  const Doubles back = conv_transpose2d(g, w, Doubles{}, s, {1, 1});
  CHECK(back.shape() == x.shape());
  CHECK(dot(y, g).item() == doctest::Approx(dot(x, back).item()).epsilon(1e-12));
}

TEST_CASE("conv2d: what does not fit is a sentence; an empty batch") {
  CHECK_THROWS_WITH_AS(conv2d(arbitrary({2, 3}), arbitrary({1, 1, 1, 1})), "conv2d: x is (2, 3); want 4 axes",
                       ShapeError);
  CHECK_THROWS_AS(conv2d(arbitrary({1, 2, 3, 3}), arbitrary({4, 2, 1, 1}), arbitrary({3})), ShapeError);
  CHECK(conv2d(Doubles::zeros({0, 2, 3, 3}), arbitrary({4, 2, 2, 2})).shape() == Shape{0, 4, 2, 2});
}

TEST_CASE("pooling: in every mode, on any number of leading axes") {
  PoolSettings s{{3, 2}, {2, 1}, {1, 1}};
  check_modes([&](const auto& x) { return square(max_pool2d(x, s)); }, arbitrary({2, 2, 5, 4}));
  check_modes([&](const auto& x) { return square(avg_pool2d(x, s)); }, arbitrary({2, 5, 4}));
  s.count_include_pad = false;
  check_modes([&](const auto& x) { return square(avg_pool2d(x, s)); }, arbitrary({5, 4}));
  check_modes([](const auto& x) { return square(adaptive_avg_pool2d(x, {3, 2})); }, arbitrary({1, 2, 5, 4}));
  CHECK(same(adaptive_avg_pool2d(arbitrary({1, 1, 4, 6}), {2, 3}), avg_pool2d(arbitrary({1, 1, 4, 6}), {})));
  CHECK_THROWS_AS(max_pool2d(arbitrary({4}), s), ShapeError);
  CHECK_THROWS_AS(adaptive_avg_pool2d(arbitrary({2, 2}), {0, 1}), ValueError);
  s.dilation = {2, 2};
  CHECK_THROWS_AS(avg_pool2d(arbitrary({9, 9}), s), ValueError);
}

TEST_CASE("max_pool2d: the recorded value is the plain one, and ties go to the first") {
  const Doubles x = Doubles::from({2, 2}, {1, 1, 1, 1});
  const auto f = [](const auto& v) { return max_pool2d(v, PoolSettings{}); };
  const auto r = vjp(f, x, Doubles::ones({1, 1}));
  CHECK(r.value.item() == 1);
  CHECK(same(r.grad, Doubles::from({2, 2}, {1, 0, 0, 0})));
}

TEST_CASE("resampling: in every mode, up and down") {
  for (const auto how : {Interpolation::nearest, Interpolation::bilinear, Interpolation::bilinear_aligned}) {
    check_modes([&](const auto& x) { return square(resample2d(x, {5, 2}, how)); }, arbitrary({2, 3, 4}));
    CHECK(distance(resample2d(Doubles::full({2, 3}, 7), {5, 6}, how), Doubles::full({5, 6}, 7)) < 1e-14);
  }
  CHECK_THROWS_AS(resample2d(arbitrary({2, 2}), {0, 2}, Interpolation::nearest), ShapeError);
}
