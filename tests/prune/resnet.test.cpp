// Pruning of a network with shortcuts.
#include <doctest/doctest.h>

#include <cmath>

#include "tenzo/models/resnet.hpp"
#include "tenzo/nn/init.hpp"
#include "tenzo/prune/sparse_model.hpp"
#include "tenzo/prune/synflow.hpp"

using namespace tenzo;
using namespace tenzo::prune;

TEST_CASE("resnet: SynFlow's mask on sparse weights; a branch that would be emptied is refused") {
  const auto net = initialised<float>(resnet_spec({.width = 4, .classes = 5, .blocks = {1, 1}, .cifar_stem = true}), 1);
  const auto mask = synflow_mask(net, Shape{3, 16, 16}, 0.3, 20);
  const auto x = random_uniform<float>({2, 3, 16, 16}, initial_key(1, 7), 0, 1);
  const Tensor<float> sparse = sparse_model(net, mask)(lift<Sparse<float>>(x)), want = masked(net, mask)(x);
  REQUIRE(sparse.shape() == want.shape());
  for (std::int64_t i = 0; i < want.size(); ++i) CHECK(std::abs(sparse(i) - want(i)) < 1e-5f);
  CHECK_THROWS_AS(synflow_mask(net, Shape{3, 16, 16}, 0.02, 20), ValueError);
}
