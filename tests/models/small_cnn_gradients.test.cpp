// Small convolutional networks: all derivatives by their weights.
#include <doctest/doctest.h>

#include "tenzo/autodiff/check.hpp"
#include "tenzo/models/small_cnn.hpp"
#include "tenzo/nn/init.hpp"

using namespace tenzo;

TEST_CASE("small_cnn: derivatives by its weights, with batch statistics and without norms") {
  const auto x = random_uniform<double>({4, 2, 5, 6}, initial_key(7, 0), -1, 1);
  const SmallCnnConfig tiny{
      .channels = 2, .image = {5, 6}, .classes = 3, .blocks = {3, 2}, .norm = true, .hidden = {4}};
  SmallCnnConfig plain = tiny;
  plain.norm = false;
  for (const auto& c : {tiny, plain}) {
    const auto m = initialised<double>(small_cnn_spec(c), 2);
    BatchStatistics<Tensor<double>> statistics;
    const auto report = check_gradients([&](const auto& q) { return q(x, &statistics); }, m, {.probes = 32});
    CHECK_MESSAGE(report.passed(), report);
  }
}
