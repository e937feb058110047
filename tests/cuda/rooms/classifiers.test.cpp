// Classifiers on the device: training, scores and losses of host samples, beside the CPU's.
#include "tenzo/train/classifier.hpp"

#include "beside.hpp"
#include "prune/net.hpp"
#include "tenzo/optim/rmsprop.hpp"
#include "tenzo/tree/ravel.hpp"

using namespace tenzo;
using namespace tenzo::test;

TEST_CASE("classifiers on the device: an epoch of training with batch norms, and what is judged, as on the CPU") {
  const AtEnd clean;
  const Samples<float> train = stripes<float>(48, 1), test = stripes<float>(21, 2);
  auto here = conv_net<float>(3);
  auto there = to_device<Cuda>(here);
  CHECK(apart(scores(there, test.x), scores(here, test.x)) < 1e-5);
  const TrainOptions o{.epochs = 2, .batch = 16, .sgd = {.lr = 0.05, .momentum = 0.9, .weight_decay = 5e-4}};
  const auto before = sample_losses(here, train);
  train_(here, train, o);
  train_(there, train, o);
  CHECK(apart(there, here) < 1e-3);
  const auto after = sample_losses(there, train);
  CHECK(apart(after, sample_losses(here, train)) < 1e-3);
  CHECK(inner(after, Tensor<float>::ones(after.shape())) < inner(before, Tensor<float>::ones(before.shape())));
  CHECK(accuracy(there, test) == accuracy(here, test));
}

TEST_CASE("trees on the device: ravelled and back to the bit; RMSprop's steps") {
  const AtEnd clean;
  const auto here = conv_net<float>(5);
  const auto there = to_device<Cuda>(here);
  const auto all = ravel(there);
  CHECK(apart(all, ravel(here)) == 0);
  CHECK(apart(unravel(all, there), here) == 0);
  for (const bool centered : {false, true}) {
    const RmsProp o{.lr = 0.02, .alpha = 0.9, .eps = 0.01, .centered = centered};
    auto x = ravel(here);
    auto y = all.clone();
    RmsProp::State<Tensor<float>> s;
    RmsProp::State<Tensor<float, Cuda>> t;
    for (int step = 0; step < 4; ++step) {
      const auto g = add(scale(x, 0.5), Tensor<float>::scalar(float(step) - 1.5f));
      o.step(s, x, g);
      o.step(t, y, g.to<Cuda>());
    }
    CHECK(apart(y, x) < 1e-6);
  }
}
