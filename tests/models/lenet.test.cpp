// LeNet: its leaves, and that it learns.
#include "tenzo/models/lenet.hpp"

#include <doctest/doctest.h>

#include "classifiers.hpp"
#include "tenzo/train/classifier.hpp"

using namespace tenzo;

TEST_CASE("lenet: its leaves, 431,080 weights") {
  CHECK(leaves_of(lenet_spec()) ==
        "conv1.weight (20, 1, 5, 5)\nconv1.bias (20)\nconv2.weight (50, 20, 5, 5)\nconv2.bias (50)\n"
        "fc1.weight (500, 800)\nfc1.bias (500)\nfc2.weight (10, 500)\nfc2.bias (10)\n");
  CHECK(count_elements(lenet_spec()) == 431080);
  CHECK_THROWS_AS(lenet_spec({.image = {15, 28}}), ValueError);
  CHECK_THROWS_AS(lenet_spec({.classes = 0}), ValueError);
}

TEST_CASE("lenet: learns") {
  const Samples<float> train = bars(240, 16, 1), test = bars(96, 16, 2);
  auto m = initialised<float>(lenet_spec({.image = {16, 16}, .classes = 3, .first = 8, .second = 8, .hidden = 32}), 3);
  train_(m, train, {.epochs = 20, .batch = 16, .sgd = {.lr = 0.03, .momentum = 0.9}});
  CHECK(accuracy(m, test) > 0.95);
}
