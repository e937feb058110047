// Pruning of the toolkit's small convolutional network, of which nothing in the room knows.
#include <doctest/doctest.h>

#include <cmath>

#include "tenzo/models/small_cnn.hpp"
#include "tenzo/nn/init.hpp"
#include "tenzo/prune/channels.hpp"
#include "tenzo/prune/scores.hpp"
#include "tenzo/prune/sparse_model.hpp"
#include "tenzo/prune/structured.hpp"
#include "tenzo/prune/synflow.hpp"
#include "tenzo/prune/wanda.hpp"

using namespace tenzo;
using namespace tenzo::prune;

namespace {

void check_near(const Tensor<float>& a, const Tensor<float>& b) {
  REQUIRE(a.shape() == b.shape());
  for (std::int64_t i = 0; i < a.size(); ++i) CHECK(std::abs(a(i) - b(i)) < 1e-5f);
}

}  // namespace

TEST_CASE("small cnn: channels taken out, sparse weights, SynFlow, Wanda; with and without norms") {
  for (const bool norm : {true, false}) {
    const auto net = initialised<float>(
        small_cnn_spec({.image = {32, 32}, .classes = 20, .blocks = {16, 32, 64}, .norm = norm, .hidden = {12}}), 1);
    const auto links = chain_links(net);
    REQUIRE(links.size() == 4);
    CHECK(links[2].from == "blocks.2.conv");
    CHECK(links[2].norms.size() == (norm ? 1 : 0));
    CHECK(links[2].to == "fc.0");
    auto scores = magnitude_scores(net);
    scores.fc.back().weight = {};
    auto mask = structured_mask(scores, Group::output, {.scope = Scope::per_leaf, .ties = Ties::exact});
    mask.fc.back().weight = Tensor<std::uint8_t>::ones(net.fc.back().weight.shape());
    const auto c = compacted(net, mask, links);
    CHECK(c.widths == std::vector<std::int64_t>{8, 16, 32, 6});
    const auto x = random_uniform<float>({5, 1, 32, 32}, initial_key(1, 7), 0, 1);
    const Tensor<float> want = masked(net, c.mask)(x);
    check_near(c.model(x), want);
    check_near(sparse_model(net, c.mask)(x), want);

    const std::int64_t all = density(dense_mask(net)).total;
    CHECK(density(synflow_mask(net, Shape{1, 32, 32}, 0.02, 10)).kept == all - pruned_count(0.02, all));
    const auto by_input = wanda_scores(net, x);
    CHECK(density(largest(by_input, {.density = 0.5, .scope = Scope::per_row})).total == all);
  }
}
