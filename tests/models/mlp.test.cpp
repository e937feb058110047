// The perceptron: what it is made of, what it computes, its derivatives, and that it learns.
#include "tenzo/models/mlp.hpp"

#include <doctest/doctest.h>

#include "classifiers.hpp"
#include "tenzo/autodiff/check.hpp"
#include "tenzo/train/classifier.hpp"

using namespace tenzo;

TEST_CASE("mlp: its leaves") {
  CHECK(leaves_of(mlp_spec({})) ==
        "layers.0.weight (64, 784)\nlayers.0.bias (64)\nlayers.1.weight (10, 64)\nlayers.1.bias (10)\n");
  CHECK(count_elements(mlp_spec({.widths = {64, 64, 10}})) == 64 * 65 + 10 * 65);
  CHECK_THROWS_WITH_AS(mlp_spec({.widths = {3}}), "mlp: 1 widths; want the input's, hidden ones, the scores'",
                       ValueError);
  CHECK_THROWS_AS(mlp_spec({.widths = {3, 0, 2}}), ValueError);
}

TEST_CASE("mlp: relu between its layers, none after the last; images are vectors") {
  auto m = initialised<double>(mlp_spec({.widths = {2, 2, 1}}), 1);
  m.layers[0].weight = Tensor<double>::from({2, 2}, {1, 2, 3, -4});
  m.layers[0].bias = Tensor<double>::from({2}, {0.5, 0.5});
  m.layers[1].weight = Tensor<double>::from({1, 2}, {-2, 7});
  m.layers[1].bias = Tensor<double>::from({1}, {0.25});
  const auto x = Tensor<double>::from({2, 1, 1, 2}, {1, 1, 2, 1});  // hidden: 3.5, −0.5 → 0; 4.5, 2.5
  const auto y = m(x);
  CHECK(y.shape() == Shape{2, 1});
  CHECK(y(0) == -2 * 3.5 + 0.25);
  CHECK(y(1) == -2 * 4.5 + 7 * 2.5 + 0.25);
  CHECK(m(Tensor<double>(Shape{0, 2})).shape() == Shape{0, 1});
  CHECK_THROWS_AS(m(Tensor<double>(Shape{2, 3})), ShapeError);
  CHECK_THROWS_WITH_AS(m(Tensor<double>(Shape{2})), "mlp: x is (2); want (n, ...)", ShapeError);
}

TEST_CASE("mlp: derivatives by its weights") {
  const auto m = initialised<double>(mlp_spec({.widths = {5, 4, 3}}), 2);
  const auto x = random_uniform<double>({6, 5}, initial_key(5, 1), -1, 1);
  const auto report = check_gradients([&](const auto& q) { return q(x); }, m);
  CHECK_MESSAGE(report.passed(), report);
}

TEST_CASE("mlp: learns") {
  const Samples<float> train = bars(300, 8, 1), test = bars(96, 8, 2);
  auto m = initialised<float>(mlp_spec({.widths = {64, 32, 3}}), 3);
  CHECK(accuracy(m, test) < 0.6);
  train_(m, train, {.epochs = 20, .batch = 32});
  CHECK(accuracy(m, train) > 0.99);
  CHECK(accuracy(m, test) > 0.9);
}

TEST_CASE("train: the step size rises over the warm-up") {
  const Samples<float> s = bars(40, 8, 1);
  const auto before = initialised<float>(mlp_spec({.widths = {64, 8, 3}}), 3);
  auto at_once = clone(before), rising = clone(before);
  const TrainOptions one_step{.epochs = 1, .batch = 40, .sgd = {.lr = 0.1}, .schedule = Schedule::Kind::constant};
  TrainOptions slowly = one_step;
  slowly.warmup = 2;  // of one step each
  train_(at_once, s, one_step);
  train_(rising, s, slowly);
  const auto moved = sub(at_once.layers[0].weight, before.layers[0].weight),
             half = sub(rising.layers[0].weight, before.layers[0].weight);
  CHECK(norm(moved) > 0);
  CHECK(norm(sub(scale(moved, 0.5), half)) < 1e-5 * norm(moved));
}
