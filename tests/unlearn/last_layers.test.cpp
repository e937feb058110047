// Methods on the last layers: which leaves those are, that the others keep their bits, and when layers begin anew.
#include "tenzo/unlearn/last_layers.hpp"

#include <doctest/doctest.h>

#include <set>

#include "clusters.hpp"

using namespace tenzo;
using namespace tenzo::test;
using namespace tenzo::unlearn;

namespace {

const std::vector<Centre> three{{0, 0, 0}, {4, 0, 1}, {0, 4, 2}};
using Names = std::set<std::string>;

/// Names of the leaves that differ.
template <Tree M>
Names changed(const M& a, const M& b) {
  Names names;
  for_each_leaf(
      [&](const Path& at, const auto& x, const auto& y) {
        if (bits(x) != bits(y)) names.insert(at.str());
      },
      a, b);
  return names;
}

}  // namespace

TEST_CASE("last layers: from the k-th last weight on, in the tree's order") {
  const auto m = normed_mlp<float>(2, 5, 3);
  CHECK(last_layers(m, 1).names == Names{"last.weight", "last.bias"});
  CHECK(last_layers(m, 2).names == Names{"first.weight", "first.bias", "norm.weight", "norm.bias", "norm.running_mean",
                                         "norm.running_var", "last.weight", "last.bias"});
  CHECK_THROWS_WITH_AS(last_layers(m, 3), "unlearn: the last 3 of 2 weight layers", ValueError);
  CHECK_THROWS_AS(last_layers(m, 0), ValueError);
}

TEST_CASE("cf-k and eu-k: frozen leaves keep their bits, statistics included") {
  const auto samples = clusters<float>(three, 20, 0.4);
  auto m = normed_mlp<float>(2, 8, 3);
  train_(m, samples, {.epochs = 3});
  const Request r{m, samples, range(0, 10), range(10, 60)};
  const Names one{"last.weight", "last.bias"};
  CHECK(changed(ForgetLast{}(r), m) == one);
  CHECK(changed(ExactLast{}(r), m) == one);
  const Names all = last_layers(m, 2).names;
  CHECK(changed(ForgetLast{tuning(0.02), 2}(r), m) == all);
  CHECK(changed(ExactLast{tuning(0.02), 2}(r), m) == all);
  CHECK_THROWS_AS(ExactLast({.k = 9})(r), ValueError);
}

TEST_CASE("eu-k: the last layer begins anew, at every epoch where asked for") {
  const auto samples = clusters<double>(three, 20, 0.4);
  auto m = mlp<double>(2, 8, 3);
  train_(m, samples, {.epochs = 10});
  const Request r{m, samples, range(0, 20), range(20, 60), 5};
  ExactLast method{tuning(0.05)};
  method.train.epochs = 0;
  const auto start = method(r), fresh = initialised<double>(m, 5);
  CHECK(bits(start.last) == bits(fresh.last));
  CHECK(bits(start.first) == bits(m.first));

  method.train.epochs = 3;
  method.anew_every_epoch = true;
  // The third epoch alone: a layer of the seed 5 + 2, and the order of epoch 2.
  auto want = m;
  want.last = initialised<double>(m, 7).last;
  TrainState<Mlp<Tensor<double>>> state{.sgd = {}, .epoch = 2};
  TrainOptions o = method.train;
  o.seed = 5;
  train_epoch_(want, state, r.retain_samples(), o, CrossEntropyLoss{}, NoHook{}, last_layers(m, 1));
  CHECK(bits(method(r)) == bits(want));

  method.anew_every_epoch = false;
  method.train.epochs = 40;
  const auto done = method(r);
  CHECK(accuracy(done, r.retain_samples()) == 1);
  CHECK(accuracy(done, r.forget_samples()) == 0);  // the new layer has never seen class 0
}
