// LeNet: derivatives by its weights.
#include <doctest/doctest.h>

#include "tenzo/autodiff/check.hpp"
#include "tenzo/models/lenet.hpp"
#include "tenzo/nn/init.hpp"

using namespace tenzo;

TEST_CASE("lenet: derivatives by its weights") {
  const LeNetConfig tiny{.channels = 2, .image = {16, 17}, .classes = 3, .first = 2, .second = 3, .hidden = 4};
  const auto m = initialised<double>(lenet_spec(tiny), 4);
  const auto x = random_uniform<double>({2, 2, 16, 17}, initial_key(7, 0), -1, 1);
  const auto report = check_gradients([&](const auto& q) { return q(x); }, m, {.probes = 24});
  CHECK_MESSAGE(report.passed(), report);
  CHECK(m(Tensor<double>(Shape{0, 2, 16, 17})).shape() == Shape{0, 3});
  CHECK_THROWS_AS(m(Tensor<double>(Shape{1, 1, 16, 17})), ShapeError);
}
