// Unlearning on the device: every method, and the search for the worst set, beside the CPU's.
#include "beside.hpp"
#include "tenzo/unlearn/methods.hpp"
#include "tenzo/unlearn/worst_case.hpp"
#include "unlearn/clusters.hpp"

using namespace tenzo;
using namespace tenzo::test;
using namespace tenzo::unlearn;

namespace {

const std::vector<Centre> centres{{-1, 0, 0}, {1, 0, 1}, {0, 1.5, 2}};

}  // namespace

TEST_CASE("unlearning on the device: every method as on the CPU") {
  const AtEnd clean;
  const Samples<float> all = clusters<float>(centres, 16, 0.4), held_out = clusters<float>(centres, 6, 0.4, 9);
  auto here = normed_mlp<float>(2, 8, 3);
  train_(here, all, {.epochs = 4, .batch = 12, .sgd = {.lr = 0.1, .momentum = 0.9}});
  const auto there = to_device<Cuda>(here);
  Rows forget;
  for (std::int64_t i = 0; i < all.size(); i += 6) forget.push_back(i);
  const auto request = [&](const auto& model) {
    return Request<std::remove_cvref_t<decltype(model)>, float>{.model = model,
                                                                .samples = all,
                                                                .forget = forget,
                                                                .retain = complement(forget, all.size()),
                                                                .seed = 3,
                                                                .held_out = &held_out};
  };
  for (Method m : all_methods()) {
    CAPTURE(name_of(m));
    if (TrainOptions* o = training_of(m)) o->epochs = 1, o->batch = 24;
    if (auto* i = std::get_if<Influence>(&m)) i->solver.iterations = 5;
    const auto want = unlearned(m, request(here));
    CHECK(apart(unlearned(m, request(there)), want) < 2e-3);
    if (name_of(m) != "eu-k") CHECK(apart(want, here) > 0);
  }
}

TEST_CASE("worst-case sets on the device: the CPU's weights but for signs that rounding turns") {
  const AtEnd clean;
  const Samples<float> all = clusters<float>(centres, 16, 0.6);
  auto here = mlp<float>(2, 8, 3);
  train_(here, all, {.epochs = 6, .batch = 12, .sgd = {.lr = 0.1, .momentum = 0.9}});
  const WorstCase o{.size = 8, .upper_steps = 3, .epochs = 1, .batch = 24};
  const auto want = worst_case_samples(here, all, o), got = worst_case_samples(to_device<Cuda>(here), all, o);
  CHECK(apart(got.weights, want.weights) < 0.02);
  CHECK(got.history.size() == 3);
}
