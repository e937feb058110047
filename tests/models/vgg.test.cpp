// VGG: names and sizes as in the ecosystem's files, both passes, both heads. ResNet goes through the same.
#include "tenzo/models/vgg.hpp"

#include <doctest/doctest.h>

#include <set>
#include <string>

#include "classifiers.hpp"
#include "tenzo/autodiff/grad.hpp"
#include "tenzo/models/resnet.hpp"
#include "tenzo/nn/batch_norm.hpp"
#include "tenzo/ops/cross_entropy.hpp"

using namespace tenzo;

namespace {

std::int64_t parameters(const auto& spec) {
  std::int64_t n = 0;
  for_each_leaf([&](const Path& at, const auto& l) { n += is_running_statistic(at) ? 0 : l.shape().numel(); }, spec);
  return n;
}

const VggConfig tiny{.channels = 2, .classes = 3, .stages = {{4, 3}, {5}}, .small_images = true};

Tensor<double> images(std::int64_t n) { return random_uniform<double>({n, 2, 6, 5}, initial_key(7, 0), -1, 1); }

/// The gradient of the mean cross entropy in the direction of all leaves at once, against central differences.
template <class M>
void check_slope(const M& m, const Tensor<double>& x) {
  Tensor<std::int64_t> y(Shape{x.shape()[0]});
  for (std::int64_t i = 0; i < y.size(); ++i) y(i) = i % 3;
  BatchStatistics<Tensor<double>> statistics;
  const auto loss = [&](const auto& q) { return cross_entropy(q(x, &statistics), y); };
  const auto g = value_and_grad(loss, m, [](const Path& at) { return !is_running_statistic(at); }).grad;
  const auto moved = [&](double s) {
    return map_tree<Tensor<double>>(m, [&](const Path& at, const Tensor<double>& v) {
      Tensor<double> w = v.clone();
      const auto d = random_normal<double>(v.shape(), initial_key(9, at.str()));
      if (!is_running_statistic(at)) w.vector() += s * d.vector();
      return w;
    });
  };
  double slope = 0;
  for_each_leaf(
      [&](const Path& at, const Tensor<double>& v) {
        slope += v.vector().dot(random_normal<double>(v.shape(), initial_key(9, at.str())).vector());
      },
      g);
  const double h = 1e-6, difference = (loss(moved(h)).item() - loss(moved(-h)).item()) / (2 * h);
  CHECK(slope == doctest::Approx(difference).epsilon(1e-6));
}

}  // namespace

TEST_CASE("vgg: names and numbers of parameters are the ecosystem's") {
  const auto spec = vgg_spec({});
  CHECK(parameters(spec) == 138365992);  // vgg16_bn
  std::set<std::string> names;
  for_each_leaf([&](const Path& at, const auto&) { names.insert(at.str()); }, spec);
  CHECK(names.size() == 13 * 6 + 3 * 2);
  for (const char* name :
       {"features.0.weight", "features.0.bias", "features.1.running_var", "features.7.weight", "features.40.bias",
        "features.41.running_mean", "classifier.0.weight", "classifier.3.bias", "classifier.6.weight"})
    CHECK_MESSAGE(names.contains(name), name);
  CHECK(spec.features.size() == 44);
  CHECK(spec.classifier[0].weight.shape() == Shape{4096, 25088});

  const auto small = vgg_spec({.classes = 10, .small_images = true});
  CHECK(parameters(small) == 14728266);
  CHECK(small.head.weight.shape() == Shape{10, 512});
  CHECK(
      leaves_of(small).ends_with("features.41.running_var (512)\nclassifier.weight (10, 512)\nclassifier.bias (10)\n"));
}

TEST_CASE("vgg: sizes that do not go are a sentence") {
  CHECK_THROWS_WITH_AS(vgg_spec({.stages = {{4, 0}}}), "vgg: a convolution to 0 channels", ValueError);
  CHECK_THROWS_AS(vgg_spec({.classes = -1}), ValueError);
}

TEST_CASE("vgg: both passes and heads") {
  auto m = initialised<double>(vgg_spec(tiny), 1);
  BatchStatistics<Tensor<double>> statistics;
  const auto training = m(images(32), &statistics);
  CHECK(training.shape() == Shape{32, 3});
  REQUIRE(statistics.size() == 3);
  CHECK(statistics[2].count == 32 * 3 * 2);
  CHECK(apart(m(images(32)), training) > 0.01);
  for (int i = 0; i < 300; ++i) m.update_running_(statistics);
  CHECK(apart(m(images(32)), training) < 0.01);  // n − 1 in place of n

  VggConfig large = tiny;
  large.small_images = false;
  large.hidden = 6;
  const auto wide = initialised<double>(vgg_spec(large), 1);
  CHECK(wide(random_uniform<double>({2, 2, 9, 9}, initial_key(1, 0), 0, 1)).shape() == Shape{2, 3});
}

TEST_CASE("vgg: gradients of the training pass") {
  check_slope(initialised<double>(vgg_spec(tiny), 1), images(5));
  VggConfig large = tiny;
  large.small_images = false;
  large.hidden = 6;
  check_slope(initialised<double>(vgg_spec(large), 1), images(5));
}

TEST_CASE("resnet: begins from its spec, and its training pass takes images that are not recorded") {
  const auto m = initialised<double>(
      resnet_spec({.width = 3, .classes = 3, .channels = 2, .blocks = {1, 1}, .cifar_stem = true}), 1);
  check_slope(m, images(5));
}
