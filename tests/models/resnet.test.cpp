// Residual networks: as many weights as they are known to have, under the names of the files that are in use.
#include "tenzo/models/resnet.hpp"

#include <doctest/doctest.h>

#include <map>
#include <string>

using namespace tenzo;

namespace {

std::map<std::string, Shape> leaves_of(const ResNetConfig& c) {
  std::map<std::string, Shape> all;
  const auto spec = resnet_spec(c);
  for_each_leaf([&](const Path& at, const Expected& e) { all.emplace(at.str(), e.shape()); }, spec);
  return all;
}

std::int64_t weights_of(const std::map<std::string, Shape>& leaves) {
  std::int64_t n = 0;
  for (const auto& [name, shape] : leaves)
    if (name.find("running") == std::string::npos) n += shape.numel();
  return n;
}

}  // namespace

TEST_CASE("residual networks: numbers of weights, names and shapes of the usual ones") {
  CHECK(weights_of(leaves_of(ResNetConfig::resnet18())) == 11'689'512);
  ResNetConfig deeper = ResNetConfig::resnet18();
  deeper.blocks = {3, 4, 6, 3};
  CHECK(weights_of(leaves_of(deeper)) == 21'797'672);  // ResNet-34
  const auto resnet50 = leaves_of(ResNetConfig::resnet50());
  CHECK(weights_of(resnet50) == 25'557'032);
  CHECK(resnet50.at("layer1.0.conv1.weight") == Shape{64, 64, 1, 1});
  CHECK(resnet50.at("layer1.0.downsample.0.weight") == Shape{256, 64, 1, 1});
  CHECK(resnet50.at("layer4.2.conv2.weight") == Shape{512, 512, 3, 3});
  CHECK(resnet50.at("layer4.2.bn3.running_var") == Shape{2048});
  CHECK(resnet50.at("fc.weight") == Shape{1000, 2048});
  CHECK(resnet50.count("layer1.1.downsample.0.weight") == 0);
  CHECK(leaves_of(ResNetConfig::resnet18()).count("layer1.0.conv3.weight") == 0);
  ResNetConfig none;
  none.blocks = {};
  CHECK_THROWS_AS(resnet_spec(none), ValueError);
}
