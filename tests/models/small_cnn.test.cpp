// Small convolutional networks: what they are made of, both passes, and that they learn.
#include "tenzo/models/small_cnn.hpp"

#include <doctest/doctest.h>

#include "classifiers.hpp"
#include "tenzo/train/classifier.hpp"

using namespace tenzo;

namespace {

const SmallCnnConfig tiny{.channels = 2, .image = {5, 6}, .classes = 3, .blocks = {3, 2}, .norm = true, .hidden = {4}};

Tensor<double> images(std::int64_t n) { return random_uniform<double>({n, 2, 5, 6}, initial_key(7, 0), -1, 1); }

}  // namespace

TEST_CASE("small_cnn: its leaves") {
  CHECK(leaves_of(small_cnn_spec({})) ==
        "blocks.0.conv.weight (16, 1, 3, 3)\nblocks.0.conv.bias (16)\n"
        "blocks.1.conv.weight (32, 16, 3, 3)\nblocks.1.conv.bias (32)\n"
        "fc.0.weight (10, 1568)\nfc.0.bias (10)\n");
  CHECK(leaves_of(small_cnn_spec(tiny)) ==
        "blocks.0.conv.weight (3, 2, 3, 3)\nblocks.0.bn.weight (3)\nblocks.0.bn.bias (3)\n"
        "blocks.0.bn.running_mean (3)\nblocks.0.bn.running_var (3)\n"
        "blocks.1.conv.weight (2, 3, 3, 3)\nblocks.1.bn.weight (2)\nblocks.1.bn.bias (2)\n"
        "blocks.1.bn.running_mean (2)\nblocks.1.bn.running_var (2)\n"
        "fc.0.weight (4, 2)\nfc.0.bias (4)\nfc.1.weight (3, 4)\nfc.1.bias (3)\n");
  // What can be pruned of the network on digits of 32 x 32 pixels.
  const auto spec = small_cnn_spec({.image = {32, 32}, .classes = 20, .blocks = {16, 32, 64}, .norm = true});
  std::int64_t prunable = 0;
  for_each_leaf([&](const Path&, const auto& l) { prunable += l.shape().rank() > 1 ? l.shape().numel() : 0; }, spec);
  CHECK(prunable == 43664);
}

TEST_CASE("small_cnn: sizes that do not go are a sentence") {
  CHECK_THROWS_WITH_AS(small_cnn_spec({.image = {8, 3}, .blocks = {4, 4}}),
                       "small_cnn: 2 blocks halve an image of 8 x 3 to nothing", ValueError);
  CHECK_THROWS_AS(small_cnn_spec({.classes = 0}), ValueError);
  CHECK_THROWS_AS(small_cnn_spec({.blocks = {-1}}), ValueError);
  CHECK_THROWS_AS(small_cnn_spec({.hidden = {0}}), ValueError);
  CHECK_NOTHROW(small_cnn_spec({.image = {8, 3}, .blocks = {4, 4}, .pool = false}));
  const auto m = initialised<double>(small_cnn_spec(tiny), 1);
  CHECK_THROWS_AS(m(Tensor<double>(Shape{1, 3, 5, 6})), ShapeError);
  CHECK(m(Tensor<double>(Shape{0, 2, 5, 6})).shape() == Shape{0, 3});
}

TEST_CASE("small_cnn: running statistics go to those of the data, and then both passes agree") {
  const auto x = images(64);
  auto m = initialised<double>(small_cnn_spec(tiny), 2);
  BatchStatistics<Tensor<double>> statistics;
  const auto training = m(x, &statistics);
  REQUIRE(statistics.size() == 2);
  CHECK(statistics[0].count == 64 * 5 * 6);
  CHECK(statistics[1].count == 64 * 2 * 3);
  CHECK(apart(m(x), training) > 0.01);
  m.update_running_(statistics);
  const auto& b = m.blocks[1].bn;  // once: 0.9 · 0 + 0.1 mean, 0.9 · 1 + 0.1 variance by n − 1
  CHECK(b.running_mean(0) == doctest::Approx(0.1 * statistics[1].mean(0)).epsilon(1e-12));
  CHECK(b.running_var(1) == doctest::Approx(0.9 + 0.1 * statistics[1].variance(1) * 384 / 383).epsilon(1e-12));
  for (int i = 0; i < 300; ++i) m.update_running_(statistics);
  // What is left: n − 1 in place of n, 0.3 % of the variance of the second norm.
  CHECK(apart(m(x), training) < 0.01);
}

TEST_CASE("small_cnn: learns with norms and without") {
  const Samples<float> train = bars(240, 8, 1), test = bars(96, 8, 2);
  for (const bool norm : {false, true}) {
    auto m = initialised<float>(small_cnn_spec({.image = {8, 8}, .classes = 3, .blocks = {8, 16}, .norm = norm}), 3);
    train_(m, train, {.epochs = 12, .batch = 16, .sgd = {.lr = 0.05, .momentum = 0.9}});
    CHECK(accuracy(m, train) > 0.99);
    CHECK(accuracy(m, test) > 0.95);
  }
}
