// Counts of multiply-adds: layers by hand, a network, and one without some of its channels.
#include "tenzo/prune/operations.hpp"

#include <doctest/doctest.h>

#include "net.hpp"
#include "tenzo/prune/channels.hpp"

using namespace tenzo;
using namespace tenzo::prune;
using namespace tenzo::test;

TEST_CASE("operations: of a linear layer and of convolutions, by hand") {
  using F = Tensor<float>;
  const auto linear = random_linear<float>(5, 3, initial_key(1, 0));
  CHECK(operations(linear, F::ones({4, 5})) == 4 * 5 * 3);
  Conv2d<F> conv;
  conv.weight = F::ones({6, 2, 3, 3});  // two groups of two inputs
  conv.settings.padding = {1, 1};
  conv.settings.stride = {2, 2};
  conv.settings.groups = 2;
  CHECK(operations(conv, F::ones({1, 4, 8, 8})) == 6 * 4 * 4 * 2 * 9);
}

TEST_CASE("operations: of a network, and of it without half of its first channels") {
  const auto net = conv_net<float>(1, 4);
  const auto x = Tensor<float>::ones({2, 1, 8, 8});
  const std::int64_t whole = 2 * (64 * 4 * 9 + 16 * 6 * 4 * 9 + 24 * 3);
  CHECK(operations(net, x) == whole);
  const auto links = chain_links(net);
  CHECK(operations(without_channels(net, links.front(), {0, 2}), x) == 2 * (64 * 2 * 9 + 16 * 6 * 2 * 9 + 24 * 3));
  CHECK(operations(net, x.rows(0, 1)) == whole / 2);
}
