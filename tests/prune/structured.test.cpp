// Structured pruning: groups, their masks, and channels taken out with the same outputs.
#include "tenzo/prune/structured.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "net.hpp"
#include "tenzo/prune/channels.hpp"
#include "tenzo/prune/scores.hpp"

using namespace tenzo;
using namespace tenzo::prune;
using namespace tenzo::test;

namespace {

using D = Tensor<double>;
using U = Tensor<std::uint8_t>;
using Tensors = std::vector<D>;

double largest_difference(const D& a, const D& b) {
  REQUIRE(a.shape() == b.shape());
  double worst = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a(i) - b(i)));
  return worst;
}

}  // namespace

TEST_CASE("structured: scores of groups are root mean squares of their members") {
  const D w = random_normal<double>({3, 2, 2, 2}, initial_key(1, 0));
  const std::pair<Group, Shape> shapes[] = {{Group::output, {3, 1, 1, 1}},
                                            {Group::input, {1, 2, 1, 1}},
                                            {Group::position, {1, 2, 2, 2}},
                                            {Group::kernel, {3, 2, 1, 1}}};
  for (const auto& [group, shape] : shapes) {
    const D s = group_scores(Tensors{w}, group)[0];
    CHECK(s.shape() == shape);
    double all = 0;  // the means of all groups average to that of all weights
    for (const double v : s.values()) all += v * v / double(s.size());
    double want = 0;
    for (const double v : w.values()) want += v * v / 24;
    CHECK(all == doctest::Approx(want).epsilon(1e-13));
  }
  double row = 0;
  for (std::int64_t i = 8; i < 16; ++i) row += w(i) * w(i) / 8;
  CHECK(group_scores(Tensors{w}, Group::output)[0](1) == doctest::Approx(std::sqrt(row)).epsilon(1e-14));
  const D l = random_normal<double>({3, 2}, initial_key(1, 1));
  CHECK(group_scores(Tensors{l}, Group::kernel)[0](5) == std::abs(l(5)));
  CHECK_THROWS_AS(group_scores(Tensors{D::ones({3})}, Group::output), ShapeError);
}

TEST_CASE("structured: whole groups are kept, ⌈ρ n⌉ of each layer; an emptied layer is refused") {
  const Tensors s{abs(random_normal<double>({5, 3, 2, 2}, initial_key(2, 0))),
                  scale(abs(random_normal<double>({4, 6}, initial_key(2, 1))), 1e-3)};
  const auto m = structured_mask(s, Group::output, {.density = 0.5, .scope = Scope::per_leaf, .ties = Ties::exact});
  const auto each = densities(m);
  CHECK(each[0].kept == 3 * 12);
  CHECK(each[1].kept == 2 * 6);
  for (std::int64_t o = 0; o < 5; ++o)
    for (std::int64_t i = 1; i < 12; ++i) CHECK(m[0](o * 12 + i) == m[0](o * 12));
  const auto kernels = structured_mask(s, Group::kernel, {.density = 0.4, .scope = Scope::per_leaf});
  for (std::int64_t i = 0; i < 60; ++i) CHECK(kernels[0](i) == kernels[0](i / 4 * 4));
  CHECK(densities(kernels)[0].kept == 6 * 4);
  CHECK_THROWS_WITH_AS(structured_mask(s, Group::output, {.density = 0.5}), "structured: no weight of 1 is left",
                       ValueError);
  CHECK_THROWS_AS(structured_mask(s, Group::output, {.scope = Scope::per_row}), ValueError);
}

TEST_CASE("channels: the links of a chain") {
  const auto net = conv_net<double>(1);
  const auto links = chain_links(net);
  REQUIRE(links.size() == 2);
  CHECK(links[0].from == "conv1");
  CHECK(links[0].norms == std::vector<std::string>{"bn1"});
  CHECK(links[0].to == "conv2");
  CHECK(links[0].channels == 4);
  CHECK(links[1].from == "conv2");
  CHECK(links[1].to == "fc");
  CHECK(links[1].channels == 6);
  const std::vector<Linear<D>> apart{random_linear<double>(3, 4, initial_key(1, 0)),
                                     random_linear<double>(5, 2, initial_key(1, 1))};
  CHECK_THROWS_WITH_AS(chain_links(apart), "channels: 1 reads 5 inputs of the 4 channels of 0", ValueError);
}

TEST_CASE("channels: taken out, the outputs are those of the mask") {
  const auto net = conv_net<double>(2);
  const auto samples = stripes<double>(9, 3);
  const auto links = chain_links(net);
  for (const double rho : {0.2, 0.5, 0.7, 1.}) {
    auto scores = magnitude_scores(net);
    scores.fc.weight = D{};  // its outputs are the classes
    auto mask = structured_mask(scores, Group::output, {.density = rho, .scope = Scope::per_leaf, .ties = Ties::exact});
    mask.fc.weight = U::ones(net.fc.weight.shape());
    const auto c = compacted(net, mask, links);
    CHECK(c.widths == std::vector<std::int64_t>{std::int64_t(std::ceil(rho * 4)), std::int64_t(std::ceil(rho * 6))});
    CHECK(c.model.conv1.weight.shape() == Shape{c.widths[0], 1, 3, 3});
    CHECK(c.model.conv2.weight.shape() == Shape{c.widths[1], c.widths[0], 3, 3});
    CHECK(c.model.bn2.running_var.shape() == Shape{c.widths[1]});
    CHECK(c.model.fc.weight.shape() == Shape{3, 4 * c.widths[1]});
    CHECK(density(c.mask).kept ==
          count_elements(Tensors{c.model.conv1.weight, c.model.conv2.weight, c.model.fc.weight}));
    CHECK(largest_difference(c.model(samples.x), masked(net, c.mask)(samples.x)) < 1e-12);
    if (rho < 1) CHECK(largest_difference(c.model(samples.x), net(samples.x)) > 1e-3);
  }
}

TEST_CASE("channels: what does not fit is a sentence") {
  const auto net = conv_net<double>(3);
  const auto links = chain_links(net);
  CHECK_THROWS_WITH_AS(without_channels(net, links[0], {}), "channels: no channel of conv1 is left", ValueError);
  CHECK_THROWS_AS(without_channels(net, links[0], {0, 4}), ValueError);
  CHECK_THROWS_AS(without_channels(net, links[0], {1, 0}), ValueError);
  ChannelLink wrong = links[0];
  wrong.to = "nowhere";
  CHECK_THROWS_WITH_AS(without_channels(net, wrong, {0}), "channels: no weights of conv1 or of nowhere", ValueError);
  wrong = links[0];
  wrong.channels = 3;
  CHECK_THROWS_AS(without_channels(net, wrong, {0}), ShapeError);
}
